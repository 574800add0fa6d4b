"""Every way of saying no, and nothing else: the one room where a reason is spelled.

Refusal                      status, reason, RFC 6750 code and public sentence stand on the class
├─ Denied                    the client must change something
│  ├─ MissingCredential      401, challenge without an error code (RFC 6750 section 3.1)
│  ├─ BadRequest             400, 408, 501, 505: framing, target, path, version; no challenge
│  ├─ InvalidRequest         400 invalid_request: the credential's own form
│  ├─ InvalidToken           401 invalid_token, one subclass a reason
│  ├─ InsufficientScope      403 insufficient_scope, with the scope that is missing
│  ├─ Forbidden              403: claims, identity headers that cannot be built, and no token for the API in exchange
│  ├─ Forbidden              403: claims, and identity headers that cannot be built
│  ├─ RateLimited            429, with Retry-After
│  ├─ NoRoute                404
│  ├─ MethodNotAllowed       405, with Allow
│  ├─ InvalidLogout          400: what an issuer, or somebody else, posts as a logout
│  └─ TooLarge               413, 414, 431: body, target, head and token
├─ LogoutFailed              400: a logout that was heard, and could not be carried out
├─ Unavailable               503 with Retry-After: something we depend on failed; the token may be fine
├─ UpstreamFailed            502
├─ UpstreamTimeout           504
├─ InternalError             500: a bug, logged with its traceback
└─ ClientDisconnected        499 in log and metric only; nobody is there to read a response

`public` is a constant ASCII sentence without quotes or backslashes: nothing that a client sent is echoed.
What varies is `evidence`, which goes to the log and never into a response.
"""

from gateway.core.errors.failure import (
    ClientDisconnected,
    Draining,
    ExchangeUnavailable,
    InternalError,
    IntrospectionUnavailable,
    IssuerUnavailable,
    Overloaded,
    StoreUnavailable,
    Unavailable,
    UpstreamBusy,
    UpstreamClosed,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
    UserInfoUnavailable,
)
from gateway.core.errors.logout import InvalidLogout, LogoutFailed
from gateway.core.errors.refusal import Denied, Refusal, Suspect, reasons
from gateway.core.errors.request import (
    AmbiguousPath,
    BadRequest,
    BodyTooLarge,
    MethodNotAllowed,
    MethodNotImplemented,
    NoRoute,
    RequestTimeout,
    TokenTooLarge,
    TooLarge,
    UnclearSubrequest,
    UndecidableHeader,
    UntrustedProxy,
    UriTooLong,
    VersionNotSupported,
)
from gateway.core.errors.token import (
    AlgorithmNotAllowed,
    BadSignature,
    BindingUnsupported,
    ClaimMismatch,
    ClientNotAllowed,
    CriticalHeader,
    ExchangeRefused,
    Forbidden,
    IdentityClaimMissing,
    IdentityHeaderInvalid,
    IdentityHeaderTooLarge,
    IdToken,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    LogoutToken,
    MalformedCredential,
    MissingClaim,
    MissingCredential,
    MultipleCredentials,
    OtherToken,
    ProofRequired,
    RateLimited,
    RefreshToken,
    TokenEncrypted,
    TokenExpired,
    TokenFromTheFuture,
    TokenInactive,
    TokenLifetimeTooLong,
    TokenMalformed,
    TokenNotYetValid,
    TokenRevoked,
    UnclassifiedToken,
    UnknownIssuer,
    UnknownKey,
    WrongAudience,
)

__all__ = [
    "AlgorithmNotAllowed",
    "AmbiguousPath",
    "BadRequest",
    "BadSignature",
    "BindingUnsupported",
    "BodyTooLarge",
    "ClaimMismatch",
    "ClientDisconnected",
    "ClientNotAllowed",
    "CriticalHeader",
    "Denied",
    "Draining",
    "ExchangeRefused",
    "ExchangeUnavailable",
    "Forbidden",
    "IdToken",
    "IdentityClaimMissing",
    "IdentityHeaderInvalid",
    "IdentityHeaderTooLarge",
    "InsufficientScope",
    "InternalError",
    "IntrospectionUnavailable",
    "InvalidLogout",
    "InvalidRequest",
    "InvalidToken",
    "IssuerUnavailable",
    "LogoutFailed",
    "LogoutToken",
    "MalformedCredential",
    "MethodNotAllowed",
    "MethodNotImplemented",
    "MissingClaim",
    "MissingCredential",
    "MultipleCredentials",
    "NoRoute",
    "OtherToken",
    "Overloaded",
    "ProofRequired",
    "RateLimited",
    "RefreshToken",
    "Refusal",
    "RequestTimeout",
    "StoreUnavailable",
    "Suspect",
    "TokenEncrypted",
    "TokenExpired",
    "TokenFromTheFuture",
    "TokenInactive",
    "TokenLifetimeTooLong",
    "TokenMalformed",
    "TokenNotYetValid",
    "TokenRevoked",
    "TokenTooLarge",
    "TooLarge",
    "Unavailable",
    "UnclassifiedToken",
    "UnclearSubrequest",
    "UndecidableHeader",
    "UnknownIssuer",
    "UnknownKey",
    "UntrustedProxy",
    "UpstreamBusy",
    "UpstreamClosed",
    "UpstreamFailed",
    "UpstreamProtocolError",
    "UpstreamTimeout",
    "UpstreamUnreachable",
    "UriTooLong",
    "UserInfoUnavailable",
    "VersionNotSupported",
    "WrongAudience",
    "reasons",
]
