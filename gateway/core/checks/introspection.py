"""What is wrong, unsafe or odd in `issuers[].introspection`: what cannot be together, who is asked."""

import re
from collections.abc import Iterator

from gateway.core.checks.client_authentication import authentication_problems
from gateway.core.checks.issuers import url_problems
from gateway.core.config.client_authentication import auth_of
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection, forms_of
from gateway.core.config.issuers import Issuer, adds_to_another
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.token.opaque import OPAQUE, may_begin_jwt

#: seconds
MAX_CACHE = 3600
MAX_TIMEOUT = 60
#: what may stand in a bearer token (RFC 6750 section 2.1)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+")


def introspection_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected, issuer by issuer."""
    taken: dict[str, str] = {}
    for index, issuer in enumerate(config.issuers):
        path = f"{joined('issuers', index)}.introspection"
        section = issuer.introspection
        if section is None or adds_to_another(config.issuers, index):
            continue
        for key, sentence in _problems(section, issuer):
            yield ConfigProblem(f"{path}.{key}", sentence)
        for number, prefix in enumerate(section.prefix):
            key = joined(f"{path}.prefix", number)
            if prefix in taken:
                yield ConfigProblem(key, f"is the same as {taken[prefix]}: a token can be of one issuer only")
            taken.setdefault(prefix, key)


def introspection_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    asked = [
        (f"{joined('issuers', index)}.introspection", issuer.introspection)
        for index, issuer in enumerate(config.issuers)
        if issuer.introspection is not None and not adds_to_another(config.issuers, index)
    ]
    for path, section in asked:
        if not section.require_audience:
            yield ConfigProblem(
                f"{path}.require_audience",
                "is unsafe: where the issuer names no audience, tokens for every other API are accepted as well",
            )
        if auth_of(section) == "none":
            yield ConfigProblem(f"{path}.auth", "is none: whoever reaches the endpoint can try tokens there (RFC 7662)")
    unclaimed = [path for path, section in asked if OPAQUE in forms_of(section) and not section.prefix]
    if len(unclaimed) > 1:
        yield ConfigProblem(
            f"{unclaimed[1]}.prefix",
            f"is not given, as in {unclaimed[0]}: opaque tokens are shown to one issuer after the other until one "
            "knows them",
        )


def _problems(section: Introspection, issuer: Issuer) -> Iterator[tuple[str, str]]:
    yield from authentication_problems(section)
    if section.tokens == ():
        yield "tokens", "must name at least one kind of token; leave it out for opaque ones"
    yield from _endpoint_problems(section, issuer)
    is_opaque = OPAQUE in forms_of(section)
    for key in ("prefix", "pattern"):
        if getattr(section, key) and not is_opaque:
            yield key, "has no effect: tokens names no opaque ones"
    for index, prefix in enumerate(section.prefix):
        key = joined("prefix", index)
        if _TOKEN.fullmatch(prefix) is None:
            yield key, "must be the beginning of a token: letters, digits and -._~+/"
        elif may_begin_jwt(prefix.encode()):
            yield key, "must not be how JWTs begin: they would pass by every check but the issuer's"
    if section.pattern is not None:
        try:
            re.compile(section.pattern.encode())
        except (re.error, ValueError, OverflowError) as error:
            # Its message may quote the pattern, which may be a token.
            where = f" at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
            yield "pattern", f"is not a regular expression{where}"
    if section.response == "jwt" and section.client_id is None:
        yield "client_id", "is required for answer: jwt: signed responses name whom they are for"
    if section.cache > MAX_CACHE:
        yield "cache", "must be at most 1h: a token that was withdrawn is accepted for as long"
    if not 0 < section.timeout <= MAX_TIMEOUT:
        yield "timeout", "must be more than 0, and at most 60s"


def _endpoint_problems(section: Introspection, issuer: Issuer) -> Iterator[tuple[str, str]]:
    if section.endpoint is None:
        given = [key for key in ("jwks_url", "jwks_file") if getattr(issuer, key) is not None]
        if given:
            yield "endpoint", f"is required beside {given[0]}: there is no discovery that could name it"
        return
    yield from url_problems("endpoint", section.endpoint, issuer)
