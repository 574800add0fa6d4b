"""A refusal as a response: status, challenge (RFC 6750 section 3), problem body (RFC 9457). Constants only."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from gateway.core.errors import InsufficientScope, MethodNotAllowed, Refusal
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


def challenge(refusal: Refusal, *, realm: str) -> str:
    """The value of WWW-Authenticate. Without `error` when no credential was sent (RFC 6750 section 3.1)."""
    parameters = [f'realm="{realm}"']
    if refusal.code is not None:
        parameters += [f'error="{refusal.code}"', f'error_description="{refusal.public}"']
    if isinstance(refusal, InsufficientScope) and refusal.scope:
        parameters.append(f'scope="{" ".join(refusal.scope)}"')
    return "Bearer " + ", ".join(parameters)


def compose_refusal(refusal: Refusal, *, realm: str) -> RefusalResponse:
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
        headers.append((b"WWW-Authenticate", challenge(refusal, realm=realm).encode("ascii")))
    if refusal.status == HTTPStatus.UNAUTHORIZED or refusal.oauth_error is not None:
        headers.append((b"Cache-Control", b"no-store"))
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"Allow", ", ".join(refusal.allow).encode("ascii")))
    if refusal.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % refusal.retry_after))
    return RefusalResponse(refusal.status, phrase.encode("ascii"), tuple(headers), body)
