"""Which names and which contents an identity header may have. Knows nothing of how its value is written."""

from collections.abc import Iterator

from gateway.core.claims import is_pointer
from gateway.core.config.file import Config, identity_headers_of
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer, distinct_issuers
from gateway.core.config.words import ConfigProblem, joined, named, shown_keys
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.http.header_names import HOP_BY_HOP, OVERRIDES, fold, is_certificate
from gateway.core.token.tenants import Template, template_of

#: Folded names, and what is wrong with them.
_TAKEN = {
    **dict.fromkeys(HOP_BY_HOP, "is a hop-by-hop header, which no upstream would get"),
    **dict.fromkeys((b"expect", b"host"), "belongs to the framing and routing of the request"),
    **dict.fromkeys((b"authorization", b"cookie"), "carries the client's own credentials"),
    **dict.fromkeys((b"forwarded", b"via", b"x-forwarded", b"x-real-ip"), "is a forwarding header"),
    b"x-request-id": "is the identifier of the request",
    b"proxy": "would be taken for the variable HTTP_PROXY",
    **dict.fromkeys(OVERRIDES, "would change the method or the path behind the gateway"),
}
_TAKEN_PREFIXES = {
    b"content-": "describes the body of the request",
    b"sec-": "belongs to browsers and to WebSocket",
    b"x-forwarded-": "is a forwarding header",
    b"x-gateway-": "is reserved for the gateway",
}


def header_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong with `identity_headers`, header by header."""
    seen: dict[bytes, str] = {}
    headers = identity_headers_of(config)
    paths, words = named("identity_headers", headers), shown_keys(headers)
    for name, header in headers.items():
        path = paths[name]
        if FIELD_NAME.fullmatch(name) is None:
            yield ConfigProblem(path, "is not a valid header name: letters, digits and hyphens are")
        else:
            folded = fold(name.encode("ascii"))
            wrong = find_taker(folded)
            if wrong:
                yield ConfigProblem(path, f"cannot be an identity header: {words[name]} {wrong}")
            elif folded in seen:
                yield ConfigProblem(path, f"is the same header as {seen[folded]} to an upstream that folds names")
            seen.setdefault(folded, words[name])
        short = not isinstance((config.identity_headers or {}).get(name), IdentityHeader)
        for key, sentence in _content_problems(header):
            yield ConfigProblem(path if short or not key else joined(path, key), sentence)


def header_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    headers = identity_headers_of(config).values()
    if len(distinct_issuers(config.issuers)) > 1 and headers and not any(map(_names_issuer, headers)):
        yield ConfigProblem(
            "identity_headers",
            "do not say which issuer it was, and the alice of one is not the alice of another (OpenID Connect Core "
            "section 5.7); X-Token-Issuer: {from: issuer} says it",
        )
    if all(issuer.tenants is None for issuer in config.issuers):
        paths = named("identity_headers", identity_headers_of(config))
        for name, header in identity_headers_of(config).items():
            if header.source == "tenant":
                yield ConfigProblem(paths[name], "says nothing: no issuer has tenants")
    manifold = [issuer for issuer in config.issuers if issuer.tenants == "any" or len(issuer.tenants or ()) > 1]
    claims = {template.claim for issuer in manifold if (template := _template_of(issuer)) is not None}
    if claims and headers and not any(_names_tenant(header, claims) for header in headers):
        yield ConfigProblem(
            "identity_headers",
            "do not say which tenant it was, and the alice of one is not the alice of another; "
            "X-Token-Tenant: {from: tenant} says it",
        )


def _template_of(issuer: Issuer) -> Template | None:
    try:
        return template_of(issuer)
    except ValueError:
        return None


def _names_tenant(header: IdentityHeader, claims: set[str]) -> bool:
    if header.source == "tenant" or (header.source != "issuer" and _names_issuer(header)):
        return True
    return isinstance(header.claim, str) and header.claim in claims


def _names_issuer(header: IdentityHeader) -> bool:
    return header.source == "issuer" or header.claims == "all" or header.claim in {"iss", "/iss", ("iss",)}


def find_taker(folded: bytes) -> str | None:
    """Why a folded name is no name for a header of ours, or None."""
    if is_certificate(folded):
        return "is where proxies pass on the certificate of a client"
    by_prefix = (wrong for prefix, wrong in _TAKEN_PREFIXES.items() if folded.startswith(prefix))
    return _TAKEN.get(folded) or next(by_prefix, None)


def _content_problems(header: IdentityHeader) -> Iterator[tuple[str, str]]:
    if sum(kind is not None for kind in (header.claim, header.source, header.claims)) != 1:
        yield "", "must have exactly one of claim, from and claims"
    if header.claims is not None and (header.format, header.encoding) != ("json", "base64url"):
        yield "claims", "needs format: json and encoding: base64url beside it"
    if header.claim == "" or (isinstance(header.claim, tuple) and not all(header.claim or ("",))):
        yield "claim", "must name a claim; no name may be empty"
    elif isinstance(header.claim, str) and header.claim.startswith("/") and not is_pointer(header.claim):
        yield "claim", "is not a valid JSON Pointer: ~ is written ~0 (to name a claim as it is, put it in a list)"
    if header.max_bytes < 1:
        yield "max_bytes", "must be at least 1"
