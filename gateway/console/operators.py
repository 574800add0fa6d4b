"""Who may use the console: whoever has its key, the configured secret, or a token with the configured scopes.

Where a peer comes from grants nothing. Everything is compared in constant time.
"""

import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Final

#: bytes of the key
KEY_BYTES: Final = 32
#: wrong ones from one address in so many seconds; then no token is looked into, and the response is 429
MAX_WRONG: Final = 10
PERIOD: Final = 60.0
#: addresses that are remembered
MAX_ADDRESSES: Final = 1024
#: characters of a credential that are looked at
MAX_CREDENTIAL: Final = 16 * 1024

#: who a token speaks for, in words for the log; None: it is not good enough
Verify = Callable[[str], Awaitable[str | None]]


class NotAllowed(Exception):
    """This is no operator."""


class TooManyWrong(Exception):
    """Too many wrong credentials came from there; seconds until the next is looked at."""

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


class Operators:
    """Judges credentials."""

    def __init__(
        self,
        *,
        secret: Callable[[], str] | None = None,
        verify: Verify | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes the key. `secret`: what it is now; None: there is none. `verify`: None: tokens count for nothing."""
        self.key: Final = secrets.token_urlsafe(KEY_BYTES)
        self._secret = secret
        self._verify = verify
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Operators, wrong ones from {len(self._wrong)} addresses>"

    async def identify(self, authorization: list[str], address: str) -> str:
        """Who it is, in words for the log. NotAllowed, TooManyWrong.

        `authorization`: the values of all those fields. The key and the secret are good whatever others sent from the
        same address: in a pod, that is the API's as well.
        """
        credential = _credential(authorization)
        if not credential:
            raise NotAllowed
        if (who := self.recognise(authorization)) is not None:
            return who
        where = _place(address)
        self._check(where)
        who = None
        if self._verify is not None:
            # Counted before it is known: many at a time would all be looked into.
            self._count(where)
            who = await self._verify(credential)
            if who is not None:
                self._uncount(where)
                return who
        else:
            self._count(where)
        raise NotAllowed

    def recognise(self, authorization: list[str]) -> str | None:
        """The same of whoever has the key or the secret, at once; None: this is neither."""
        given = _credential(authorization).encode("utf-8", "surrogateescape")
        if hmac.compare_digest(given, self.key.encode()):
            return "whoever has the console's key"
        if self._secret is not None and hmac.compare_digest(given, self._secret().encode()):
            return "whoever has the operators' secret"
        return None

    def _check(self, where: str) -> None:
        wrong = self._wrong.get(where)
        if wrong is None:
            return
        now = self._clock()
        while wrong and now - wrong[0] >= PERIOD:
            wrong.popleft()
        if len(wrong) >= MAX_WRONG:
            raise TooManyWrong(PERIOD - (now - wrong[0]))

    def _count(self, where: str) -> None:
        self._wrong.setdefault(where, deque()).append(self._clock())
        self._wrong.move_to_end(where)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)

    def _uncount(self, where: str) -> None:
        wrong = self._wrong.get(where)
        if wrong:
            wrong.pop()


def _credential(authorization: list[str]) -> str:
    """That of the one field; empty: there is none that is looked at."""
    if len(authorization) != 1:
        return ""
    scheme, _, credential = authorization[0].partition(" ")
    credential = credential.strip(" ")
    return credential if scheme.lower() == "bearer" and len(credential) <= MAX_CREDENTIAL else ""


def _place(address: str) -> str:
    """What counts as one address: whoever has an IPv6 address has a /64."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)
