"""What was revoked, for whoever asks in this process: the whole list in memory, and whoever keeps it beyond that.

Asking waits for nothing. Who keeps it is told first, so that nothing is confirmed that would be lost.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from gateway.core.errors import StoreUnavailable, Suspect, TokenRevoked
from gateway.core.revocation.entry import KINDS, Entry, following, lifting, merged
from gateway.core.revocation.revoked import Revoked
from gateway.core.token.identity import Identity
from gateway.events import RevocationAdded, RevocationsKnown
from gateway.ports import Observer

#: seconds after which a copy of the list is too old to be relied on
MAX_AGE: Final = 30.0
#: lines of the log about what is revoked at once
_SAID: Final = 20

log = logging.getLogger("gateway")


class CannotRevoke(Exception):
    """It was not revoked, or not lifted; a sentence without values says why."""


class Keeper(Protocol):
    """Keeps the list beyond this process."""

    @property
    def age(self) -> float:
        """Seconds since this process was sure to have the whole list; 0: it always is."""

    async def start(self, revocations: "Revocations") -> None:
        """From now on what others revoke reaches `revocations`, by `take`. Waits for nobody."""

    async def close(self) -> None:
        """Ends that. May be called twice."""

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        """Keeps them, whatever happens to this process then; what counts now for each. CannotRevoke."""


class Revocations:
    """The list, and what can be done with it."""

    def __init__(
        self,
        *,
        observer: Observer,
        keeper: Keeper | None = None,
        closed: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keeper` None: what is revoked is forgotten when the process ends.

        `closed`: nobody is admitted while the copy of the list is too old. `clock`: seconds since the epoch.
        """
        self._list = Revoked()
        self._observer = observer
        self._keeper = keeper
        self._closed = closed
        self._clock = clock
        self._subscribers: list[Callable[[], None]] = []
        #: also before anything is known: requests may come while it is read for the first time
        self._is_stale = keeper is not None
        #: it was said that it is
        self._has_complained = False
        #: whether a request has to be checked
        self.is_needed = self._is_stale and closed

    def __repr__(self) -> str:
        return f"Revocations({self._list!r}{', too old' if self._is_stale else ''})"

    @property
    def is_empty(self) -> bool:
        """Nothing is revoked, as far as is known here."""
        return not len(self._list)

    @property
    def is_stale(self) -> bool:
        """The copy of the list is too old to be relied on, as of the last look."""
        return self._is_stale

    def refuses_everything(self) -> str | None:
        """Why no token can be admitted now, for `/readyz`; None: some can."""
        return _TOO_OLD if self._is_stale and self._closed else None

    def entries(self, *, lifted: bool = False) -> tuple[Entry, ...]:
        """Those that count; with `lifted` those that were lifted as well, and are remembered."""
        return self._list.entries(lifted=lifted)

    @property
    def count(self) -> int:
        """How many there are, those included that were lifted."""
        return self._list.count

    def indexes(self) -> list[bytes]:
        """The index values of all, lifted or not."""
        return self._list.indexes()

    def lasting(self, indexes: Iterable[bytes]) -> list[Entry]:
        """The entries with these index values that are there and have not ended."""
        now = self._clock()
        return [entry for index in indexes if (entry := self._list.get(index)) is not None and entry.until > now]

    def get(self, index: bytes) -> Entry | None:
        """The entry with this index value, lifted or not."""
        return self._list.get(index)

    def find(self, identity: Identity) -> Entry | None:
        """An entry that is about this identity, or None."""
        return self._list.find(identity.handles)

    def check(self, identity: Identity) -> None:
        """TokenRevoked. StoreUnavailable: the list is too old, and `closed`."""
        entry = self._list.find(identity.handles)
        refusal: TokenRevoked | StoreUnavailable
        if entry is not None:
            ago = max(0.0, self._clock() - entry.at)
            refusal = TokenRevoked(f"its {_WORDS[entry.kind]} was revoked {ago:.0f} s ago{_why(entry)}")
        elif self._is_stale and self._closed:
            refusal = StoreUnavailable(_TOO_OLD)
        else:
            return
        refusal.suspect = Suspect(identity.token_id, None, identity.issuer)
        raise refusal

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Has `changed` called after every change of the list: something was revoked or lifted, here or elsewhere."""
        self._subscribers.append(changed)

    async def start(self) -> None:
        """Begins to hear what others revoke; waits for nobody."""
        if self._keeper is not None:
            await self._keeper.start(self)
        self.look()

    async def close(self) -> None:
        """Ends that. May be called twice."""
        if self._keeper is not None:
            await self._keeper.close()

    async def add(self, *entries: Entry, source: str) -> bool:
        """Revokes, or lifts, all of them; they are kept when this returns. False: nothing has changed by it.

        CannotRevoke. `source`: who asked: `command` or `logout`.
        """
        self.check_room(entries)
        before = [self._list.get(entry.index) for entry in entries]
        entries = tuple(following(old, entry) for old, entry in zip(before, entries, strict=True))
        self.take(entries if self._keeper is None else await self._keeper.write(entries, source=source), source=source)
        return any(self._list.get(entry.index) is not old for entry, old in zip(entries, before, strict=True))

    def covers(self, entries: Iterable[Entry]) -> bool:
        """Whether all that these are about is revoked and kept already, so that they would change nothing."""
        return all(
            (held := self._list.get(entry.index)) is not None and merged(held, entry) is held for entry in entries
        )

    def check_room(self, entries: Iterable[Entry]) -> None:
        """CannotRevoke: the list is full."""
        new = sum(self._list.get(entry.index) is None for entry in entries)
        if new > self._list.room:
            raise CannotRevoke(self._list.full_sentence)

    async def lift(self, entry: Entry, *, who: str = "") -> bool:
        """Takes back what was revoked; False: it was not. CannotRevoke."""
        found = self._list.get(entry.index)
        if found is None or found.lifted:
            return False
        return await self.add(lifting(found, at=self._clock(), who=who), source="command")

    def take(self, entries: Iterable[Entry], *, source: str, tell: bool = True) -> bool:
        """What counts from now on, whoever said so; it is not written again. Whether anything has changed.

        `source` empty: it is neither counted nor logged here. `tell` False: `has_changed` is called later.
        ListFull: some were not taken.
        """
        taken: list[Entry] = []
        try:
            for entry in entries:
                now = self._list.add(entry)
                if now is not None:
                    taken.append(now)
        finally:
            self._settle()
            if source:
                self._say(taken, source)
            if taken and tell:
                self.has_changed()
        return bool(taken)

    def _say(self, entries: Sequence[Entry], source: str) -> None:
        """Counts them, and says who revoked what kind of thing; of many at once only of some."""
        for number, entry in enumerate(entries):
            if not entry.lifted:
                self._observer.happened(RevocationAdded(entry.kind, source))
            if number < _SAID:
                done = "lifted" if entry.lifted else "revoked"
                log.info("%s: a %s%s; by %s%s", done, entry.kind, _of(entry.issuer), entry.who or source, _why(entry))
        if len(entries) > _SAID:
            log.info("revoked or lifted: %d more", len(entries) - _SAID)

    def replace(self, entries: Iterable[Entry]) -> None:
        """The list is this from now on. ListFull: it stays what it was."""
        self._list.replace(entries)
        self._is_stale = False
        self.has_changed()

    def look(self, _: float = 0.0) -> None:
        """To be called once a second: forgets what has ended, and judges the age of the list."""
        self.forget_ended()
        self._is_stale = self._keeper is not None and self._keeper.age > MAX_AGE
        if self._is_stale != self._has_complained:
            self._has_complained = self._is_stale
            self._complain()
        self._settle()

    def forget_ended(self) -> None:
        """Forgets what has ended, or some of it where that is much."""
        if self._list.expire(self._clock()):
            self._tell()
            self._settle()

    def has_changed(self) -> None:
        """Tells everybody who wants to hear of it."""
        self._settle()
        self._tell()
        for changed in self._subscribers:
            changed()

    def _settle(self) -> None:
        self.is_needed = bool(self._list) or (self._is_stale and self._closed)

    def _complain(self) -> None:
        if self._is_stale:
            log.error("%s: %s", _TOO_OLD, _CONSEQUENCE[self._closed])
        else:
            log.info("the list of what is revoked is up to date again")

    def _tell(self) -> None:
        self._observer.happened(RevocationsKnown(tuple(self._list.counts.items())))


def _why(entry: Entry) -> str:
    return f": {entry.reason}" if entry.reason else ""


def _of(issuer: str) -> str:
    return f" of {issuer}" if issuer else ""


_TOO_OLD: Final = f"the list of what is revoked is older than {MAX_AGE:.0f} s, or was not read yet"
_WORDS: Final = {kind: "subject, as a token without session," if kind == "sessionless" else kind for kind in KINDS}
_CONSEQUENCE: Final = {True: "no token is admitted", False: "tokens that were revoked since may be admitted"}
