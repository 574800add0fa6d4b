"""Publishes what clients need to know of protected resources (RFC 9728 section 3), to anybody.

It is served before there are routes: no token is read for it.
"""

from typing import Final

from gateway.core.config.file import Config
from gateway.core.errors import MethodNotAllowed
from gateway.core.http.client_url import client_urls_of
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.hosts import host_of
from gateway.core.routing.published import published
from gateway.core.routing.resource import WELL_KNOWN
from gateway.messages import OwnResponse
from gateway.ports import Ending, Exchange

ALLOWED: Final = ("GET", "HEAD", "OPTIONS")
#: how long a document is good for, in seconds: clients read it again when a challenge comes
MAX_AGE: Final = 600
#: Pages of any origin may read it: it is the same for everybody, and no credential is read for it (Fetch section 3.2).
OPEN: Final[tuple[HeaderLine, ...]] = ((b"Access-Control-Allow-Origin", b"*"),)
_PREFIX: Final = WELL_KNOWN.encode("ascii")
#: Clients of MCP ask with MCP-Protocol-Version; a wildcard leaves out Authorization, which some send along.
_PREFLIGHT: Final[tuple[HeaderLine, ...]] = (
    (b"Allow", b"GET, HEAD, OPTIONS"),
    (b"Access-Control-Allow-Methods", b"GET, HEAD"),
    (b"Access-Control-Allow-Headers", b"*, Authorization"),
    (b"Access-Control-Max-Age", b"7200"),
)


class PublishedResources:
    """The documents of a configuration, each at its host and path."""

    def __init__(self, config: Config) -> None:
        self._documents = published(config)
        self._urls = client_urls_of(config)

    def hears(self, facts: Facts) -> bool:
        """Whether a document is there for the request's host and path, whatever its query. BadRequest."""
        return facts.target.startswith(_PREFIX) and self._find(facts) is not None

    async def handle(self, ending: Ending, exchange: Exchange) -> None:
        """One request for a document. MethodNotAllowed."""
        facts = ending.facts
        assert facts is not None  # read before anybody asked whether it is heard
        document = self._find(facts)
        assert document is not None  # as it said
        ending.response_lines = OPEN
        if facts.method not in ALLOWED:
            raise MethodNotAllowed("what is published of a resource is only read", allow=ALLOWED)
        if facts.method == "OPTIONS":
            response = OwnResponse(204, b"No Content", _PREFLIGHT)
        else:
            lines = (
                (b"Content-Type", b"application/json"),
                (b"Content-Length", b"%d" % len(document)),
                (b"Cache-Control", b"public, max-age=%d" % MAX_AGE),
            )
            response = OwnResponse(200, b"OK", lines, document)
        ending.status = response.status
        await exchange.respond(response, lines=OPEN)

    def _find(self, facts: Facts) -> bytes | None:
        path = facts.target.partition(b"?")[0].decode("latin-1").removesuffix("/")
        # The host that the client used, as far as somebody confirms it; else the one that it names.
        url = None if self._urls is None else self._urls.of(facts)
        host = host_of(facts.host if url is None else url.authority.encode("ascii"))
        return self._documents.get((host or "", path))
