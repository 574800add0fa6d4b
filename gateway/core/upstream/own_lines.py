"""The lines that the gateway itself adds to each request to an upstream: its own credential, and fixed headers.

Decides what a secret must look like where it is used. Reading secrets is `settings`.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.secret import Secret
from gateway.core.config.section import SecretKind
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.config.walk import values_of
from gateway.core.http.facts import HeaderLine
from gateway.core.http.grammar import is_token68
from gateway.core.upstream.client_assertion import parse_client_key

#: RFC 9110 section 5.5; C1 controls, which some receivers obey; what Python makes of undecodable bytes in a variable
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
#: bytes of a secret that seals: those of the keys that are made of it
MIN_SEAL: Final = 32
_HAS_CONTROL = "must be text of one line, without control characters"


@dataclass(frozen=True, slots=True)
class SecretUse:
    """One place where the configuration uses a secret."""

    #: key path of the secret
    path: str
    secret: Secret
    #: what it must be there; ValueError carries a sentence that fits behind the key, and never quotes the secret
    check: Callable[[str], object]


def secret_uses(config: Config) -> Iterator[SecretUse]:
    """Every place where a secret is used, in the order of the reference."""
    for place in values_of(config):
        if isinstance(place.value, Secret):
            yield SecretUse(place.path, place.value, _CHECKS[place.known.holds])


def own_lines(config: Config, secrets: Mapping[Secret, str]) -> dict[str, tuple[HeaderLine, ...]]:
    """Name of an upstream to the lines that every request to it has. KeyError: a secret was not read."""
    return {name: upstream_lines(upstream, secrets) for name, upstream in upstreams_of(config).items()}


def upstream_lines(upstream: UpstreamSection, secrets: Mapping[Secret, str]) -> tuple[HeaderLine, ...]:
    """The lines of one upstream, the credential first. KeyError: a secret was not read."""
    lines: list[HeaderLine] = []
    own = upstream.authorization
    if not isinstance(own, str):
        if own.bearer is not None:
            lines.append((b"Authorization", bearer_value(secrets[own.bearer])))
        if own.basic is not None:
            lines.append((b"Authorization", basic_value(own.basic.user, secrets[own.basic.password])))
    for name, value in upstream.headers.items():
        lines.append((name.encode("ascii"), header_value(secrets[value] if isinstance(value, Secret) else value)))
    return tuple(lines)


def header_value(text: str) -> bytes:
    """A field value (RFC 9110 section 5.5) in UTF-8. ValueError carries a sentence that does not quote it."""
    if _CONTROL.search(text):
        raise ValueError(_HAS_CONTROL)
    if text != text.strip(" "):
        raise ValueError("must not have blanks at its beginning or end: no header value keeps them")
    return text.encode("utf-8")


def bearer_value(token: str) -> bytes:
    """An Authorization value (RFC 6750 section 2.1). ValueError carries a sentence that does not quote the token."""
    if not token.isascii() or not is_token68(token.encode("ascii")):
        raise ValueError("must hold one bearer token: letters, digits and -._~+/ only, and = at its end")
    return b"Bearer " + token.encode("ascii")


def basic_value(user: str, password: str) -> bytes:
    """An Authorization value (RFC 7617 section 2) in UTF-8. ValueError carries a sentence that quotes neither."""
    if ":" in user:
        raise ValueError("must not have a colon, at which the API would take the password to begin")
    if _CONTROL.search(user):
        raise ValueError(_HAS_CONTROL)
    _check_line(password)
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def _check_line(password: str) -> None:
    if _CONTROL.search(password):
        raise ValueError(_HAS_CONTROL)


def _check_seal(secret: str) -> None:
    if len(secret.encode("utf-8", "surrogateescape")) < MIN_SEAL:
        raise ValueError(f"must hold at least {MIN_SEAL} bytes, such as those of: openssl rand -base64 32")


def _check_operator(secret: str) -> None:
    bearer_value(secret)
    _check_seal(secret)


#: what a secret must be, by where it is used
_CHECKS: Final[Mapping[SecretKind, Callable[[str], object]]] = {
    "line": _check_line,
    "bearer": bearer_value,
    "header": header_value,
    "client key": parse_client_key,
    "seal": _check_seal,
    "operator": _check_operator,
}
