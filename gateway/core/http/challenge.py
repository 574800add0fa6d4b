"""A refusal as a response: status, challenge (RFC 6750 section 3), problem body (RFC 9457). Constants only."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from gateway.core.config.file import Config
from gateway.core.errors import InsufficientAuthentication, InsufficientScope, MethodNotAllowed, Refusal
from gateway.core.http.facts import HeaderLine

#: RFC 9110 section 15.5, where the standard library has older words
_PHRASES = {413: "Content Too Large", 414: "URI Too Long"}


@dataclass(frozen=True, slots=True)
class RefusalResponse:
    """Our own response: everything but the connection's business."""

    status: int
    reason: bytes
    headers: tuple[HeaderLine, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Challenges:
    """How this gateway asks for a credential: the configuration, compiled."""

    realm: str
    #: algorithms of DPoP proofs (RFC 9449 section 7.1); None: none are accepted
    proof_algorithms: tuple[str, ...] | None = None

    @classmethod
    def of(cls, config: Config) -> "Challenges":
        """Compiled once at start."""
        return cls(realm=config.realm, proof_algorithms=None if config.dpop is None else config.dpop.algorithms)

    def values(self, refusal: Refusal) -> tuple[str, ...]:
        """The values of WWW-Authenticate, one a scheme that is accepted, that of the credential first."""
        if self.proof_algorithms is None:
            return (self._bearer(refusal),)
        algs = f'algs="{" ".join(self.proof_algorithms)}"'
        if refusal.scheme == "DPoP":
            return ("DPoP " + ", ".join([*_parameters(refusal), algs]),)
        return (self._bearer(refusal), f"DPoP {algs}")

    def _bearer(self, refusal: Refusal) -> str:
        return "Bearer " + ", ".join([f'realm="{self.realm}"', *_parameters(refusal)])


def _parameters(refusal: Refusal) -> Iterator[str]:
    """What a challenge says of this refusal: no `error` where no credential was sent (RFC 6750 section 3.1)."""
    if refusal.code is not None:
        yield f'error="{refusal.code}"'
        yield f'error_description="{refusal.public}"'
    asked = refusal.asked
    lacking = refusal.scope if isinstance(refusal, InsufficientScope) else ()
    if scope := (asked.scope if asked is not None else ()) or lacking:
        yield f'scope="{" ".join(scope)}"'
    if isinstance(refusal, InsufficientAuthentication):
        if refusal.acr_values:
            yield f'acr_values="{" ".join(refusal.acr_values)}"'
        if refusal.max_age is not None:
            yield f'max_age="{refusal.max_age}"'
    if asked is not None and asked.resource_metadata is not None:
        yield f'resource_metadata="{asked.resource_metadata}"'


def compose_refusal(refusal: Refusal, *, challenges: Challenges) -> RefusalResponse:
    """The whole response of a refusal. Nothing that a client sent stands in it."""
    phrase = _PHRASES.get(refusal.status) or HTTPStatus(refusal.status).phrase
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": phrase,
        "status": refusal.status,
        "detail": refusal.public,
        "reason": refusal.reason,
    }
    media_type = b"application/problem+json"
    if refusal.oauth_error is not None:
        problem = {"error": refusal.oauth_error, "error_description": refusal.public}
        media_type = b"application/json"
    body = json.dumps(problem).encode("ascii") + b"\n"
    headers: list[HeaderLine] = [
        (b"Content-Type", media_type),
        (b"Content-Length", b"%d" % len(body)),
    ]
    if refusal.challenge:
        headers += [(b"WWW-Authenticate", value.encode("ascii")) for value in challenges.values(refusal)]
    if refusal.status == HTTPStatus.UNAUTHORIZED or refusal.oauth_error is not None:
        headers.append((b"Cache-Control", b"no-store"))
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"Allow", ", ".join(refusal.allow).encode("ascii")))
    if refusal.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % refusal.retry_after))
    return RefusalResponse(refusal.status, phrase.encode("ascii"), tuple(headers), body)
