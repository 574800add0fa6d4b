"""Whether a page of another site may have made a request: asked of a credential that browsers send by themselves.

A cookie goes along with what any page has a browser do. Fetch metadata says which site that page is of, and Origin
which origin (Fetch standard, sections 3.2 and "Sec-Fetch-Site").
"""

from typing import Final

from gateway.core.config.file import Config
from gateway.core.errors import CrossSiteRequest
from gateway.core.http.client_url import ClientUrls, client_urls_of
from gateway.core.http.cors import CrossOrigin
from gateway.core.http.facts import Facts

#: RFC 9110 section 9.2.1: they change nothing, or an API is wrong about itself
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_READ: Final = frozenset({b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-websocket-key"})
#: stands for a header that is there twice: nothing that counts
_TWICE: Final = b"\0"


class CrossSite:
    """What pages may use a cookie: the configuration, compiled."""

    def __init__(self, urls: ClientUrls | None) -> None:
        """`urls`: what confirms the URL of a request, whose origin is ours; None: nothing does."""
        self._urls: Final = urls

    @classmethod
    def of(cls, config: Config) -> "CrossSite":
        """Compiled once at start."""
        return cls(client_urls_of(config))

    def check(self, facts: Facts, cors: CrossOrigin | None) -> None:
        """CrossSiteRequest. BadRequest: trusted proxies contradict each other about the URL. `cors`: of the route.

        What changes something, and a WebSocket, must come from a page of ours, or of an origin that `cors` names, or
        from no page. What only reads may not come from another site, but by following a link.
        """
        read = _read(facts)
        site = read.get(b"sec-fetch-site")
        if facts.method not in _SAFE or facts.is_websocket or (facts.is_question and b"sec-websocket-key" in read):
            if site in {b"same-origin", b"none"} or self._is_ours(facts, read, cors):
                return
            raise CrossSiteRequest("neither Sec-Fetch-Site nor Origin says that a page of ours sent it")
        if site == _TWICE or (site == b"cross-site" and not _is_link(read) and not self._is_ours(facts, read, cors)):
            raise CrossSiteRequest("a page of another site sent it, and not by a link to a page")

    def _is_ours(self, facts: Facts, read: dict[bytes, bytes], cors: CrossOrigin | None) -> bool:
        """Whether Origin is that of the URL which the client used, or one of `cors`. `null` is anybody's."""
        origin = read.get(b"origin")
        if origin is None or origin == b"null":
            return False
        if cors is not None and cors.names(origin):
            return True
        url = None if self._urls is None else self._urls.of(facts)
        return url is not None and url.origin == origin


def _read(facts: Facts) -> dict[bytes, bytes]:
    """The values of the headers that say who made the request, by lower-case name."""
    read: dict[bytes, bytes] = {}
    for name, value in facts.headers:
        lower = name.lower()
        if lower in _READ:
            read[lower] = _TWICE if lower in read else value
    return read


def _is_link(read: dict[bytes, bytes]) -> bool:
    return (read.get(b"sec-fetch-mode"), read.get(b"sec-fetch-dest")) == (b"navigate", b"document")
