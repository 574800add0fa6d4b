"""The UserInfo port: asks issuers what they say of a subject beyond its token, with that very token.

Decides when a response is remembered and what a failure leads to. What is believed of one is `core.token.userinfo`.
"""

import asyncio
import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

from gateway.core.config.issuers import Issuer, distinct_issuers, issuer_name, proxy_of
from gateway.core.errors import BadSignature, Refusal, TokenInactive, UserInfoUnavailable
from gateway.core.token.identity import Identity
from gateway.core.token.rules import Token, rules_of
from gateway.core.token.userinfo import (
    ACCEPT,
    Obtained,
    UserInfoInvalid,
    UserInfoRules,
    check_signed,
    judge_userinfo,
    pack,
    parse_userinfo,
    unpack,
)
from gateway.core.trail import Trail
from gateway.events import UserInfoAsked
from gateway.ports import Cache, Issuers, Observer
from gateway.remote.authentication import ReadSecret
from gateway.remote.client import Asked, Client
from gateway.remote.fetched import FetchFailed
from gateway.remote.flights import Crowded, Flights
from gateway.remote.metadata import Metadata
from gateway.remote.userinfo_failures import Failure, Failures
from gateway.signature import signer_of

#: member of the discovery document (OpenID Connect Discovery 1.0 section 3)
ENDPOINT: Final = "userinfo_endpoint"


