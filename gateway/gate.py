"""One request, top to bottom. Read this file first.

`admit` decides; `handle` has the decision carried out. Whatever judges is a pure function of `core`; whatever waits
stands behind a port. A new kind of check is a line here and a module in `core`.
"""

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable
from hashlib import sha256

from gateway.core.config import Config, identity_headers_of
from gateway.core.credential import find_credential
from gateway.core.errors import (
    BadSignature,
    ClientDisconnected,
    InternalError,
    Refusal,
    Suspect,
    UnknownKey,
)
from gateway.core.headers import UpstreamHeaders, drops_forwarding
from gateway.core.identity import identity_lines
from gateway.core.keys import Key, shown_kid
from gateway.core.model import Admission, Credential, Facts, Identity
from gateway.core.token import Candidate, Token, check_token, find_signer, parse_token, rules_of
from gateway.core.verified import VerifiedTokens
from gateway.ports import Ending, Exchange, Issuers, Observer, Upstream

log = logging.getLogger("gateway")


class Gate:
    """Decides who gets through, and relays what was let through."""

    def __init__(
        self,
        config: Config,
        *,
        issuers: Issuers,
        upstream: Upstream,
        observer: Observer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: seconds since the epoch, as the times in tokens."""
        self._rules = {issuer.issuer: rules_of(issuer) for issuer in config.issuers}
        self._identity_headers = identity_headers_of(config)
        self._upstream_headers = UpstreamHeaders.of(config)
        self._token_bytes = config.limits.token_bytes
        self._issuers = issuers
        self._upstream = upstream
        self._observer = observer
        self._clock = clock
        self._verified = VerifiedTokens()
        self._told_of_forwarding = False

    async def handle(self, exchange: Exchange) -> None:
        """One request to its end. Raises nothing but CancelledError; the observer hears how it ended."""
        ending = Ending()
        started = time.perf_counter()
        try:
            try:
                ending.facts = exchange.read_facts()
                admission = await self.admit(ending.facts)
                ending.identity = admission.identity
                await self._relay(ending, admission, exchange)
            except Refusal as refusal:
                ending.refusal = refusal
                await self._refuse(refusal, exchange, ending)
            except Exception:
                log.exception("a request ended in a bug of the gateway")
                ending.refusal = InternalError("see the traceback in the log")
                await self._refuse(ending.refusal, exchange, ending)
        except (ClientDisconnected, CancelledError) as gone:
            ending.refusal = ClientDisconnected("the connection ended before the answer did")
            ending.status = ending.refusal.status
            if isinstance(gone, CancelledError):
                raise
        finally:
            ending.duration = time.perf_counter() - started
            ending.bytes_in, ending.bytes_out = exchange.bytes_in, exchange.bytes_out
            self._observer.request_ended(ending)

    async def _relay(self, ending: Ending, admission: Admission, exchange: Exchange) -> None:
        assert ending.facts is not None  # read before it was admitted
        asked = time.perf_counter()
        answer = await self._upstream.send(ending.facts, admission.headers, exchange.body)
        try:
            ending.upstream_duration = time.perf_counter() - asked
            ending.status = answer.status
            await exchange.relay(answer)
        finally:
            answer.close()

    async def _refuse(self, refusal: Refusal, exchange: Exchange, ending: Ending) -> None:
        """Answers a refusal, unless an answer has begun or nobody is there: then the connection is cut."""
        if isinstance(refusal, ClientDisconnected):
            raise refusal
        if exchange.has_begun:
            exchange.abort()
            return
        ending.status = refusal.status
        await exchange.refuse(refusal)

    async def admit(self, facts: Facts) -> Admission:
        """Whether this request may pass, and as whom. A Refusal says why not."""
        credential = find_credential(facts.authorization, token_bytes=self._token_bytes)
        identity = await self.identify(credential)
        if not self._told_of_forwarding and drops_forwarding(facts):
            self._told_of_forwarding = True
            log.warning(
                "forwarding headers of %s were dropped; to believe them, configure trusted_proxies: [%s]",
                facts.peer,
                facts.peer,
            )
        return Admission(identity, self._upstream_headers.compose(facts, identity.headers))

    async def identify(self, credential: Credential) -> Identity:
        """The identity behind a token: remembered, or verified now. InvalidToken, Forbidden, Unavailable."""
        digest = sha256(credential.token).digest()
        token_id = digest.hex()[:12]
        identity = self._remembered(digest)
        self._observer.token_looked_up(hit=identity is not None)
        if identity is not None:
            return identity
        token = None
        try:
            token = parse_token(credential.token)
            candidate = check_token(token, self._rules, now=self._clock())
            key = await self._signer(token, candidate)
            identity = self._compile(token, candidate, key, token_id)
        except Refusal as refusal:
            refusal.suspect = self._suspect(token, token_id)
            self._observer.token_verified(refusal.suspect.issuer, refusal)
            raise
        self._observer.token_verified(identity.issuer, None)
        self._verified.remember(digest, identity, token_bytes=len(credential.token))
        return identity

    def _remembered(self, digest: bytes) -> Identity | None:
        """A token that passed before, if it would pass now: its times and its key are looked at on every hit."""
        identity = self._verified.find(digest)
        if identity is None:
            return None
        now = self._clock()
        in_time = now < identity.expires_at + identity.leeway and (
            identity.not_before is None or identity.not_before <= now + identity.leeway
        )
        if in_time and self._issuers.has_key(identity.issuer, identity.key):
            return identity
        self._verified.forget(digest)
        return None

    async def _signer(self, token: Token, candidate: Candidate) -> Key:
        """The key that signed the token: among those we know, else among those the issuer publishes now."""
        name = candidate.rules.name
        known = self._issuers.find_keys(name, alg=token.alg, kid=token.kid)
        if (signer := find_signer(token, known)) is not None:
            return signer
        if known and token.kid is not None:
            raise BadSignature(f"the key {name} publishes under this kid did not sign the token")
        # Without a kid no key is named: a signature of none we know may be by one that is new.
        try:
            fetched = await self._issuers.fetch_keys(name, alg=token.alg, kid=token.kid)
        except UnknownKey:
            if known:
                raise BadSignature(f"none of the {len(known)} keys tried signed the token") from None
            raise
        if (signer := find_signer(token, fetched)) is not None:
            return signer
        raise BadSignature(f"none of the {len(fetched)} keys tried signed the token")

    def _suspect(self, token: Token | None, token_id: str) -> Suspect:
        """What a log may say of a token that was refused."""
        if token is None:
            return Suspect(token_id)
        iss = token.claims.get("iss")
        rules = self._rules.get(iss) if isinstance(iss, str) else None
        kid = None if token.kid is None else shown_kid(token.kid)
        return Suspect(token_id, kid, rules.name if rules else None)

    def _compile(self, token: Token, candidate: Candidate, key: Key, token_id: str) -> Identity:
        lines = identity_lines(self._identity_headers, token.claims, client=candidate.client, scopes=candidate.scopes)
        return Identity(
            issuer=candidate.rules.name,
            subject=candidate.subject,
            client=candidate.client,
            scopes=candidate.scopes,
            expires_at=candidate.expires_at,
            not_before=candidate.not_before,
            leeway=candidate.rules.leeway,
            key=key.thumbprint,
            verdict=candidate.verdict,
            token_id=token_id,
            headers=lines,
        )
