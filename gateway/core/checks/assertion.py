"""What is wrong or odd with the `assertion` of a configuration. What its key file holds is `settings`' to read."""

from collections.abc import Iterator

from gateway.core.checks.headers import find_taker
from gateway.core.claims import is_pointer
from gateway.core.config.assertion import AssertionSection
from gateway.core.config.file import Config, identity_headers_of
from gateway.core.config.words import ConfigProblem, joined, shown_keys
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.http.header_names import fold
from gateway.core.upstream.assertion import RESERVED_CLAIMS

#: seconds
MIN_LIFETIME = 10
MAX_LIFETIME = 3600

#: Names with this beginning are the gateway's own.
_OURS = b"x-gateway-"
#: the header of the decision API's refusals
_REASON = b"x-gateway-reason"


def assertion_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected, key by key."""
    if config.assertion is not None:
        for key, sentence in _problems(config.assertion, config):
            yield ConfigProblem(f"assertion.{key}", sentence)


def assertion_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    if config.assertion is not None and config.assertion.key is None and config.workers == 1:
        yield ConfigProblem(
            "assertion.key", "is not given: a key is made at every start, which serves one replica only"
        )


def _problems(assertion: AssertionSection, config: Config) -> Iterator[tuple[str, str]]:
    if not assertion.issuer:
        yield "issuer", "must not be empty"
    elif any(assertion.issuer == issuer.issuer for issuer in config.issuers):
        yield "issuer", "must be the gateway's own name, not that of an issuer of access tokens"
    if assertion.audience == "":
        yield "audience", "must not be empty; left out, it is the name of the upstream"
    if assertion.key is None and config.workers > 1:
        yield "key", "is needed with several workers: each would sign with a key of its own"
    if assertion.key is not None and not assertion.key.file:
        yield "key.file", "must not be empty"
    if not MIN_LIFETIME <= assertion.lifetime <= MAX_LIFETIME:
        yield "lifetime", "must be from 10s to 1h"
    for index, name in enumerate(assertion.claims):
        if sentence := _claim_problem(name, assertion.claims[:index]):
            yield joined("claims", index), sentence
    if sentence := _header_problem(assertion.header, config):
        yield "header", sentence


def _claim_problem(name: str, before: tuple[str, ...]) -> str | None:
    if not name:
        return "must name a claim; no name may be empty"
    if name in RESERVED_CLAIMS:
        return f"must not be {name}, which the gateway writes itself"
    if name in before:
        return f"is {joined('claims', before.index(name))} again"
    if name.startswith("/") and not is_pointer(name):
        return "is not a valid JSON Pointer: ~ is written ~0"
    return None


def _header_problem(name: str, config: Config) -> str | None:
    if FIELD_NAME.fullmatch(name) is None:
        return "is not a valid header name: letters, digits and hyphens are"
    folded = fold(name.encode("ascii"))
    taken = None if folded.startswith(_OURS) and folded != _REASON else find_taker(folded)
    if taken is not None:
        return f"cannot carry the assertion: {name} {taken}"
    for other, word in shown_keys(identity_headers_of(config)).items():
        if FIELD_NAME.fullmatch(other) is not None and fold(other.encode("ascii")) == folded:
            return f"is the same header as {word} of identity_headers to an upstream that folds names"
    return None
