"""aiohttp's server, for the console."""

from gateway.libraries.asking import trusting_nobody
from gateway.libraries.unused import without

with trusting_nobody(), without("pickle", "urllib.request"):
    from aiohttp import web

__all__ = ["web"]
