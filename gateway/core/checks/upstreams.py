"""Which `upstreams` make sense: how they are reached, and what the gateway tells them of itself.

Whether the files and variables that they name hold what they should is `settings`' to see.
"""

import re
from collections.abc import Iterator, Mapping

from gateway.core.addresses import Address, Origin, is_loopback, is_wildcard, parse_upstream, parse_url
from gateway.core.checks.headers import find_taker
from gateway.core.checks.upstream_tokens import client_credentials_problems, exchange_problems
from gateway.core.config.file import Config, assertion_header_of, identity_headers_of, upstreams_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import (
    DEFAULT_UPSTREAM,
    UpstreamSection,
    UpstreamTls,
    asserted_of,
    token_requests_of,
)
from gateway.core.config.words import REQUIRED, ConfigProblem, named, shown_keys
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.http.header_names import fold
from gateway.core.upstream.own_lines import basic_value, header_value, secret_uses

#: from one address to another there are no more
MAX_CONNECTIONS = 65_535

#: POSIX, XBD 8.1
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TIMES = ("connect_timeout", "response_timeout", "keepalive", "pool_timeout")
#: folded names with a key of their own, or that are the client's alone
_NOT_OURS = {
    b"authorization": "has a key of its own: authorization",
    b"cookie": "is the client's: cookies of clients would reach no upstream any more",
    b"origin": "belongs to browsers",
}
_BROWSERS = b"access-control-"
#: what an API may be shown, one at a time
_CREDENTIALS = ("bearer", "basic", "client_credentials", "exchange", "assertion")


def upstream_problems(config: Config, bound: Mapping[str, Address]) -> Iterator[ConfigProblem]:
    """What must be corrected, upstream by upstream. `bound`: where the gateway itself listens, by key."""
    if config.upstream is not None and DEFAULT_UPSTREAM in config.upstreams:
        yield ConfigProblem(f"upstreams.{DEFAULT_UPSTREAM}", "is given by upstream as well; one of them must go")
    if DEFAULT_UPSTREAM not in upstreams_of(config):
        beside = " beside upstreams: routes go there that name none; or call one of them default"
        yield ConfigProblem("upstream", f"{REQUIRED}{beside}" if config.upstreams else REQUIRED)
    taken = _names_of_others(config)
    paths = named("upstreams", config.upstreams)
    for name, upstream in upstreams_of(config).items():
        is_short = config.upstream is not None and name == DEFAULT_UPSTREAM
        for key, sentence in (
            *_reach_problems(upstream, bound),
            *_credential_problems(upstream, config),
            *_header_problems(upstream, taken),
        ):
            yield ConfigProblem("upstream" if is_short else f"{paths[name]}.{key}", sentence)
    for use in secret_uses(config):
        for key, sentence in _secret_problems(use.secret):
            yield ConfigProblem(f"{use.path}.{key}" if key else use.path, sentence)


def upstream_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    paths = named("upstreams", config.upstreams)
    for name, upstream in config.upstreams.items():
        if upstream.tls is not None and upstream.tls.allow_insecure:
            yield ConfigProblem(f"{paths[name]}.tls.allow_insecure", "is unsafe: anybody on the way may be the API")
        for key, request in token_requests_of(upstream).items():
            if request.allow_http:
                yield ConfigProblem(
                    f"{paths[name]}.authorization.{key}.allow_http",
                    "is unsafe: whoever is on the way to the token endpoint gets what the gateway authenticates with",
                )


def _reach_problems(upstream: UpstreamSection, bound: Mapping[str, Address]) -> Iterator[tuple[str, str]]:
    try:
        origin = parse_upstream(upstream.url)
    except ValueError as error:
        yield "url", str(error)
    else:
        for key, address in bound.items():
            if is_reached(origin, address):
                yield "url", f"is this gateway itself: it is the address of {key}"
        if upstream.tls is not None and origin.scheme != "https":
            yield "tls", "has no effect: url does not begin with https://"
    for key in _TIMES:
        if not getattr(upstream, key) > 0:
            yield key, "must be more than 0"
    if upstream.max_age is not None and not upstream.max_age > 0:
        yield "max_age", "must be more than 0; null is any"
    if not 1 <= upstream.max_connections <= MAX_CONNECTIONS:
        yield "max_connections", f"must be from 1 to {MAX_CONNECTIONS}"
    if upstream.tls is not None:
        for key, sentence in _tls_problems(upstream.tls):
            yield f"tls.{key}", sentence


