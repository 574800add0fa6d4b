"""Bearer Gateway: lets through only requests that carry an access token meant for the API behind it."""

__version__ = "0.1.0"
