"""Moves bytes between client, gateway and upstream; judges nothing."""
