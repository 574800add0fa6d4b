"""Requests that are refused for who sends them: the credential, the token, and what it allows."""

from collections.abc import Sequence

from gateway.core.errors.refusal import Denied


class MissingCredential(Denied):
    status = 401
    reason = "missing_credential"
    public = "This API needs an access token in the Authorization header."
    challenge = True


class MissingElsewhere(MissingCredential):
    """The same, where a token in Authorization would not count."""

    public = "This API needs an access token, and reads it elsewhere than in the Authorization header."


class InvalidRequest(Denied):
    status = 400
    code = "invalid_request"
    challenge = True


class MalformedCredential(InvalidRequest):
    reason = "malformed_credential"
    public = "The Authorization header must be the word Bearer, one space and one token."


class MisplacedToken(MalformedCredential):
    """The same where it is not the header that everybody uses, or not the scheme."""

    public = "What stands where this API reads the access token is not exactly one token."


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
    is_bad_token = True


class TokenEncrypted(InvalidToken):
    reason = "token_encrypted"
    public = "The token is encrypted; this API accepts signed tokens."


class AlgorithmNotAllowed(InvalidToken):
    reason = "algorithm_not_allowed"
    public = "The token is signed with an algorithm that is not allowed here."


class CriticalHeader(InvalidToken):
    reason = "critical_header"
    public = "The token header asks for an extension that is not supported."


class TokenInactive(InvalidToken):
    reason = "token_inactive"
    public = "The token is unknown to its issuer, has ended, or was withdrawn."
    is_bad_token = True


class UnknownIssuer(InvalidToken):
    reason = "unknown_issuer"
    public = "The token was issued by somebody this API does not trust."
    is_bad_token = True


class UnknownKey(InvalidToken):
    reason = "unknown_key"
    public = "The token is signed with a key that its issuer does not publish."
    is_bad_token = True


class UnusableKey(UnknownKey):
    """The same, where its issuer publishes a key of that name, and it is none that could verify the token."""

    public = "The token is signed with a key that its issuer publishes and this API cannot use."


class BadSignature(InvalidToken):
    reason = "bad_signature"
    public = "The signature of the token is not valid."
    is_bad_token = True


class UntimelyToken(InvalidToken):
    def __init__(self, evidence: str = "", *, seconds: float | None = None) -> None:
        """`seconds`: until it would be good by our clock; below 0: since it was. None: nobody says."""
        super().__init__(evidence)
        self.seconds = seconds


class TokenExpired(UntimelyToken):
    reason = "token_expired"
    public = "The access token has expired."


class TokenNotYetValid(UntimelyToken):
    reason = "token_not_yet_valid"
    public = "The access token is not valid yet."


class TokenFromTheFuture(UntimelyToken):
    reason = "token_from_the_future"
    public = "The access token claims to have been issued in the future."


class TokenLifetimeTooLong(InvalidToken):
    reason = "token_lifetime_too_long"
    public = "The access token lives longer than this API allows."


class WrongAudience(InvalidToken):
    reason = "wrong_audience"
    public = "The access token was issued for another API: ask the provider for one with this API as audience."


class ClientNotAllowed(InvalidToken):
    reason = "client_not_allowed"
    public = "The access token was issued to a client that may not call this API."


class MissingClaim(InvalidToken):
    reason = "missing_claim"
    public = "The access token lacks a claim this API needs."


class MissingAudience(MissingClaim):
    """The same, where it does not say for which API it is."""

    public = "The access token does not say which API it is for: ask the provider for one with this API as audience."


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


class TokenRevoked(InvalidToken):
    reason = "token_revoked"
    public = "The access token was revoked."


class ProofRequired(InvalidToken):
    reason = "proof_required"
    public = "The access token is bound to a key, and the request carries no accepted proof of possession."


class BindingUnsupported(InvalidToken):
    reason = "binding_unsupported"
    public = "The access token is bound in a way that is not supported here."


class ProofInvalid(InvalidToken):
    """What was sent to prove possession proves nothing."""

    reason = "proof_invalid"
    public = "What the request carries as proof of possession is not valid."
    is_bad_token = True


class DPoPProofInvalid(ProofInvalid):
    """The same, of a DPoP proof (RFC 9449 section 7.1)."""

    code = "invalid_dpop_proof"
    public = "The DPoP proof is not well-formed, or its signature is not valid."


class DPoPProofElsewhere(DPoPProofInvalid):
    public = "The DPoP proof is for another method or URL than those of this request."


class DPoPProofUntimely(DPoPProofInvalid):
    public = "The DPoP proof is too old, or from the future: look at the clock of the client."
    is_bad_token = False


class DPoPProofOfAnotherToken(DPoPProofInvalid):
    public = "The DPoP proof is for another access token than that of this request."


class ProofReplayed(InvalidToken):
    reason = "proof_replayed"
    code = "invalid_dpop_proof"
    public = "This DPoP proof was used before: make a new one for each request."


class ProofMismatch(InvalidToken):
    reason = "proof_mismatch"
    public = "The proof of possession is for another key than the one the access token is bound to."


class TokenNotBound(InvalidToken):
    reason = "token_not_bound"
    public = "The access token is bound to no key, and this API needs one that is."


class NonceRequired(InvalidToken):
    """The proof has no nonce of ours, or an old one; the response has a new one (RFC 9449 section 9)."""

    reason = "use_dpop_nonce"
    code = "use_dpop_nonce"
    public = "The DPoP proof must contain the nonce of this response."


class InsufficientAuthentication(InvalidToken):
    """RFC 9470."""

    reason = "insufficient_user_authentication"
    code = "insufficient_user_authentication"
    public = "This request needs a login that is stronger or more recent."

    def __init__(self, evidence: str = "", *, acr_values: Sequence[str] = (), max_age: int | None = None) -> None:
        """`acr_values`: any of these will do; `max_age`: seconds since the login, at most."""
        super().__init__(evidence)
        self.acr_values = tuple(acr_values)
        self.max_age = max_age


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


class PathMismatch(Forbidden):
    reason = "path_mismatch"
    public = "The path names what is not the caller's."


class ConditionFalse(Forbidden):
    reason = "condition_false"
    public = "The request does not meet the condition that is set for it."


class CrossSiteRequest(Forbidden):
    reason = "cross_site_request"
    public = "A page of another site may not use this credential."


class NoLongerAdmitted(Forbidden):
    """What was opened under a configuration before, and would not be under that of now."""

    reason = "no_longer_admitted"
    public = "What let this in has changed, and does not let it in any more."


class IdentityClaimMissing(Forbidden):
    reason = "identity_claim_missing"
    public = "The access token lacks a claim that the API behind this gateway requires."


class IdentityHeaderInvalid(Forbidden):
    reason = "identity_header_invalid"
    public = "A claim of the access token cannot be written as a header."


class IdentityHeaderTooLarge(Forbidden):
    reason = "identity_header_too_large"
    public = "A claim of the access token is larger than the API behind this gateway accepts."


class ExchangeRefused(Forbidden):
    reason = "exchange_refused"
    public = "The issuer gives no token for the API behind this gateway in exchange for this one."


class RateLimited(Denied):
    status = 429
    reason = "rate_limited"
    public = "Too many requests: wait, and try again."

    def __init__(self, evidence: str = "", *, retry_after: int | None = None, rate: str | None = None) -> None:
        """`rate`: the name of the one that refuses; None: it is for bad tokens."""
        super().__init__(evidence, retry_after=retry_after)
        self.rate = rate
