"""What to do about each reason, in plain words: for whoever runs the gateway, at three in the morning."""

from collections.abc import Mapping
from typing import Final

from gateway.core import errors
from gateway.core.errors import Refusal

#: of the whole family, where a member has nothing of its own
ADVICE: Final[Mapping[type[Refusal], str]] = {
    errors.MissingCredential: "The client sent no token. Have it send Authorization: Bearer and its access token; a "
    "browser that asks for a page or an icon has none.",
    errors.BadRequest: "The client does not speak well-formed HTTP. Look at the evidence; somebody may be trying "
    "things.",
    errors.AmbiguousPath: "Have the client send the path in its plain form: no dot segments, no empty segments, no odd "
    "escapes.",
    errors.UndecidableCredential: "Have the client send the token in a header, or put the gateway in front instead of "
    "only asking it.",
    errors.UnknownHost: "Add the host to hosts, or have the client use one that is there.",
    errors.NoRoute: "No route names the path, and unmatched is refuse: add a route, or correct the client.",
    errors.MethodNotAllowed: "No route of the path takes the method: add it to one, or correct the client.",
    errors.RequestTimeout: "The client is slow, or went silent. Many of these from one address may be an attack.",
    errors.MethodNotImplemented: "Have the client use a method of HTTP.",
    errors.VersionNotSupported: "Have the client speak HTTP/1.1.",
    errors.TooLarge: "The headers are larger than limits.header_bytes, or too many: look for cookies that pile up.",
    errors.BodyTooLarge: "Have the client send less, or raise limits.body_bytes.",
    errors.UriTooLong: "Have the client send a shorter URL, or raise limits.uri_bytes.",
    errors.TokenTooLarge: "Have the provider put less into the token (groups and roles, mostly), or raise "
    "limits.token_bytes.",
    errors.MalformedCredential: "Have the client send the word Bearer, one blank and the token: nothing before, "
    "nothing "
    "behind.",
    errors.MultipleCredentials: "Have the client send one token in one place; look whether a proxy adds another.",
    errors.TokenMalformed: "This is no JWT. Have the client send the access token; where the provider's are opaque, "
    "configure introspection.",
    errors.TokenEncrypted: "Have the provider issue signed tokens for this API, not encrypted ones.",
    errors.AlgorithmNotAllowed: "Add the algorithm to algorithms of the issuer, if the provider really signs with it.",
    errors.CriticalHeader: "The token asks for an extension that is not supported: look at what the provider puts into "
    "its header.",
    errors.NoLongerAdmitted: "A reload took away what had let this stream or tunnel in. If that was not meant: look at "
    "what it changed.",
    errors.TokenInactive: "The issuer says that the token is not good any more: have the client get another one.",
    errors.UnknownIssuer: "The token names another issuer than those configured: the evidence has both. Correct issuer "
    "in the configuration to what the token says, to the letter, or have the client use the right provider.",
    errors.UnknownKey: "The issuer does not publish the key that signed the token, or one that cannot be used: the "
    "evidence says which. Is the token from another environment of the same provider? If keys were just rotated: "
    "refresh the issuer's keys here.",
    errors.BadSignature: "The token was changed, or made by somebody else. If many clients have this: refresh the "
    "keys.",
    errors.TokenExpired: "Have the client get a new token before the old one ends. If all clients have this, look "
    "at the "
    "clocks of this machine and of the provider.",
    errors.TokenNotYetValid: "The clock of this machine is behind, or that of the provider is ahead: set them by NTP.",
    errors.TokenFromTheFuture: "The clock of this machine is behind, or that of the provider is ahead: set them by "
    "NTP.",
    errors.TokenLifetimeTooLong: "Have the provider issue tokens that live shorter, or raise max_lifetime of the "
    "issuer "
    "(revocation.keep, where that is the limit).",
    errors.WrongAudience: "The token is for another API. Have the client ask the provider for a token for this one "
    "(the parameter is called audience, resource or scope, by provider), or correct audience in the configuration.",
    errors.ClientNotAllowed: "Add the client to clients of the issuer, if it may call this API.",
    errors.MissingClaim: "Have the provider put the claim into its access tokens: the evidence says which.",
    errors.IdToken: "The client sends the ID token, which is meant for itself. Have it send the access token: the "
    "other "
    "one that it got at the same time.",
    errors.RefreshToken: "The client sends the refresh token. Have it send the access token, and tell its people: a "
    "refresh token should never leave it.",
    errors.LogoutToken: "Somebody sends a logout token to the API: it belongs to the path of the back-channel logout.",
    errors.OtherToken: "This is a JWT for something else. Have the client send the access token.",
    errors.UnclassifiedToken: "Choose the preset of the provider, or have it mark its access tokens (typ: at+jwt). "
    "If you "
    "are sure that it is an access token: allow_unclassified.",
    errors.TokenRevoked: "It was revoked: the evidence says what and when. Lift it under Revocations if that was "
    "wrong.",
    errors.ProofRequired: "The token is bound to a key: have the client prove that it has it (DPoP, or its "
    "certificate).",
    errors.BindingUnsupported: "The token is bound in a way that this gateway does not know: look at cnf of the token.",
    errors.ProofInvalid: "The proof of the client breaks a rule: the evidence says which.",
    errors.ProofReplayed: "Have the client make a new proof for each request. If it does: somebody repeats them.",
    errors.ProofMismatch: "The proof is made with another key than the token is bound to: has the client got a new "
    "key?",
    errors.TokenNotBound: "Have the client ask the provider for a bound token: this API takes no others.",
    errors.NonceRequired: "Nothing to do: the client makes its next proof with the nonce that it was just given.",
    errors.InsufficientAuthentication: "Have the client send its user through a login that is stronger or more recent.",
    errors.InsufficientScope: "Have the client ask for the scope, and the provider grant it; or ask for less in the "
    "route.",
    errors.ClaimMismatch: "The caller lacks what the route asks for. Give it to them at the provider, if they may.",
    errors.PathMismatch: "The caller asks for what is somebody else's: a mistake of the client, or somebody tries.",
    errors.ConditionFalse: "The condition of the route is not met: the evidence says whether it is false, or an error.",
    errors.CrossSiteRequest: "A page of another site used the cookie. If that page is yours, add its origin to cors.",
    errors.IdentityClaimMissing: "Have the provider put the claim into the token, or make the header optional.",
    errors.IdentityHeaderInvalid: "Choose an encoding for the header that can carry the value.",
    errors.IdentityHeaderTooLarge: "Raise max_bytes of the header, or leave it out when it is too large (too_large: "
    "omit).",
    errors.ExchangeRefused: "The token endpoint gives no token in exchange: look at what it is allowed to at the "
    "provider.",
    errors.RateLimited: "Have the client send less, or raise the rate: the evidence names it.",
    errors.InvalidLogout: "The logout was not accepted: the evidence says what is wrong with it. Look at who sends it.",
    errors.LogoutFailed: "The logout could not be written down: look at the store, or at the room beside the journal.",
    errors.IssuerUnavailable: "The provider's keys cannot be had: see Issuers. The tokens may be fine.",
    errors.StoreUnavailable: "The store cannot be had: see Store. The tokens may be fine.",
    errors.IntrospectionUnavailable: "The provider does not say whether tokens are active: see Issuers, and whether it "
    "still accepts the gateway's own credentials.",
    errors.UserInfoUnavailable: "The provider's userinfo endpoint does not respond: see Issuers.",
    errors.ExchangeUnavailable: "The token endpoint gives no token for the API: the evidence says why.",
    errors.UpstreamBusy: "All connections to the API are in use: it is slow, or max_connections is too small.",
    errors.Overloaded: "The gateway has as many connections as it may: raise limits.connections, or add replicas.",
    errors.Draining: "Nothing to do: this gateway is stopping, and clients come back to another one.",
    errors.UpstreamUnreachable: "The API is down, or listens elsewhere: start it, or correct its address. The evidence "
    "says what was tried.",
    errors.UpstreamProtocolError: "The API does not speak well-formed HTTP: look at its log, and at what listens "
    "there.",
    errors.UpstreamTimeout: "The API is slow: look at it, or raise response_timeout of the upstream or timeout of "
    "the route.",
    errors.InternalError: "A bug of the gateway: the log has a traceback. Please report it.",
    errors.ClientDisconnected: "The client went away. If many do: is the API slow?",
}


def advice_by_reason() -> dict[str, str]:
    """Every piece of advice, by the word of its reason."""
    return {reason: ADVICE[kind] for reason, kind in errors.reasons().items() if kind in ADVICE}
