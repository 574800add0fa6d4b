"""One issuer with several entries, which adds the keys of one address to those of another: all else must agree."""

from collections.abc import Iterator

import msgspec

from gateway.core.config.issuers import Issuer, audiences_of
from gateway.core.config.words import ConfigProblem

#: what tells the entries apart
_APART = frozenset({"name", "jwks_url"})


def adds_keys(issuer: Issuer, other: Issuer) -> bool:
    """Whether two entries with the same issuer are meant as one with keys at two addresses."""
    return None not in (issuer.jwks_url, other.jwks_url) and issuer.jwks_url != other.jwks_url


def agreement_problems(path: str, issuer: Issuer, *, first: Issuer, where: str) -> Iterator[ConfigProblem]:
    """What an entry says otherwise than the first of its issuer, which stands at `where`."""
    for field in msgspec.structs.fields(issuer):
        if field.name not in _APART and _said(issuer, field.name) != _said(first, field.name):
            sentence = f"must be as in {where}: they are one issuer, with keys at two addresses"
            yield ConfigProblem(f"{path}.{field.encode_name}", sentence)


def _said(issuer: Issuer, name: str) -> object:
    value = getattr(issuer, name)
    if name == "audience":
        return frozenset(audiences_of(issuer))
    return frozenset(value) if name in {"algorithms", "clients"} else value
