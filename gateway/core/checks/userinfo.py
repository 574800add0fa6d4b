"""What is wrong or odd with `issuers[].userinfo`. Knows nothing of requests or of asking."""

from collections.abc import Iterator

from gateway.core.checks.issuers import url_problems
from gateway.core.claims import ClaimName, roots_of
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer, audiences_of
from gateway.core.config.keys_of import read_name
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.token.lacks import wanted_names
from gateway.core.token.presets import PRESETS, Preset, scope_claims_of

#: seconds
MIN_CACHE = 1
MAX_CACHE = 24 * 3600
MAX_TIMEOUT = 30
#: What a token is judged by: what somebody else says of these is no claim of the token.
_JUDGED = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "cnf", "act", "may_act", "azp", "client_id"),
        *("scope", "scp", "typ", "token_type", "token_use", "active", "events"),
        *("auth_time", "acr", "amr", "nonce", "at_hash", "c_hash", "s_hash"),
    }
)


def userinfo_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected, issuer by issuer."""
    for index, issuer in enumerate(config.issuers):
        if issuer.userinfo is not None:
            path = joined(joined("issuers", index), "userinfo")
            for key, sentence in _problems(issuer.userinfo, issuer):
                yield ConfigProblem(joined(path, key), sentence)


def userinfo_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    wanted = wanted_names(config)
    for index, issuer in enumerate(config.issuers):
        section = issuer.userinfo
        if section is None:
            continue
        path = joined(joined("issuers", index), "userinfo")
        for at, name in enumerate(section.claims):
            if wanted is not None and name not in wanted:
                yield ConfigProblem(
                    joined(joined(path, "claims"), at),
                    "is read by no identity header, route or assertion: nobody is asked for it",
                )
        if section.by == "subject":
            yield ConfigProblem(
                joined(path, "by"), "is subject: what a token of wider scope may see, a narrower one of theirs gets too"
            )


def _problems(section: UserInfoSection, issuer: Issuer) -> Iterator[tuple[str, str]]:
    if not section.claims:
        yield "claims", "must name at least one claim"
    judged = _judged_by(issuer)
    for index, name in enumerate(section.claims):
        where = joined("claims", index)
        if not name.strip():
            yield where, "must not be empty"
        elif name in judged:
            yield where, "must not be a claim that the token itself is judged by"
        elif name in section.claims[:index]:
            yield where, f"is {joined('claims', section.claims.index(name))} again"
    yield from _endpoint_problems(section, issuer)
    if not MIN_CACHE <= section.cache <= MAX_CACHE:
        yield "cache", "must be from 1s to 24h"
    if not 0 < section.timeout <= MAX_TIMEOUT:
        yield "timeout", "must be more than 0 and at most 30s"


def _judged_by(issuer: Issuer) -> frozenset[str]:
    """The claims that verdict, audience, client and scopes of this issuer's tokens rest on."""
    preset = PRESETS.get(issuer.preset or "", Preset(name="", source=""))
    names: tuple[ClaimName, ...] = (
        *issuer.audience_claims,
        *preset.client_claims,
        *(
            map(read_name, issuer.scope_claims)
            if issuer.scope_claims
            else scope_claims_of(preset, audiences_of(issuer))
        ),
    )
    return _JUDGED | {root for name in names for root in roots_of(name)}


def _endpoint_problems(section: UserInfoSection, issuer: Issuer) -> Iterator[tuple[str, str]]:
    if section.endpoint is None:
        if issuer.jwks_url is not None or issuer.jwks_file is not None:
            yield "endpoint", "is needed beside jwks_url or jwks_file: without discovery nothing else names it"
        return
    yield from url_problems("endpoint", section.endpoint, issuer)
