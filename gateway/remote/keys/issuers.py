"""The Issuers port for all configured issuers: which keys response for which name, and their common start and end.

Knows nothing of tokens; every issuer stands for itself, so that one that is down harms no other.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.reload.taken import KeySource, is_unchanged, key_source
from gateway.core.token.keys import Key
from gateway.core.token.tenants import are_apart, filled
from gateway.ports import Cache, Observer
from gateway.remote.authentication import ReadSecret
from gateway.remote.fetched import FETCH_TIMEOUT
from gateway.remote.keys.issuer_keys import Clock, Hears, IssuerKeys, IssuerStatus
from gateway.remote.keys.joint import JointKeys, Together
from gateway.sampled import Sampler


class RemoteIssuers:
    """Keys by configured issuer name, or by the issuer of a tenant that has its own. Any other: KeyError."""

    def __init__(  # noqa: PLR0913 -- as many as it is made of
        self,
        issuers: Sequence[Issuer],
        *,
        observer: Observer,
        clock: Clock | None = None,
        fetch_timeout: float = FETCH_TIMEOUT,
        place: Cache | None = None,
        read: ReadSecret | None = None,
        files: Mapping[str, str] = MappingProxyType({}),
        before: "RemoteIssuers | None" = None,
        sampler: Sampler | None = None,
    ) -> None:
        """Asks nobody yet. `clock`: None: that of this machine.

        `fetch_timeout`: seconds of real time for each document. `place`: where replicas leave each other their keys.
        `read`: what a secret is now, where an issuer is shown one. `files`: digests of what authorities are in.
        `before`: those of the configuration before, of which what is the same is taken over, and keys from the same
        place are begun with; it has the same `place`, `read` and `sampler`. `sampler`: of traces, where there are any.
        """
        clock = clock or Clock()
        self._configured = {issuer_name(issuer): issuer for issuer in issuers}
        self._files = files
        self._keys: dict[str, IssuerKeys] = {}
        #: by that of a tenant which has keys of its own: the configured name of its issuer
        self._names: dict[str, str] = {}
        self._sources: dict[str, KeySource] = {}
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
            known = None if before is None else before.find_unchanged(name, issuer, files)
            for which, one in publishing.items():
                self._sources[which] = key_source(one, files)
                if known is not None:
                    self._keys[which] = known[which]
                    continue
                keys = self._keys[which] = IssuerKeys(
                    which,
                    one,
                    observer=hears,
                    clock=clock,
                    limit=fetch_timeout,
                    place=place,
                    read=read,
                    sampler=sampler,
                )
                if before is not None and (other := before.find_from(self._sources[which])) is not None:
                    keys.inherit(other)
        #: by what `IssuerRules.signers` calls them
        self._signers: dict[str, IssuerKeys | JointKeys] = {**self._keys}
        for first, *others in names.values():
            if others:
                self._signers[first] = JointKeys(tuple(self._keys[name] for name in (first, *others)))
        self._has_place = place is not None
        #: by name, where they are kept fresh
        self._refreshing: dict[str, asyncio.Task[None]] = {}
        if before is not None:
            ours = before._refreshing  # noqa: SLF001 -- one of its own kind
            self._refreshing = {name: ours[name] for name, keys in self._keys.items() if before.has(name, keys)}

    def find_unchanged(self, name: str, issuer: Issuer, files: Mapping[str, str]) -> Mapping[str, IssuerKeys] | None:
        """The keys of an issuer, where all that is said of it is the same here; by name, tenants of their own too."""
        known = self._configured.get(name)
        return self._keys if known is not None and is_unchanged(known, issuer, self._files, files) else None

    def find_from(self, source: KeySource) -> IssuerKeys | None:
        """The keys that come from this place."""
        return next((self._keys[name] for name, known in self._sources.items() if known == source), None)

    def has(self, name: str, keys: IssuerKeys) -> bool:
        """Whether these are the keys under this name, and are kept fresh."""
        return self._keys.get(name) is keys and name in self._refreshing

    async def start(self) -> None:
        """Begins to fetch and refresh. Waits for no response: fetches are under way, not ended, when this returns.

        What another replica left, in a store that can be had, is there by then.
        """
        new = {name: keys for name, keys in self._keys.items() if name not in self._refreshing}
        if self._has_place:
            await asyncio.gather(*(keys.take_kept() for keys in new.values()))
        self._refreshing |= {
            name: asyncio.create_task(keys.keep_fresh(), name=f"refresh of {name}") for name, keys in new.items()
        }
        # One turn of the loop: a request that comes now joins the first fetch instead of asking for one of its own.
        await asyncio.sleep(0)

    async def retire(self, successor: "RemoteIssuers") -> None:
        """Refreshes no more what `successor` has not; whoever waits for keys still gets them. Ended by `stop`."""
        ended = [task for name, task in self._refreshing.items() if not successor.has(name, self._keys[name])]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def stop(self, *, but: "RemoteIssuers | None" = None) -> None:
        """Ends all that is under way; afterwards there is no task and no socket of ours. May be called twice.

        `but`: what it has goes on.
        """
        ours = {name: keys for name, keys in self._keys.items() if but is None or not but.has(name, keys)}
        ended = [task for name, task in self._refreshing.items() if name in ours]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, *(keys.stop() for keys in ours.values()), return_exceptions=True)
        self._refreshing = {}

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
