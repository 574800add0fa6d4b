"""What an upstream's `client_credentials` and `exchange` may not say of the token endpoint, and of what it is asked."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.core.addresses import is_fetchable, parse_url
from gateway.core.checks.client_authentication import authentication_problems
from gateway.core.checks.fetch import proxy_problems
from gateway.core.config.client_authentication import auth_of
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange

#: seconds: a request waits for it
MAX_TIMEOUT: Final = 60
#: RFC 6749 section 3.3
_SCOPES: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
_NO_SCOPES: Final = (
    "must be scopes with one blank between them, as they are sent: printable ASCII without quotes and backslashes "
    "(RFC 6749 section 3.3)"
)


def client_credentials_problems(section: ClientCredentials) -> Iterator[tuple[str, str]]:
    """What must be corrected, key by key."""
    yield from _request_problems(section)
    if auth_of(section) == "none":
        yield "auth", "must not be none: who shows nothing gets no token of its own (RFC 6749 section 4.4)"


def exchange_problems(section: TokenExchange) -> Iterator[tuple[str, str]]:
    """The same of a token exchange."""
    yield from _request_problems(section)
    if section.kind == "on_behalf_of":
        if section.audience is not None:
            yield "audience", "has no effect with on_behalf_of: the API is named in scope"
        if section.scope is None and section.resource is None:
            yield "scope", "is required for on_behalf_of: it names the API, as api://ID/.default does"


def _request_problems(section: ClientCredentials | TokenExchange) -> Iterator[tuple[str, str]]:
    yield from authentication_problems(section)
    if auth_of(section) == "bearer":
        yield "auth", "must not be bearer, which no token endpoint takes"
    try:
        parse_url(section.token_endpoint)
    except ValueError as error:
        yield "token_endpoint", str(error)
    else:
        # Loopback is this machine: there is nobody on the way.
        if not is_fetchable(section.token_endpoint, issuer=section.token_endpoint, allow_http=section.allow_http):
            yield (
                "token_endpoint",
                "must be https, unless it is on loopback (allow_http: true permits it, and is unsafe)",
            )
    if section.proxy is not None:
        yield from (("proxy", sentence) for sentence in proxy_problems(section.proxy))
    for key in ("audience", "resource", "ca_file"):
        if getattr(section, key) == "":
            yield key, "must not be empty"
    if section.scope is not None and _SCOPES.fullmatch(section.scope) is None:
        yield "scope", _NO_SCOPES
    if not 0 < section.timeout <= MAX_TIMEOUT:
        yield "timeout", "must be more than 0 and at most 1m"