def _tls_problems(tls: UpstreamTls) -> Iterator[tuple[str, str]]:
    for key in ("ca_file", "certificate", "key"):
        if getattr(tls, key) == "":
            yield key, "must not be empty"
    if tls.certificate is not None and tls.key is None:
        yield "key", "is required beside certificate"
    if tls.key is not None and tls.certificate is None:
        yield "certificate", "is required beside key"
    if tls.allow_insecure and tls.ca_file is not None:
        yield "allow_insecure", "contradicts ca_file, against which nothing would be checked; one of them must go"
    if tls.server_name is not None and not _is_host(tls.server_name):
        yield "server_name", "must be a host name such as api.example.com, without port"


def _credential_problems(upstream: UpstreamSection, config: Config) -> Iterator[tuple[str, str]]:
    own = upstream.authorization
    if asserted_of(upstream) is not None and config.assertion is None:
        yield "authorization" if isinstance(own, str) else "authorization.assertion", "needs the section assertion"
    if isinstance(own, str):
        return
    given = [key for key in _CREDENTIALS if getattr(own, key) is not None]
    if not given:
        yield "authorization", f"must have {', '.join(_CREDENTIALS[:-1])} or {_CREDENTIALS[-1]}"
    for key in given[1:]:
        yield f"authorization.{key}", f"cannot stand beside {given[0]}; one of them must go"
    if own.basic is not None:
        try:
            basic_value(own.basic.user, "")
        except ValueError as error:
            yield "authorization.basic.user", str(error)
    if own.client_credentials is not None:
        for key, sentence in client_credentials_problems(own.client_credentials):
            yield f"authorization.client_credentials.{key}", sentence
    if own.exchange is not None:
        for key, sentence in exchange_problems(own.exchange):
            yield f"authorization.exchange.{key}", sentence


def _names_of_others(config: Config) -> dict[bytes, str]:
    """Folded names that others than an upstream's `headers` set, and what each is."""
    identity = (*DEFAULT_IDENTITY_HEADERS, *identity_headers_of(config))
    taken = {fold(name.encode()): "is an identity header" for name in identity if FIELD_NAME.fullmatch(name)}
    return {fold(assertion_header_of(config).encode("utf-8")): "is the header of the assertion", **taken}


def _header_problems(upstream: UpstreamSection, taken: Mapping[bytes, str]) -> Iterator[tuple[str, str]]:
    seen: dict[bytes, str] = {}
    paths, words = named("headers", upstream.headers), shown_keys(upstream.headers)
    for name, value in upstream.headers.items():
        key = paths[name]
        if FIELD_NAME.fullmatch(name) is None:
            yield key, "is not a valid header name: letters, digits and hyphens are"
            continue
        folded = fold(name.encode("ascii"))
        wrong = _NOT_OURS.get(folded) or taken.get(folded) or find_taker(folded)
        if folded.startswith(_BROWSERS):
            wrong = "belongs to browsers"
        if wrong:
            yield key, f"cannot be set here: {words[name]} {wrong}"
        elif folded in seen:
            yield key, f"is the same header as {seen[folded]} to an upstream that folds names"
        seen.setdefault(folded, words[name])
        if isinstance(value, str):
            try:
                header_value(value)
            except ValueError as error:
                yield key, str(error)


def _secret_problems(secret: Secret) -> Iterator[tuple[str, str]]:
    if secret.file is None and secret.env is None:
        yield "", "must have file or env"
    if secret.file is not None and secret.env is not None:
        yield "env", "cannot stand beside file; one of them must go"
    if secret.file == "":
        yield "file", "must not be empty"
    if secret.env is not None and _VARIABLE.fullmatch(secret.env) is None:
        yield "env", "must be the name of a variable: letters, digits and _"


def _is_host(text: str) -> bool:
    try:
        url = parse_url(f"https://{text}")
    except ValueError:
        return False
    return url.host == text.lower()


def is_reached(upstream: Origin, address: Address) -> bool:
    """Whether the upstream is surely what listens at `address`."""
    if upstream.path is not None or address.path is not None:
        return upstream.path == address.path
    if upstream.port != address.port:
        return False
    local = is_loopback(upstream.host) or is_wildcard(upstream.host)
    return upstream.host == address.host or (local and is_wildcard(address.host))
