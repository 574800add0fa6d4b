"""Every way of saying no, and nothing else: the one place where a reason is spelled.

Refusal                      status, reason, RFC 6750 code and public sentence stand on the class
├─ Denied                    the client must change something
│  ├─ MissingCredential      401, challenge without an error code (RFC 6750 section 3.1)
│  ├─ BadRequest             400, 408, 501, 505: framing, target, path, version; no challenge
│  ├─ InvalidRequest         400 invalid_request: the credential's own form
│  ├─ InvalidToken           401 invalid_token, one subclass a reason
│  ├─ InsufficientScope      403 insufficient_scope, with the scope that is missing
│  ├─ Forbidden              403: claims, and identity headers that cannot be built
│  ├─ NoRoute                404
│  ├─ MethodNotAllowed       405, with Allow
│  └─ TooLarge               414, 431
├─ Unavailable               503 with Retry-After: something we depend on failed; the token may be fine
├─ UpstreamFailed            502
├─ UpstreamTimeout           504
├─ InternalError             500: a bug, logged with its traceback
└─ ClientDisconnected        499 in log and metric only; nobody is there to read an answer

`public` is a constant ASCII sentence without quotes or backslashes: nothing that a client sent is echoed.
What varies is `evidence`, which goes to the log and never into an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Suspect:
    """The token a refusal is about, as far as a log may name it."""

    #: first 12 hex digits of its SHA-256
    token_id: str
    #: `kid` of its header, fit for a log; not verified
    kid: str | None = None
    #: configured name of the issuer it claims to come from, or None
    issuer: str | None = None


class Refusal(Exception):
    """A decided no. `evidence` is for operators: it may name claims, never a piece of a token."""

    status: ClassVar[int]
    reason: ClassVar[str]
    code: ClassVar[str | None] = None
    public: ClassVar[str]
    challenge: ClassVar[bool] = False

    def __init__(self, evidence: str = "", *, retry_after: int | None = None) -> None:
        """`retry_after`: whole seconds for the Retry-After field, or None to leave it out."""
        super().__init__(evidence)
        self.evidence = evidence
        self.retry_after = retry_after
        self.suspect: Suspect | None = None
        #: the step of admission that refused, where the class alone does not tell: for `explain`
        self.step: str | None = None


class Denied(Refusal):
    """The client must change something before it tries again."""


class MissingCredential(Denied):
    status = 401
    reason = "missing_credential"
    public = "This API needs an access token in the Authorization header."
    challenge = True


class BadRequest(Denied):
    status = 400
    reason = "bad_request"
    public = "The request is not well-formed HTTP, or is framed in a way this gateway does not accept."


class AmbiguousPath(BadRequest):
    reason = "ambiguous_path"
    public = "The path can be read in more than one way. Send it without dot segments, empty segments and odd escapes."


class UntrustedProxy(BadRequest):
    public = "Decisions are given to trusted proxies only."


class UnclearSubrequest(BadRequest):
    public = "The proxy did not say exactly once, and in plain form, which request it asks about."


class UndecidableHeader(BadRequest):
    public = "The request has a header that changes its method or path, or that can be taken for an identity header."


class MethodNotAllowed(Denied):
    status = 405
    reason = "method_not_allowed"
    public = "This method is not allowed here."

    def __init__(
        self, evidence: str = "", *, allow: Sequence[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    ) -> None:
        """`allow`: the methods that are (RFC 9110 section 10.2.1)."""
        super().__init__(evidence)
        self.allow = tuple(allow)


class NoRoute(Denied):
    status = 404
    reason = "no_route"
    public = "There is nothing at this path."


class RequestTimeout(BadRequest):
    status = 408
    reason = "request_timeout"
    public = "The request did not arrive in time."


class MethodNotImplemented(BadRequest):
    status = 501
    reason = "method_not_implemented"
    public = "This gateway does not know the request method."


class VersionNotSupported(BadRequest):
    status = 505
    reason = "version_not_supported"
    public = "This gateway speaks HTTP/1.0 and HTTP/1.1."


class TooLarge(Denied):
    status = 431
    reason = "headers_too_large"
    public = "The request headers are larger, or more, than this gateway accepts."


class UriTooLong(TooLarge):
    status = 414
    reason = "uri_too_long"
    public = "The request target is longer than this gateway accepts."


class TokenTooLarge(TooLarge):
    reason = "token_too_large"
    public = "The access token is larger than this gateway accepts."


class InvalidRequest(Denied):
    status = 400
    code = "invalid_request"
    challenge = True


class MalformedCredential(InvalidRequest):
    reason = "malformed_credential"
    public = "The Authorization header must be the word Bearer, one space and one token."


class MultipleCredentials(InvalidRequest):
    reason = "multiple_credentials"
    public = "The request carries more than one credential."


class InvalidToken(Denied):
    status = 401
    code = "invalid_token"
    challenge = True


class TokenMalformed(InvalidToken):
    reason = "token_malformed"
    public = "The token is not a well-formed signed JWT."


class TokenEncrypted(InvalidToken):
    reason = "token_encrypted"
    public = "The token is encrypted; this API accepts signed tokens."


class AlgorithmNotAllowed(InvalidToken):
    reason = "algorithm_not_allowed"
    public = "The token is signed with an algorithm that is not allowed here."


class CriticalHeader(InvalidToken):
    reason = "critical_header"
    public = "The token header asks for an extension that is not supported."


class UnknownIssuer(InvalidToken):
    reason = "unknown_issuer"
    public = "The token was issued by somebody this API does not trust."


class UnknownKey(InvalidToken):
    reason = "unknown_key"
    public = "The token is signed with a key that its issuer does not publish."


class BadSignature(InvalidToken):
    reason = "bad_signature"
    public = "The signature of the token is not valid."


class TokenExpired(InvalidToken):
    reason = "token_expired"
    public = "The access token has expired."


class TokenNotYetValid(InvalidToken):
    reason = "token_not_yet_valid"
    public = "The access token is not valid yet."


class TokenFromTheFuture(InvalidToken):
    reason = "token_from_the_future"
    public = "The access token claims to have been issued in the future."


class TokenLifetimeTooLong(InvalidToken):
    reason = "token_lifetime_too_long"
    public = "The access token lives longer than this API allows."


class WrongAudience(InvalidToken):
    reason = "wrong_audience"
    public = "The access token was issued for another API."


class ClientNotAllowed(InvalidToken):
    reason = "client_not_allowed"
    public = "The access token was issued to a client that may not call this API."


class MissingClaim(InvalidToken):
    reason = "missing_claim"
    public = "The access token lacks a claim this API needs."


class IdToken(InvalidToken):
    reason = "id_token"
    public = "This is an ID token. An API needs an access token: ask the provider for one with this API as audience."


class RefreshToken(InvalidToken):
    reason = "refresh_token"
    public = "This is a refresh token. An API needs an access token."


class LogoutToken(InvalidToken):
    reason = "logout_token"
    public = "This is a logout token or security event. An API needs an access token."


class OtherToken(InvalidToken):
    reason = "other_token"
    public = "This JWT is of a kind that is not an access token."


class UnclassifiedToken(InvalidToken):
    reason = "unclassified_token"
    public = "Nothing in this token shows that it is an access token."


class ProofRequired(InvalidToken):
    reason = "proof_required"
    public = "The access token is bound to a key, and the request carries no accepted proof of possession."


class BindingUnsupported(InvalidToken):
    reason = "binding_unsupported"
    public = "The access token is bound in a way that is not supported here."


class InsufficientScope(Denied):
    status = 403
    reason = "insufficient_scope"
    code = "insufficient_scope"
    public = "The access token lacks a scope that this request needs."
    challenge = True

    def __init__(self, evidence: str = "", *, scope: Sequence[str] = ()) -> None:
        """`scope`: what is needed (RFC 6750 section 3)."""
        super().__init__(evidence)
        self.scope = tuple(scope)


class Forbidden(Denied):
    status = 403


class ClaimMismatch(Forbidden):
    reason = "claim_mismatch"
    public = "The access token lacks a claim, or the value of one, that this request needs."


class IdentityClaimMissing(Forbidden):
    reason = "identity_claim_missing"
    public = "The access token lacks a claim that the API behind this gateway requires."


class IdentityHeaderInvalid(Forbidden):
    reason = "identity_header_invalid"
    public = "A claim of the access token cannot be written as a header."


class IdentityHeaderTooLarge(Forbidden):
    reason = "identity_header_too_large"
    public = "A claim of the access token is larger than the API behind this gateway accepts."


class Unavailable(Refusal):
    status = 503

    def __init__(self, evidence: str = "", *, retry_after: int | None = 5) -> None:
        super().__init__(evidence, retry_after=retry_after)


class IssuerUnavailable(Unavailable):
    reason = "issuer_unavailable"
    public = "The keys of the token issuer cannot be had at the moment. The token may be fine: try again."


class UpstreamBusy(Unavailable):
    reason = "upstream_busy"
    public = "The API behind this gateway is busy. Try again."


class Overloaded(Unavailable):
    reason = "overloaded"
    public = "This gateway holds as many connections as it may. Try again."


class Draining(Unavailable):
    reason = "draining"
    public = "This gateway is stopping. Try again on a new connection."


class UpstreamFailed(Refusal):
    status = 502


class UpstreamUnreachable(UpstreamFailed):
    reason = "upstream_unreachable"
    public = "The API behind this gateway cannot be reached."


class UpstreamProtocolError(UpstreamFailed):
    reason = "upstream_protocol_error"
    public = "The API behind this gateway did not answer in well-formed HTTP."


class UpstreamTimeout(Refusal):
    status = 504
    reason = "upstream_timeout"
    public = "The API behind this gateway did not answer in time."


class InternalError(Refusal):
    status = 500
    reason = "internal_error"
    public = "The gateway failed. The failure was logged."


class ClientDisconnected(Refusal):
    status = 499
    reason = "client_disconnected"
    public = "The client went away before the answer was complete."


def reasons() -> dict[str, type[Refusal]]:
    """Every reason, by its word."""
    found: dict[str, type[Refusal]] = {}
    pending: list[type[Refusal]] = [Refusal]
    while pending:
        refusal = pending.pop()
        pending.extend(refusal.__subclasses__())
        if "reason" in vars(refusal):
            found[refusal.reason] = refusal
    return found
