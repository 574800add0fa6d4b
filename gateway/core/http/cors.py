"""What pages of other origins may read and send (CORS: Fetch standard section 3.2), route by route.

A page's browser asks and enforces; nothing here admits or refuses a request. Knows nothing of routes and tokens.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.core.config.cors import Cors
from gateway.core.config.dpop import DPoPSection
from gateway.core.http.grammar import METHOD

#: A header field; `model` has the same, and needs routes, which need this.
Line = tuple[bytes, bytes]
Lines = tuple[Line, ...]

#: stands for every origin, in the file as on the wire
ANY = "*"
#: A page may always send these, and read these: without them it could neither call nor learn why it may not.
SENT = ("Authorization", "Content-Type")
READ = ("WWW-Authenticate", "Retry-After")
#: and these where there are DPoP proofs (RFC 9449), and with nonces
SENT_AS_PROOF = ("DPoP",)
READ_OF_NONCES = ("DPoP-Nonce",)
#: and these where there are rates
READ_OF_RATES = ("RateLimit-Policy", "RateLimit")

#: RFC 6454 section 6.2 as browsers write it; one label of the host may be a wildcard
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<wildcard>\*\.)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?"
)
_LABEL = rb"[a-z0-9_-]+"
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """The `cors` of a route, compiled."""

    #: preflights and the headers of responses are the API's business
    by_upstream: bool
    any_origin: bool = False
    origins: frozenset[bytes] = frozenset()
    patterns: tuple[re.Pattern[bytes], ...] = ()
    #: None: the one that is asked for
    methods: bytes | None = None
    #: what an allowed origin gets with every response, and with the response to a preflight
    always: Lines = ()
    exposed: Lines = ()
    preflight: Lines = ()

    def response_lines(self, headers: Iterable[Line]) -> Lines:
        """The lines of a response to a request with these headers, ours or the API's; none: it stays as it is."""
        return self._lines(headers, self.exposed)

    def preflight_lines(self, headers: Iterable[Line], *, method: str) -> Lines | None:
        """The lines of our response to a preflight that asks for `method`; None: the API responds to it."""
        if self.by_upstream:
            return None
        methods = method.encode("ascii") if self.methods is None else self.methods
        return self._lines(headers, ((b"Access-Control-Allow-Methods", methods), *self.preflight))

    def _lines(self, headers: Iterable[Line], more: Lines) -> Lines:
        if self.by_upstream:
            return ()
        origin = _only(headers, b"origin")
        if origin is None or not self._allows(origin):
            return ((b"Vary", b"Origin"),)
        allowed = ANY.encode() if self.any_origin else origin
        return ((b"Vary", b"Origin"), (b"Access-Control-Allow-Origin", allowed), *self.always, *more)

    def names(self, origin: bytes) -> bool:
        """Whether the file names this origin, or a pattern that it has; `*` names nobody."""
        return origin in self.origins or any(known.fullmatch(origin) for known in self.patterns)

    def _allows(self, origin: bytes) -> bool:
        return self.any_origin or self.names(origin)


def compile_cors(
    cors: Cors | Literal["upstream"] | None, *, has_rates: bool = False, dpop: DPoPSection | None = None
) -> CrossOrigin | None:
    """What the file says as what responding needs. `cors` is sound: every origin can be parsed."""
    if cors is None:
        return None
    if not isinstance(cors, Cors):
        return CrossOrigin(by_upstream=True)
    sent = (*SENT, *(() if dpop is None else SENT_AS_PROOF))
    read = (
        *READ,
        *(() if dpop is None or dpop.nonce == "off" else READ_OF_NONCES),
        *(READ_OF_RATES if has_rates else ()),
    )
    parsed = [parse_origin(text) for text in cors.origins if text != ANY]
    return CrossOrigin(
        by_upstream=False,
        any_origin=ANY in cors.origins,
        origins=frozenset(origin for origin in parsed if isinstance(origin, bytes)),
        patterns=tuple(origin for origin in parsed if not isinstance(origin, bytes)),
        methods=_listed(cors.methods) if cors.methods else None,
        always=((b"Access-Control-Allow-Credentials", b"true"),) if cors.credentials else (),
        exposed=((b"Access-Control-Expose-Headers", _listed((*read, *cors.expose))),),
        preflight=(
            (b"Access-Control-Allow-Headers", _listed((*sent, *cors.headers))),
            (b"Access-Control-Max-Age", b"%d" % int(cors.max_age)),
        ),
    )


def parse_origin(text: str) -> bytes | re.Pattern[bytes]:
    """An origin as browsers send it, or a pattern when one label is a wildcard.

    ValueError carries a sentence that fits behind the key.
    """
    if text == "null":
        raise ValueError("must not be null: files and sandboxed frames of anybody share that origin")
    found = _ORIGIN.fullmatch(text.lower())
    if found is None or int(found["port"] or 1) not in range(1, _MAX_PORT + 1):
        raise ValueError(
            "must be an origin, such as https://app.example.com, with a port when it is not the scheme's own, "
            "and nothing behind it"
        )
    # A browser leaves the scheme's own port out.
    port = "" if found["port"] in {None, _DEFAULT_PORTS.get(found["scheme"])} else f":{int(found['port'])}"
    if found["wildcard"] is None:
        return f"{found['scheme']}://{found['host']}{port}".encode("ascii")
    if "." not in found["host"]:
        raise ValueError("must have a domain behind a wildcard, such as https://*.example.com")
    before, behind = f"{found['scheme']}://".encode("ascii"), f".{found['host']}{port}".encode("ascii")
    return re.compile(re.escape(before) + _LABEL + re.escape(behind))


def requested_method(method: str, headers: Iterable[Line]) -> str | None:
    """The method that a preflight asks for; None: this is none."""
    if method != "OPTIONS":
        return None
    lines = list(headers)
    requested = _only(lines, b"access-control-request-method")
    if requested is None or _only(lines, b"origin") is None:
        return None
    text = requested.decode("latin-1")
    return text if METHOD.fullmatch(text) else None


def _only(headers: Iterable[Line], wanted: bytes) -> bytes | None:
    """The value of the one line of that name; None when there is none, or more."""
    found = [value for name, value in headers if name.lower() == wanted]
    return found[0] if len(found) == 1 else None


def _listed(names: Iterable[str]) -> bytes:
    """Names as one header value; of those that differ in case only, the first."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.lower(), name)
    return ", ".join(first.values()).encode("ascii")