class RemoteUserInfo:
    """What issuers say of subjects. An issuer without `userinfo` is a bug of the caller: KeyError."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        *,
        keys: Issuers,
        cache: Cache,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        read: ReadSecret | None = None,
    ) -> None:
        """Asks nobody yet. `keys`: what signed responses are verified with. `clock`: seconds since the epoch.

        `read`: what a secret is now, where discovery is shown one.
        """
        self._askers = {
            issuer_name(issuer): Asker(
                issuer, keys=keys, cache=cache, observer=observer, clock=clock, monotonic=monotonic, read=read
            )
            for issuer in distinct_issuers(issuers)
            if issuer.userinfo is not None
        }

    async def fetch_claims(self, identity: Identity, token: bytes, *, sender: str | None = None) -> Obtained:
        """The claims that are configured for the identity's issuer: remembered, or asked for now with its token.

        `sender`: the client address that the request counts for; None: nobody says.
        UserInfoUnavailable, TokenInactive: they cannot be had, and the configuration says to refuse then.
        """
        return await self._askers[identity.issuer].obtain(identity, token, sender=sender)

    async def stop(self) -> None:
        """Ends all that is under way, sockets and tasks. May be called twice."""
        for asker in self._askers.values():
            await asker.stop()


class Asker:
    """One issuer that is asked."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        keys: Issuers,
        cache: Cache,
        observer: Observer,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        read: ReadSecret | None = None,
    ) -> None:
        """As RemoteUserInfo."""
        assert issuer.userinfo is not None  # others are not asked
        self._name = issuer_name(issuer)
        self._section = issuer.userinfo
        self._lifetime = float(issuer.userinfo.cache)
        self._limit = float(issuer.userinfo.timeout)
        self._rules = UserInfoRules.of(issuer)
        self._signing = rules_of(issuer)
        self._keys = keys
        self._cache = cache
        self._observer = observer
        self._clock = clock
        self._client = Client(ca_file=issuer.ca_file, proxy=proxy_of(issuer), use="userinfo")
        self._metadata = Metadata(issuer, monotonic=monotonic, read=read)
        self._flights: Flights[Obtained] = Flights()
        self._failures = Failures(self._name, clock=clock, monotonic=monotonic)

    async def obtain(self, identity: Identity, token: bytes, *, sender: str | None) -> Obtained:
        """As RemoteUserInfo.fetch_claims."""
        key, digest = self._key(identity, token), sha256(token).digest()
        packed = await self._cache.get(key)
        known = packed and unpack(packed, self._rules, lifetime=self._lifetime, now=self._clock())
        if known:
            return known
        failure = self._suppressed(digest)
        if failure is not None:
            return self._settle(failure)
        # What was refused may be another token of the same subject, with which somebody asked first: then with this.
        for once in (key, digest):
            try:
                # In its turn, and then as long as one call may take.
                async with asyncio.timeout(2 * self._limit):
                    return await self._flights.join(
                        once, partial(self._ask, key, digest, identity, token), sender=sender
                    )
            except Failure as failed:
                failure = failed
            except (Crowded, TimeoutError) as crowded:
                self._count("crowded")
                failure = self._failures.crowded(str(crowded) or "others are asked about first")
            if not failure.is_refusal or self._failures.find(digest) is not None:
                break
        assert failure is not None  # or it had returned
        return self._settle(failure)

    async def stop(self) -> None:
        """Ends all that is under way. May be called twice."""
        await self._flights.stop()
        await self._metadata.stop()
        await self._client.close()

    def _key(self, identity: Identity, token: bytes) -> bytes:
        """What a response is remembered under: all that it depends on. The token itself is not in it."""
        whose = identity.subject if self._section.by == "subject" else sha256(token).hexdigest()
        about = (identity.iss, self._section.endpoint, self._section.by, whose, self._section.claims)
        return json.dumps(about).encode()

    async def _ask(self, key: bytes, digest: bytes, identity: Identity, token: bytes) -> Obtained:
        """One call, for all who wait for it. Failure: it is remembered, counted and logged."""
        if (suppressed := self._suppressed(digest)) is not None:
            # Since it began to wait for its turn.
            raise suppressed.again()
        try:
            asked = await self._get(token)
            claims = await self._judge(asked, identity)
        except (FetchFailed, UserInfoInvalid) as error:
            failure = self._failures.unreachable(str(error)) if isinstance(error, FetchFailed) else Failure(str(error))
        except Failure as failed:
            failure = failed
        else:
            self._failures.ended()
            self._count("ok")
            now = self._clock()
            await self._cache.put(key, pack(claims, at=now), seconds=self._lifetime)
            return Obtained(claims, now + self._lifetime)
        self._count("refused" if failure.is_refusal else "error")
        self._failures.remember(digest, failure)
        raise failure

    def _suppressed(self, digest: bytes) -> Failure | None:
        """Why nobody is asked now; None: somebody is."""
        failure = self._failures.find(digest)
        if failure is not None:
            self._count("suppressed")
        return failure

    async def _get(self, token: bytes) -> Asked:
        """A response with status 200. FetchFailed, Failure."""
        address = self._section.endpoint or await self._metadata.endpoint(ENDPOINT)
        headers = {"Accept": ACCEPT, "Authorization": f"Bearer {token.decode('ascii')}"}
        asked = await self._client.get(address, headers=headers, timeout=self._limit)
        if asked.status != 200:
            raise self._failures.status(asked.status, asked.headers)
        return asked

    async def _judge(self, asked: Asked, identity: Identity) -> dict[str, object]:
        """The named claims of a response. UserInfoInvalid."""
        said = parse_userinfo(asked.media_type, asked.body)
        if isinstance(said, Token):
            check_signed(said, self._rules)
            await self._verify(said, identity)
            said = said.claims
        assert identity.subject is not None  # others lack nothing: core.token.lacks
        return judge_userinfo(
            said,
            self._rules,
            iss=None if identity.tenant is None else identity.iss,
            subject=identity.subject,
            client=identity.client,
            now=self._clock(),
        )

    async def _verify(self, token: Token, identity: Identity) -> None:
        """Whether the issuer has signed it, with keys that may have to be fetched. UserInfoInvalid."""
        rules = self._signing if identity.tenant is None else self._signing.of_tenant(identity.tenant)
        try:
            await signer_of(token, self._keys, rules=rules, trail=Trail())
        except BadSignature:
            raise UserInfoInvalid("no key of the issuer signed the response") from None
        except Refusal as refusal:
            raise UserInfoInvalid(f"no key for the signed response: {refusal.evidence}") from None

    def _settle(self, failure: Failure) -> Obtained:
        """What a failure leads to. UserInfoUnavailable, TokenInactive."""
        seconds = self._failures.seconds_left(failure)
        chosen = self._section.on_401 if failure.status == 401 else None
        if (chosen or self._section.on_failure) == "absent":
            return Obtained({}, self._clock() + seconds, str(failure))
        evidence = f"{self._name}: {failure}"
        if chosen is not None:
            raise TokenInactive(evidence)
        raise UserInfoUnavailable(evidence, retry_after=max(1, math.ceil(seconds)))

    def _count(self, result: str) -> None:
        self._observer.happened(UserInfoAsked(self._name, result))
