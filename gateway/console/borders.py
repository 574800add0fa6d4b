"""Which requests are looked at: for a host of ours, from a page of ours or none, and not by way of somebody else.

A pure function of a request's head. It is what keeps pages of other sites out, which a browser would let ask.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from gateway.core.addresses import is_authority, is_loopback

#: what proxies add
FORWARDED: Final = frozenset({"forwarded", "via", "x-real-ip"})
_SAFE: Final = frozenset({"GET", "HEAD"})


class Headers(Protocol):
    """Field lines by name, whatever its case."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All values, in order."""

    def __iter__(self) -> Iterator[str]:
        """The names."""


class Foreign(Exception):
    """A request that is not looked at; a sentence that quotes nothing, and its status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Borders:
    """What is let in."""

    def __init__(self, *, hosts: Iterable[str] = (), scheme: str = "http", proxies: bool = False) -> None:
        """`hosts`: beside those of loopback. `scheme`: of this listener. `proxies`: may stand in between."""
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._scheme = scheme
        self._proxies = proxies

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Foreign."""
        hosts = headers.getall("Host", [])
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            # DNS rebinding: the page of another site whose name leads here all of a sudden.
            raise Foreign("The console is not served as this host: console.hosts names others than loopback.", 421)
        if not self._proxies and any(
            name.lower() in FORWARDED or name.lower().startswith("x-forwarded-") for name in headers
        ):
            raise Foreign("The request came through a proxy, and console.operators is not configured.", 403)
        origins = headers.getall("Origin", [])
        # Behind a proxy that ends TLS pages have another scheme than this listener.
        schemes = {self._scheme, "https"} if self._proxies else {self._scheme}
        if origins and (
            len(origins) != 1 or origins[0].lower() not in {f"{one}://{hosts[0].lower()}" for one in schemes}
        ):
            raise Foreign("A page of another origin may not use the console.", 403)
        if path.startswith("/api/") and headers.getall("Sec-Fetch-Site", ["none"])[-1] not in {"none", "same-origin"}:
            raise Foreign("A page of another site may not use the console.", 403)
        if method not in _SAFE and _media_type(headers) != "application/json":
            raise Foreign("Changes are asked for as application/json.", 415)

    def _is_ours(self, host: str) -> bool:
        if not host.isascii() or not is_authority(host.encode()):
            return False
        name = host[: host.rindex("]") + 1] if host.startswith("[") else host.partition(":")[0]
        name = name.strip("[]").lower()
        return is_loopback(name) or name in self._hosts


def _media_type(headers: Headers) -> str:
    given = headers.getall("Content-Type", [])
    return given[0].partition(";")[0].strip().lower() if len(given) == 1 else ""
