"""Which `issuers[].fetch` makes sense: a credential with one origin to go to, a proxy that can be asked by its name."""

from collections.abc import Iterator

from gateway.core.addresses import is_loopback, parse_url
from gateway.core.config.issuers import Issuer
from gateway.core.token.tenants import is_template


def fetch_problems(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """What must be corrected: key and sentence."""
    fetch = issuer.fetch
    if fetch is None:
        return
    if fetch.proxy is not None:
        yield from (("fetch.proxy", sentence) for sentence in proxy_problems(fetch.proxy))
    if fetch.authorization is not None:
        if fetch.origin is None:
            yield "fetch.origin", "is needed beside authorization: it says where that token may go, and nowhere else"
        if fetch.proxy is not None:
            yield "fetch.proxy", "cannot stand beside authorization: that token goes to its origin directly"
    elif fetch.origin is not None:
        yield "fetch.origin", "has no effect without authorization"
    if fetch.origin is not None:
        yield from (("fetch.origin", sentence) for sentence in _origin_problems(fetch.origin))


def fetch_warnings(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """What may stay but ought to be known."""
    fetch = issuer.fetch
    if fetch is None or fetch.authorization is None or fetch.origin is None:
        return
    asked = issuer.jwks_url or issuer.discovery_url or (None if is_template(issuer.issuer) else issuer.issuer)
    if issuer.jwks_file is not None:
        yield "fetch.authorization", "has no effect beside jwks_file: nothing is fetched"
    elif asked is not None and origin_of(asked) not in (None, origin_of(fetch.origin)):
        yield "fetch.origin", "is not where this issuer is asked: the token in authorization goes nowhere"


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None: it is no URL."""
    try:
        parsed = parse_url(url)
    except ValueError:
        return None
    return parsed.scheme, parsed.host, parsed.port


def proxy_problems(text: str) -> Iterator[str]:
    """What is wrong with the address of a proxy, in sentences that fit behind the key."""
    try:
        url = parse_url(text)
    except ValueError as error:
        yield str(error)
        return
    if url.scheme != "http":
        yield "must be http://host:port: what goes through it is encrypted from end to end all the same"
    elif url.path not in {"", "/"} or url.query or "?" in text:
        yield "must end after the port"


def _origin_problems(text: str) -> Iterator[str]:
    try:
        url = parse_url(text)
    except ValueError as error:
        yield str(error)
        return
    if url.path or "?" in text:
        yield "must end after the host or the port"
    elif url.scheme != "https" and not is_loopback(url.host):
        yield "must be https, unless it is on loopback: whoever is on the way would have the token"
