"""A token to an identity: remembered, or verified now with keys that may have to be fetched.

The waiting half of `core.token`. Knows nothing of requests, routes and responses.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final

from gateway.core.claims import ABSENT, find_claim, is_scope
from gateway.core.config.file import Config, identity_headers_of
from gateway.core.errors import BadSignature, IssuerUnavailable, Refusal, Suspect, UnknownKey
from gateway.core.token.confirmation import parse_confirmation
from gateway.core.token.credential import Credential
from gateway.core.token.handles import handles_of
from gateway.core.token.identity import Identity
from gateway.core.token.jwt import check_token, find_signer, find_unread, parse_token
from gateway.core.token.keys import Key, names_one_of, shown_kid
from gateway.core.token.lacks import asked_claims, wanted_of
from gateway.core.token.rules import Candidate, Token, rules_of
from gateway.core.token.verified import VerifiedTokens
from gateway.core.trail import BAD_TOKENS, FORM, HEADERS, SIGNATURE, Trail
from gateway.core.upstream.identity_headers import identity_lines
from gateway.ports import Issuers, Observer, Rates

#: copied for each token: cheaper than asking OpenSSL for the algorithm each time
_SHA256: Final = sha256()


def _bad_signature(name: str, token: Token, tried: tuple[Key, ...]) -> BadSignature:
    if names_one_of(token.kid, tried):
        return BadSignature(f"the key {name} publishes under this kid did not sign the token")
    return BadSignature(f"none of the {len(tried)} keys tried signed the token")


async def signer_of(
    token: Token, issuers: Issuers, *, name: str, trail: Trail, check_again: Callable[[], None] | None = None
) -> Key:
    """The key that signed the token: among those that are known, else among those that its issuer publishes now.

    `name`: of the issuer that it says. `check_again`: before keys are tried for which somebody had to wait; it may
    raise. BadSignature, UnknownKey; IssuerUnavailable: nobody can tell now.
    """
    known = issuers.find_keys(name, alg=token.alg, kid=token.kid)
    trail.saw({"tried": len(known)})
    if (signer := find_signer(token, known)) is not None:
        return signer
    # A signature of none we know may be by one that is new: under a new name, without one, or under an old one.
    try:
        fetched = await issuers.fetch_keys(name, alg=token.alg, kid=token.kid, tried=known)
    except (UnknownKey, IssuerUnavailable) as refusal:
        # That a key was replaced under its name is rare, and forged tokens are not: nobody is kept waiting for it.
        if known and (isinstance(refusal, UnknownKey) or names_one_of(token.kid, known)):
            raise _bad_signature(name, token, known) from None
        raise
    if check_again is not None:
        check_again()
    trail.saw({"tried": len(known) + len(fetched)})
    if (signer := find_signer(token, fetched)) is not None:
        return signer
    raise _bad_signature(name, token, (*known, *fetched))


def digest_of(token: bytes) -> bytes:
    """What a token is remembered by: its SHA-256."""
    digest = _SHA256.copy()
    digest.update(token)
    return digest.digest()


class Verifier:
    """Who a token speaks for; the same token twice costs one verification."""

    def __init__(
        self,
        config: Config,
        *,
        issuers: Issuers,
        observer: Observer,
        clock: Callable[[], float],
        rates: Rates | None = None,
    ) -> None:
        """`clock`: seconds since the epoch, as the times in tokens. `rates`: count bad tokens, if they are counted."""
        keep = None if config.revocation is None else float(config.revocation.keep)
        self._rules = {issuer.issuer: rules_of(issuer, keep=keep) for issuer in config.issuers}
        self._is_revocable = config.revocation is not None
        self._headers = identity_headers_of(config)
        self._claims = asked_claims(config)
        #: by issuer: what it is asked for where a token lacks it
        self._wanted = wanted_of(config)
        self._issuers = issuers
        self._observer = observer
        self._clock = clock
        self._bad_tokens = None if rates is None else rates.bad_tokens
        self._verified = VerifiedTokens()
        #: by name of an issuer of which a token was verified: whether any named its session
        self._names_sessions: dict[str, bool] = {}

    def recall(self, digest: bytes) -> Identity | None:
        """The identity behind a token that was verified before, if it is there and would pass now. See `digest_of`."""
        identity = self._verified.find(digest)
        if identity is not None and not identity.still_holds(self._clock(), self._issuers):
            identity = self._fall_back(digest, identity)
        self._observer.token_looked_up(hit=identity is not None)
        return identity

    def replace(self, digest: bytes, identity: Identity, *, beside: int) -> None:
        """Remembers another identity for a token that was verified: more is known of whom it speaks for.

        `beside`: bytes of what is known beyond the token.
        """
        self._verified.replace(digest, identity, beside=beside)

    def _fall_back(self, digest: bytes, identity: Identity) -> Identity | None:
        """What is left of an identity that no longer holds: what the token alone says, where that does."""
        bare = identity.bare
        if bare is None or not bare.still_holds(self._clock(), self._issuers):
            self._verified.forget(digest)
            return None
        self._verified.replace(digest, bare)
        return bare

    async def verify(
        self, credential: Credential, digest: bytes, trail: Trail, *, sender: str | None = None
    ) -> Identity:
        """The identity behind a token that is not remembered. InvalidToken, Forbidden, Unavailable.

        `digest`: of this very token, by which its identity will be found again. `sender`: the address that counts for
        the request, None where nothing is counted by it, or nobody says whose address counts.
        """
        token_id = digest[:6].hex()
        token: Token | None = None
        trail.saw({"scheme": credential.scheme, "place": credential.place})
        trail.enter(FORM)
        try:
            token = parse_token(credential.token)
            trail.saw({"alg": token.alg, "kid": token.kid, "typ": token.header.get("typ")})
            candidate = check_token(token, self._rules, now=self._clock(), trail=trail)
            self._check_sender(sender, trail)
            trail.enter(SIGNATURE)
            key = await self._signer(token, candidate, trail, sender=sender)
            trail.saw({"kid": key.kid, "thumbprint": key.thumbprint})
            trail.enter(HEADERS)
            identity = self._compile(token, candidate, key, digest)
        except Refusal as refusal:
            refusal.suspect = self._suspect(token, token_id)
            if refusal.is_bad_token and self._bad_tokens is not None:
                self._bad_tokens.count(sender)
            self._observer.token_verified(refusal.suspect.issuer, refusal)
            raise
        self._observer.token_verified(identity.issuer, None)
        if identity.handles is not None:
            known = self._names_sessions.get(identity.issuer, False)
            self._names_sessions[identity.issuer] = known or identity.sid is not None
        self._verified.remember(digest, identity, token_bytes=len(credential.token))
        return identity

    def _check_sender(self, sender: str | None, trail: Trail) -> None:
        """Before what costs something. RateLimited: too many bad tokens came from where this one came from."""
        if self._bad_tokens is not None:
            trail.enter(BAD_TOKENS)
            self._bad_tokens.check(sender)

    def _check_again(self, sender: str | None, trail: Trail) -> None:
        """Many may have waited for a key: those of one sender are not all tried."""
        self._check_sender(sender, trail)
        trail.enter(SIGNATURE)

    async def _signer(self, token: Token, candidate: Candidate, trail: Trail, *, sender: str | None) -> Key:
        """The key that signed the token. InvalidToken, Unavailable, RateLimited."""
        again = None if self._bad_tokens is None else partial(self._check_again, sender, trail)
        return await signer_of(token, self._issuers, name=candidate.rules.name, trail=trail, check_again=again)

    def lacks_sessions(self, issuer: str) -> bool:
        """Whether tokens of the issuer of this name were verified, and none said of which session it is."""
        return self._names_sessions.get(issuer) is False

    def _suspect(self, token: Token | None, token_id: str) -> Suspect:
        """What a log may say of a token that was refused."""
        if token is None:
            return Suspect(token_id)
        iss = token.claims.get("iss")
        rules = self._rules.get(iss) if isinstance(iss, str) else None
        kid = None if token.kid is None else shown_kid(token.kid)
        return Suspect(token_id, kid, rules.name if rules else None)

    def _compile(self, token: Token, candidate: Candidate, key: Key, digest: bytes) -> Identity:
        wanted = self._wanted.get(candidate.rules.name)
        lacks = (
            wanted.find_lacks(token.claims, subject=candidate.subject, words=candidate.scopes)
            if wanted is not None
            else None
        )
        lines = identity_lines(
            self._headers if lacks is None else lacks.relaxed(self._headers),
            token.claims,
            issuer=candidate.rules.name,
            client=candidate.client,
            scopes=candidate.scopes,
        )
        return Identity(
            issuer=candidate.rules.name,
            subject=candidate.subject,
            client=candidate.client,
            scopes=tuple(filter(is_scope, candidate.scopes)),
            claims={name: value for name in self._claims if (value := find_claim(token.claims, name)) is not ABSENT},
            expires_at=candidate.expires_at,
            not_before=candidate.not_before,
            leeway=candidate.rules.leeway,
            key=key.thumbprint,
            verdict=candidate.verdict,
            token_id=digest[:6].hex(),
            headers=lines,
            unread=find_unread(token.claims, candidate.rules) if candidate.rules.unread else "",
            confirmation=parse_confirmation(token.claims),
            handles=None
            if not self._is_revocable
            else handles_of(
                token.claims,
                issuer=candidate.rules.issuer,
                subject=candidate.subject,
                client=candidate.client,
                digest=digest_of(candidate.signed) if candidate.signed else digest,
            ),
            lacks=lacks,
        )
