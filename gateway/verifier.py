"""A token to an identity: remembered, or verified now with keys that may have to be fetched.

The waiting half of `core.token`. Knows nothing of requests, routes and responses.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from gateway.core.claims import ClaimName, find_claims, scopes_among
from gateway.core.config.file import Config, identity_headers_of
from gateway.core.errors import (
    IdToken,
    Refusal,
    Suspect,
    TokenInactive,
    TokenMalformed,
    Unavailable,
)
from gateway.core.token.believed import Believed, believe
from gateway.core.token.confirmation import parse_confirmation
from gateway.core.token.credential import Credential
from gateway.core.token.details import Kept
from gateway.core.token.digests import RecentDigests, digest_of
from gateway.core.token.handles import fixed_part, handles_of
from gateway.core.token.identity import Identity
from gateway.core.token.introspected import IntrospectionResponse, judge_jwt, judge_opaque
from gateway.core.token.jwt import check_token, find_unread, parse_token
from gateway.core.token.keys import Key
from gateway.core.token.known import KnownIssuers
from gateway.core.token.lacks import asked_claims, wanted_of
from gateway.core.token.opaque import AskedIssuers, form_of
from gateway.core.token.rules import Candidate, Token, rules_of
from gateway.core.token.verified import VerifiedTokens
from gateway.core.trail import BAD_TOKENS, FORM, HEADERS, INTROSPECTION, SIGNATURE, Step, Trail
from gateway.core.upstream.identity_headers import IdentityLines
from gateway.ports import Introspections, Issuers, Observer, Rates
from gateway.signature import known_signer, new_signer

#: seconds from one attempt at that which failed to the next
RENEWAL_PAUSE: Final = 1.0
_NEVER: Final = float("inf")
#: what is kept of a token's claims where no route asks for any
_NO_CLAIMS: Final[Mapping[ClaimName, Any]] = MappingProxyType({})


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
        introspections: Introspections | None = None,
    ) -> None:
        """`clock`: seconds since the epoch, as the times in tokens. `rates`: count bad tokens, if they are counted.

        `introspections`: None where nobody is asked. After it was used you must call `stop`.
        """
        keep = None if config.revocation is None else float(config.revocation.keep)
        rules = [rules_of(issuer, keep=keep) for issuer in config.issuers]
        self._known = KnownIssuers(rules)
        self._by_name = {one.name: one for one in rules}
        self._introspections = introspections
        #: None: nobody is asked
        self._asked: Final = None if introspections is None else AskedIssuers(config.issuers)
        #: tokens that are asked about anew
        self._renewing: set[asyncio.Task[None]] = set()
        self._is_revocable = config.revocation is not None
        self._headers = IdentityLines(identity_headers_of(config))
        self._claims = asked_claims(config)
        self._kept = Kept.of(config)
        #: by issuer: what it is asked for where a token lacks it
        self._wanted = wanted_of(config)
        self._issuers = issuers
        self._observer = observer
        self._clock = clock
        self._bad_tokens = None if rates is None else rates.bad_tokens
        self._verified = VerifiedTokens()
        #: what tokens of this moment are remembered by
        self.digests: Final = RecentDigests(token_bytes=config.limits.token_bytes, dpop=config.dpop is not None)
        #: by name of an issuer of which a token was verified: whether any named its session
        self._names_sessions: dict[str, bool] = {}

    def inherit(self, other: "Verifier") -> None:
        """Goes on with what another one remembers; every setting that an identity depends on is the same for both."""
        self._verified, self._names_sessions = other._verified, other._names_sessions  # noqa: SLF001 -- one of its own kind

    def recall(self, digest: bytes) -> Identity | None:
        """The identity behind a token that was verified before, if it is there and would pass now. See `digest_of`.

        One that its issuer was asked about is asked about anew, in the background, before its response ends.
        """
        identity = self._verified.find(digest)
        if identity is not None:
            now = self._clock()
            if not identity.still_holds(now, self._issuers):
                identity = self._fall_back(digest, identity)
            if identity is not None and (believed := identity.believed) is not None and now >= believed.renewed_at:
                self._renew(believed, digest)
        self._observer.token_looked_up(hit=identity is not None)
        return identity

    def replace(self, digest: bytes, identity: Identity, *, beside: int) -> None:
        """Remembers another identity for a token that was verified: more is known of whom it speaks for.

        Unless it was verified again meanwhile, or is not remembered. `beside`: bytes of what is known beyond the token.
        """
        if self._verified.find(digest) is identity.bare:
            self._verified.replace(digest, identity, beside=beside)

    def _remember(self, digest: bytes, identity: Identity, token: bytes) -> None:
        self._verified.remember(digest, identity, token_bytes=len(token) + identity.kept_bytes)

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
        trail.saw({"scheme": credential.scheme, "place": credential.place})
        try:
            identity = await self._establish(credential.token, digest, trail, sender=sender)
        except Refusal as refusal:
            self._observer.token_verified(None if refusal.suspect is None else refusal.suspect.issuer, refusal)
            raise
        self._observer.token_verified(identity.issuer, None)
        if identity.handles is not None:
            known = self._names_sessions.get(identity.issuer, False)
            self._names_sessions[identity.issuer] = known or identity.sid is not None
        if identity.believed is None or identity.believed.until > self._clock():
            self._remember(digest, identity, credential.token)
        return identity

    def is_due(self, identity: Identity) -> bool:
        """Whether it is time to ask the issuer about a token again; False for one that it is not asked about."""
        return identity.believed is not None and self._clock() >= identity.believed.until

    async def reask(self, identity: Identity) -> Refusal | None:
        """Asks the issuer anew about a token that it was asked about, as for a request; None: it may go on.

        For what outlives a request: when it `is_due`, which is then put off. Where nobody can say now, or the token is
        none that its issuer is asked about, it may go on.
        """
        believed = identity.believed
        if believed is None:
            return None
        digest = digest_of(believed.token)
        known = self._verified.find(digest)
        if known is None or known.believed is None or known.believed.asked_at <= believed.asked_at:
            try:
                known = await self._establish(believed.token, digest, Trail(), after=believed.asked_at)
            except Unavailable:
                return None
            except Refusal as refusal:
                self._verified.forget(digest)
                return refusal
            self._remember(digest, known, believed.token)
        if known.believed is not None:
            believed.asked_at, believed.until = known.believed.asked_at, known.believed.until
        return None

    async def stop(self) -> None:
        """Ends what is under way in the background. May be called twice."""
        renewing = tuple(self._renewing)
        for task in renewing:
            task.cancel()
        await asyncio.gather(*renewing, return_exceptions=True)

    def _renew(self, believed: Believed, digest: bytes) -> None:
        """Begins to ask anew, once: whoever is here meanwhile gets what is known."""
        believed.renewed_at = _NEVER
        task = asyncio.create_task(
            self._renew_now(believed, digest),
            name="renewal of an introspected token",
            # Not on the time of the request that used it.
            context=Context(),
        )
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    async def _renew_now(self, believed: Believed, digest: bytes) -> None:
        try:
            renewed = await self._establish(believed.token, digest, Trail(), after=believed.asked_at)
        except Unavailable:
            # It serves until its end; whoever uses it a moment later asks again.
            believed.renewed_at = self._clock() + RENEWAL_PAUSE
        except Refusal:
            known = self._verified.find(digest)
            if known is not None and known.believed is believed:
                self._verified.forget(digest)
        else:
            self._remember(digest, renewed, believed.token)

    async def _establish(
        self, raw: bytes, digest: bytes, trail: Trail, *, sender: str | None = None, after: float | None = None
    ) -> Identity:
        """Who a token speaks for, judged now. `after`: what its issuer said until then does not count any more."""
        token: Token | None = None
        names: tuple[str, ...] | None = None
        trail.enter(FORM)
        try:
            if self._asked is not None:
                names = self._asked.find(raw)
            if names is not None:
                return await self._ask(names, raw, digest, trail, sender=sender, after=after)
            token = parse_token(raw, self._known)
            trail.saw({"alg": token.alg, "kid": token.kid, "typ": token.header.get("typ")})
            candidate = check_token(token, self._known, now=self._clock(), trail=trail)
            self._check_sender(sender, trail)
            trail.enter(SIGNATURE)
            key = known_signer(token, self._issuers, rules=candidate.rules, trail=trail)
            if key is None:
                key = await self._new_signer(token, candidate, trail, sender=sender)
            trail.saw({"kid": key.kid, "thumbprint": key.thumbprint})
            if not candidate.rules.asked_about_jwts:
                trail.enter(HEADERS)
                return self._compile(token.claims, candidate, digest, key=key)
            trail.enter(INTROSPECTION)
            response = await self._introspect(candidate.rules.name, raw, digest, trail, sender=sender, after=after)
            judged = judge_jwt(response.members, token, candidate, now=self._clock())
            trail.saw({"issuer": candidate.rules.name, "seconds": response.until - self._clock()})
            trail.enter(HEADERS)
            believed = believe(raw, response)
            return self._compile(judged.claims, judged.candidate, digest, key=key, believed=believed)
        except Refusal as refusal:
            refusal.suspect = self._suspect(token, names, digest[:6].hex(), is_id=isinstance(refusal, IdToken))
            if refusal.is_bad_token and self._bad_tokens is not None:
                self._bad_tokens.count(sender)
            raise

    async def _ask(
        self,
        names: tuple[str, ...],
        raw: bytes,
        digest: bytes,
        trail: Trail,
        *,
        sender: str | None,
        after: float | None,
    ) -> Identity:
        """Who a token speaks for that only its issuer can read: the first of these that says that it is active."""
        if not names:
            raise TokenMalformed("it is no JWT, and nothing that tokens of an issuer that is asked look like")
        trail.saw({"form": form_of(raw)})
        self._check_sender(sender, trail)
        trail.enter(INTROSPECTION)
        inactive = TokenInactive()
        for name in names:
            response: IntrospectionResponse | None = None
            try:
                response = await self._introspect(name, raw, digest, trail, sender=sender, after=after)
            except TokenInactive as refusal:
                inactive = refusal
            if response is not None:
                now = self._clock()
                trail.saw({"issuer": name, "seconds": response.until - now})
                judged = judge_opaque(response.members, self._by_name[name], now=now, until=response.until, trail=trail)
                trail.enter(HEADERS)
                believed = believe(raw, response, is_end="exp" not in response.members)
                return self._compile(judged.claims, judged.candidate, digest, believed=believed)
        raise inactive

    async def _introspect(
        self, name: str, raw: bytes, digest: bytes, trail: Trail, *, sender: str | None, after: float | None
    ) -> IntrospectionResponse:
        assert self._introspections is not None  # or nobody would be asked
        again = None if self._bad_tokens is None else partial(self._check_again, sender, trail, INTROSPECTION)
        return await self._introspections.introspect(name, raw, digest, sender=sender, after=after, check_again=again)

    def _check_sender(self, sender: str | None, trail: Trail) -> None:
        """Before what costs something. RateLimited: too many bad tokens came from where this one came from."""
        if self._bad_tokens is not None:
            trail.enter(BAD_TOKENS)
            self._bad_tokens.check(sender)

    def _check_again(self, sender: str | None, trail: Trail, step: Step) -> None:
        """Many may have waited, for a key or for their turn: those of one sender are not all tried."""
        self._check_sender(sender, trail)
        trail.enter(step)

    async def _new_signer(self, token: Token, candidate: Candidate, trail: Trail, *, sender: str | None) -> Key:
        """The key that signed a token that no known one did. InvalidToken, Unavailable, RateLimited."""
        again = None if self._bad_tokens is None else partial(self._check_again, sender, trail, SIGNATURE)
        return await new_signer(token, self._issuers, rules=candidate.rules, trail=trail, check_again=again)

    def lacks_sessions(self, issuer: str) -> bool:
        """Whether tokens of the issuer of this name were verified, and none said of which session it is."""
        return self._names_sessions.get(issuer) is False

    def _suspect(self, token: Token | None, names: tuple[str, ...] | None, token_id: str, *, is_id: bool) -> Suspect:
        """What a log may say of a token that was refused. `names`: of the issuers that may be asked about it."""
        if token is None:
            return Suspect(token_id, None, names[0] if names is not None and len(names) == 1 else None)
        return self._known.suspect(token, token_id, is_id=is_id)

    def _compile(
        self,
        claims: Mapping[str, Any],
        candidate: Candidate,
        digest: bytes,
        *,
        key: Key | None = None,
        believed: Believed | None = None,
    ) -> Identity:
        rules = candidate.rules
        wanted = self._wanted.get(rules.name)
        lacks = (
            wanted.find_lacks(claims, subject=candidate.subject, words=candidate.scopes) if wanted is not None else None
        )
        lines = self._headers.of(
            claims,
            issuer=rules.name,
            tenant=rules.tenant,
            client=candidate.client,
            scopes=candidate.scopes,
            lacks=lacks,
        )
        return Identity(
            issuer=rules.name,
            iss=rules.issuer,
            tenant=rules.tenant,
            signers=rules.signers,
            accepted=rules.accepted(candidate.audience),
            subject=candidate.subject,
            client=candidate.client,
            scopes=scopes_among(candidate.scopes),
            claims=find_claims(claims, self._claims, of_keys=rules.objects) if self._claims else _NO_CLAIMS,
            expires_at=candidate.expires_at,
            not_before=candidate.not_before,
            leeway=rules.leeway,
            key=None if key is None else key.thumbprint,
            verdict=candidate.verdict,
            token_id=digest[:6].hex(),
            headers=lines,
            unread=find_unread(claims, rules) if rules.unread else "",
            confirmation=parse_confirmation(claims),
            handles=None
            if not self._is_revocable
            else handles_of(
                claims,
                issuer=rules.issuer,
                subject=candidate.subject,
                client=candidate.client,
                digest=digest_of(candidate.signed or (b"" if believed is None else fixed_part(believed.token))),
            ),
            details=None if self._kept is None else self._kept.details_of(claims, candidate),
            lacks=lacks,
            believed=believed,
        )
