"""aiohttp, by which issuers and others are asked; imported where somebody is. Without the contexts it makes for itself.

It makes two while it is imported, each with all authorities of the system: 3 MiB and 80 ms of processor time. Here
every request is made with a context of its own, or without TLS: whoever forgets it trusts nobody. And without what
reads proxies from the environment, which are not honoured, and cookies from files: another megabyte.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.libraries.unused import without


@contextmanager
def trusting_nobody() -> Iterator[None]:
    """Contexts that this thread makes meanwhile know no authorities; those of other threads do."""
    load, ours = ssl.SSLContext.set_default_verify_paths, threading.get_ident()

    def load_elsewhere(context: ssl.SSLContext) -> None:
        if threading.get_ident() != ours:
            load(context)

    ssl.SSLContext.set_default_verify_paths = load_elsewhere  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


with trusting_nobody(), without("pickle", "urllib.request"):
    import aiohttp

__all__ = ["aiohttp"]
