"""The Issuers port for all configured issuers: which keys response for which name, and their common start and end.

Knows nothing of tokens; every issuer stands for itself, so that one that is down harms no other.
"""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.token.keys import Key
from gateway.core.token.tenants import are_apart, filled
from gateway.ports import Cache, Observer
from gateway.remote.authentication import ReadSecret
from gateway.remote.http import FETCH_TIMEOUT
from gateway.remote.keys.issuer_keys import Clock, Hears, IssuerKeys, IssuerStatus
from gateway.remote.keys.joint import JointKeys, Together


class RemoteIssuers:
    """Keys by configured issuer name, or by the issuer of a tenant that has its own. Any other: KeyError."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        *,
        observer: Observer,
        clock: Clock | None = None,
        fetch_timeout: float = FETCH_TIMEOUT,
        place: Cache | None = None,
        read: ReadSecret | None = None,
    ) -> None:
        """Asks nobody yet. `clock`: None: that of this machine.

        `fetch_timeout`: seconds of real time for each document. `place`: where replicas leave each other their keys.
        `read`: what a secret is now, where an issuer is shown one.
        """
        clock = clock or Clock()
        self._keys: dict[str, IssuerKeys] = {}
        #: by that of a tenant which has keys of its own: the configured name of its issuer
        self._names: dict[str, str] = {}
        #: by issuer: the configured names under which it has keys
        names: dict[str, list[str]] = {}
        for issuer in issuers:
            name = issuer_name(issuer)
            hears: Hears = observer
            publishing = {name: issuer}
            if are_apart(issuer):
                hears = Together(name, observer)
                publishing = {iss: replace(issuer, issuer=iss, tenants=None) for iss in filled(issuer)}
            else:
                names.setdefault(issuer.issuer, []).append(name)
            self._names |= dict.fromkeys(publishing, name)
            for which, one in publishing.items():
                self._keys[which] = IssuerKeys(
                    which, one, observer=hears, clock=clock, limit=fetch_timeout, place=place, read=read
                )
        #: by what `IssuerRules.signers` calls them
        self._signers: dict[str, IssuerKeys | JointKeys] = {**self._keys}
        for first, *others in names.values():
            if others:
                self._signers[first] = JointKeys(tuple(self._keys[name] for name in (first, *others)))
        self._has_place = place is not None
        self._refreshing: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to fetch and refresh. Waits for no response: fetches are under way, not ended, when this returns.

        What another replica left, in a store that can be had, is there by then.
        """
        if self._has_place:
            await asyncio.gather(*(keys.take_kept() for keys in self._keys.values()))
        self._refreshing = [
            asyncio.create_task(keys.keep_fresh(), name=f"refresh of {name}") for name, keys in self._keys.items()
        ]
        # One turn of the loop: a request that comes now joins the first fetch instead of asking for one of its own.
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Ends all that is under way; afterwards there is no task and no socket of ours. May be called twice."""
        for task in self._refreshing:
            task.cancel()
        await asyncio.gather(*self._refreshing, *(keys.stop() for keys in self._keys.values()), return_exceptions=True)
        self._refreshing = []

    def status(self) -> list[IssuerStatus]:
        """Every issuer, and every tenant that has keys of its own, in the order of the configuration."""
        return [keys.status() for keys in self._keys.values()]

    async def refresh(self, name: str) -> None:
        """Fetches the keys of the issuer of this name now, those of all its tenants too. KeyError: there is none.

        IssuerUnavailable: it may not be asked again yet, or it failed while this waited.
        """
        asked = [keys for which, keys in self._keys.items() if which == name or self._names.get(which) == name]
        if not asked:
            raise KeyError(name)
        await asyncio.gather(*(keys.refresh() for keys in asked))

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        """Keys known now that may have signed; empty when there are none. Touches no network."""
        return self._signers[issuer].find(alg=alg, kid=kid)

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        """Whether the issuer still publishes the key, as far as we know, and our copy is not too old."""
        return self._signers[issuer].has(thumbprint)

    async def fetch_keys(
        self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()
    ) -> tuple[Key, ...]:
        """The same after asking the issuer anew, together with all who ask meanwhile, without those of `tried`.

        UnknownKey: a fetch begun after this call has no other. IssuerUnavailable: nobody can tell now;
        `retry_after` says in whole seconds when it makes sense to ask again.
        """
        return await self._signers[issuer].fetch(alg=alg, kid=kid, tried=tried)
