"""What is wrong or odd in `dpop`, and in `issuers[].binding`, which needs it."""

from collections.abc import Iterator
from typing import Final

from gateway.core.checks.issuers import algorithm_problems
from gateway.core.checks.store import sharing_problems
from gateway.core.config.file import Config, is_asked, takes_certificates
from gateway.core.config.words import REQUIRED, ConfigProblem

#: seconds; beyond an hour's sixth a proof is worth as much as the token
MIN_AGE: Final = 5
MAX_AGE: Final = 600
_CERTIFICATES: Final = "client_certificate_header or tls.client_certificates"


def dpop_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    yield from _binding_problems(config)
    section = config.dpop
    if section is None:
        return
    for key, sentence in algorithm_problems(section.algorithms):
        yield ConfigProblem(f"dpop.{key}", sentence)
    if not MIN_AGE <= section.max_age <= MAX_AGE:
        yield ConfigProblem("dpop.max_age", f"must be from {MIN_AGE}s to {MAX_AGE // 60}m")
    if config.external_url is None and not config.hosts:
        yield ConfigProblem(
            "dpop",
            "needs external_url, or hosts: a proof is for one URL, and a Host that nothing confirms is what its sender "
            "likes",
        )
    elif is_asked(config) and config.external_url is None:
        yield ConfigProblem("dpop", "needs external_url with decisions: the proxy that asks says what the Host was")
    if section.nonce == "required" and section.nonce_key is None and not config.store.secrets:
        yield ConfigProblem(
            "dpop.nonce_key", f"{REQUIRED} with nonce: required, or store.secrets: every replica makes the same nonces"
        )
    yield from sharing_problems(config, "dpop", "used proofs")


def dpop_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    section = config.dpop
    if section is None:
        return
    if section.nonce_key is not None and section.nonce == "off":
        yield ConfigProblem("dpop.nonce_key", "has no effect: nonce is off")
    elif section.nonce_key is not None and config.store.secrets:
        yield ConfigProblem("dpop.nonce_key", "has no effect beside store.secrets, of which nonces are made")
    if config.store.url is None:
        yield ConfigProblem(
            "dpop", "without store.url each replica remembers used proofs for itself: with several, one passes at each"
        )
    for index, issuer in enumerate(config.issuers):
        if issuer.userinfo is not None and issuer.binding == "dpop":
            sentence = "is never asked: a token that is bound to a key is nobody's to send on"
            yield ConfigProblem(f"issuers[{index}].userinfo", sentence)


def _lacking(config: Config, binding: str) -> str:
    """What it takes to prove that a token is bound as an issuer demands, in words; nothing where it can be."""
    match binding:
        case "dpop" if config.dpop is None:
            return "dpop"
        case "mtls" if not takes_certificates(config):
            return _CERTIFICATES
        case "bound" if config.dpop is None and not takes_certificates(config):
            return f"dpop, {_CERTIFICATES}"
    return ""


def _binding_problems(config: Config) -> Iterator[ConfigProblem]:
    for index, issuer in enumerate(config.issuers):
        if lacking := _lacking(config, issuer.binding):
            yield ConfigProblem(f"issuers[{index}].binding", f"needs {lacking}: every token would be refused")
