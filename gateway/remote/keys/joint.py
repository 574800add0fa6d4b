"""The keys of one issuer that come from several places: each place stands for itself, and all of their keys count."""

import asyncio
from typing import Final

from gateway.core.errors import IssuerUnavailable, Refusal, UnknownKey
from gateway.core.token.keys import Key
from gateway.events import Event, KeysFetched, KeysKnown, KeysSuppressed
from gateway.ports import Observer
from gateway.remote.keys.issuer_keys import IssuerKeys


class JointKeys:
    """One issuer with keys at several addresses, such as the policies of an Azure AD B2C tenant."""

    def __init__(self, places: tuple[IssuerKeys, ...]) -> None:
        self._places: Final = places

    def find(self, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        """As IssuerKeys, of all places, each key once; those of this name come first."""
        found = {
            (key.thumbprint, key.issuer, key.kid): key for place in self._places for key in place.find(alg=alg, kid=kid)
        }
        return tuple(sorted(found.values(), key=lambda key: key.kid != kid))

    def has(self, thumbprint: str) -> bool:
        """Whether the key is published anywhere."""
        return any(place.has(thumbprint) for place in self._places)

    async def fetch(self, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()) -> tuple[Key, ...]:
        """As IssuerKeys, of whichever place has one first.

        UnknownKey: no place has one. IssuerUnavailable: of some nobody can tell now.
        """
        asking = {asyncio.create_task(_fetch(place, alg, kid, tried)) for place in self._places}
        refusals: list[Refusal] = []
        try:
            while asking:
                done, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                outcomes = [task.result() for task in done]
                refusals += [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
                if keys := tuple(key for outcome in outcomes if not isinstance(outcome, Refusal) for key in outcome):
                    return keys
        finally:
            for task in asking:
                task.cancel()
        raise next((refusal for refusal in refusals if isinstance(refusal, IssuerUnavailable)), refusals[0])


async def _fetch(place: IssuerKeys, alg: str, kid: str | None, tried: tuple[Key, ...]) -> tuple[Key, ...] | Refusal:
    try:
        return await place.fetch(alg=alg, kid=kid, tried=tried)
    except (UnknownKey, IssuerUnavailable) as refusal:
        return refusal


class Together:
    """Tells of the keys of an issuer's tenants, each with a place of its own, as of one: metrics know no tenant."""

    def __init__(self, name: str, observer: Observer) -> None:
        """`name`: the configured one."""
        self._name: Final = name
        self._observer: Final = observer
        self._known: dict[str, KeysKnown] = {}

    def happened(self, event: Event) -> None:
        """Of one tenant, named by its issuer."""
        if isinstance(event, KeysKnown):
            self._known[event.issuer] = event
            limits = [known.age_limit for known in self._known.values() if known.age_limit is not None]
            count = sum(known.count for known in self._known.values())
            stale = any(known.stale for known in self._known.values())
            self._observer.happened(KeysKnown(self._name, count, stale=stale, age_limit=min(limits, default=None)))
        elif isinstance(event, KeysFetched):
            self._observer.happened(KeysFetched(self._name, event.ok, event.at))
        elif isinstance(event, KeysSuppressed):
            self._observer.happened(KeysSuppressed(self._name))
