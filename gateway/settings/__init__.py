"""Reads the configuration: file, variables, and the files they name."""
