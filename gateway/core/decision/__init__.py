"""A proxy's question, read as the request it is about."""
