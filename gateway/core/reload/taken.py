"""What may go on behind another configuration: keys that were fetched, tokens that were verified, connections.

Each question is one comparison of all that the thing depends on, so that what is not named here counts as a difference.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.core.config.file import Config, identity_headers_of
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Section
from gateway.core.config.walk import values_of
from gateway.core.reload.changes import is_same
from gateway.core.token.details import Kept
from gateway.core.token.lacks import asked_claims, wanted_of

#: path of a file of authorities to a digest of what it held when the configuration was read
Files = Mapping[str, str]


class KeySource(NamedTuple):
    """Whose keys they are, and from where."""

    issuer: str
    jwks_url: str | None
    jwks_file: str | None
    discovery_url: str | None
    ca: str | None


class IdentitySettings(NamedTuple):
    """Every setting that an identity depends on, once its token was verified."""

    issuers: tuple[Issuer, ...]
    headers: Any
    claims: frozenset[Any]
    kept: Any
    wanted: Any
    is_revocable: bool
    keep: float | None


def key_source(issuer: Issuer, files: Files) -> KeySource:
    """Two issuers with the same may have each other's keys."""
    ca = None if issuer.ca_file is None else f"{issuer.ca_file} {files.get(issuer.ca_file, '')}"
    return KeySource(issuer.issuer, issuer.jwks_url, issuer.jwks_file, issuer.discovery_url, ca)


def identity_settings(config: Config) -> IdentitySettings:
    """Where they are the same, tokens that one gateway has verified are as good for the other."""
    return IdentitySettings(
        issuers=config.issuers,
        headers=list(identity_headers_of(config).items()),
        claims=frozenset(asked_claims(config)),
        kept=Kept.of(config),
        wanted=wanted_of(config),
        is_revocable=config.revocation is not None,
        keep=None if config.revocation is None else float(config.revocation.keep),
    )


def is_unchanged(before: Any, after: Any, files_before: Files, files: Files) -> bool:
    """Whether sections, or tuples and mappings of them, mean the same, files of authorities that they name included."""
    return is_same(before, after) and _authorities(before, files_before) == _authorities(after, files)


def authorities_of(config: Config) -> list[str]:
    """The paths of all files of authorities, each once."""
    return list(_authorities(config, {}))


def _authorities(value: Any, files: Files) -> dict[str, str]:
    """What files of authorities within a value held."""
    if isinstance(value, Section):
        places = (place for place in values_of(value) if place.known.file == "authorities" and place.value)
        return {place.value: files.get(place.value, "") for place in places}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    found: dict[str, str] = {}
    for member in members:
        found |= _authorities(member, files)
    return found
