"""aiohttp's server, for the console."""

from gateway.libraries.asking import trusting_nobody

with trusting_nobody():
    from aiohttp import web

__all__ = ["web"]
