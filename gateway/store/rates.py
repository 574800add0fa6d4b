"""Counts requests by the rates of their route: in the memory of this process, or in the Redis that all replicas share.

With a Redis a request is one call, and none while this process knows that it would be refused.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.config.file import Config, bad_tokens_of, has_rates
from gateway.core.config.rates import PER_ADDRESS, PER_CALLER
from gateway.core.errors import RateLimited, StoreUnavailable
from gateway.core.http.client_address import client_addresses_of
from gateway.core.http.facts import Facts
from gateway.core.rates.bad_tokens import BadTokens, compile_bad_tokens
from gateway.core.rates.buckets import Buckets
from gateway.core.rates.fields import longest_wait, rate_lines
from gateway.core.rates.gcra import SECOND, Pace, Taken, wait
from gateway.core.rates.rules import RateRule, compile_rates
from gateway.ports import Ending
from gateway.store.redis import Redis, Script, StoreDown
from gateway.store.store import Store

_USE: Final = "rates"
#: `gcra.take` by the clock of Redis, which is the same for every replica. KEYS: buckets. ARGV: of each bucket its
#: interval in microseconds and its burst. Gives whether one was taken out of each, now, and when each will be full.
SCRIPT: Final = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at, taken = {}, 1
for i = 1, #KEYS do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local known = tonumber(redis.call('GET', KEYS[i]) or 0) or 0
  full_at[i] = math.min(math.max(known, now), now + burst * interval)
  if full_at[i] - now > (burst - 1) * interval then taken = 0 end
end
if taken == 1 then
  for i = 1, #KEYS do
    full_at[i] = full_at[i] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', KEYS[i], string.format('%.0f', full_at[i]), 'PX', math.ceil((full_at[i] - now) / 1000))
  end
end
return {taken, now, unpack(full_at)}
"""
)

log = logging.getLogger("gateway")


class RateLimits:
    """The Rates of a gateway."""

    def __init__(self, config: Config, *, shared: Redis | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`shared`: where all replicas count together; None: this process counts for itself.

        `clock`: seconds that only go forward.
        """
        self._bad_tokens = compile_bad_tokens(config, clock=clock)
        self._senders = client_addresses_of(config)
        self._shared = shared
        self._refuses_when_down = config.store.on_failure.rates == "closed"
        self._clock = clock
        #: with a Redis, what this process knows of the buckets there: they are at least as empty as this
        self._buckets = Buckets()
        self._told_of_nobody = False

    def __repr__(self) -> str:
        return f"<RateLimits: {self._buckets!r}{'' if self._shared is None else ', shared'}>"

    def inherit(self, other: "RateLimits") -> None:
        """Goes on with what another one counted: whoever has used up a rate has used it up."""
        self._buckets = other._buckets  # noqa: SLF001 -- one of its own kind
        if self._bad_tokens is not None and other._bad_tokens is not None:  # noqa: SLF001 -- one of its own kind
            self._bad_tokens.inherit(other._bad_tokens)  # noqa: SLF001 -- one of its own kind

    @property
    def bad_tokens(self) -> BadTokens | None:
        """None: they are not counted."""
        return self._bad_tokens

    def check_sender(self, facts: Facts) -> None:
        """Before something that costs is done for a token that is no bearer's. RateLimited, as of `BadTokens.check`."""
        if self._bad_tokens is not None:
            self._bad_tokens.check(self._sender_of(facts))

    def count_bad(self, facts: Facts) -> None:
        """It was a bad one."""
        if self._bad_tokens is not None:
            self._bad_tokens.count(self._sender_of(facts))

    def _sender_of(self, facts: Facts) -> str | None:
        return None if self._senders is None else self._senders.of(facts)

    async def check(self, rules: tuple[RateRule, ...], facts: Facts, ending: Ending) -> None:
        """See `gateway.ports.Rates`."""
        keys: list[bytes] = []
        counted: list[RateRule] = []
        for rule in rules:
            if ending.identity is None and rule.per in PER_CALLER:
                continue  # nobody showed a token, and the route does not ask for one
            sender = self._sender_of(facts) if rule.per == PER_ADDRESS else None
            key = rule.key(ending.identity, sender=sender, route="" if ending.route is None else ending.route.name)
            if key is None:
                self._tell_of_nobody(facts)
            else:
                keys.append(key)
                counted.append(rule)
        if not counted:
            return
        taken = await self._take(keys, [rule.pace for rule in counted])
        ending.response_lines += rate_lines(counted, taken)
        ending.saw({"rules": counted, "taken": taken})
        if taken.empty:
            rule, seconds = longest_wait(counted, taken)
            raise RateLimited(f"rate {rule}", retry_after=seconds, rate=rule.name)

    def refuses_what_it_counts(self) -> str | None:
        """Why no request that is counted can pass now; None: they can."""
        if self._shared is None or not self._refuses_when_down or self._shared.is_up:
            return None
        return f"rates cannot be counted: {self._shared.reason}"

    async def _take(self, keys: Sequence[bytes], paces: Sequence[Pace]) -> Taken:
        now = int(self._clock() * SECOND)
        if self._shared is None:
            return self._buckets.take(keys, paces, now=now)
        known = self._buckets.look(keys, paces, now=now)
        if known.empty:
            return known
        down = None
        try:
            taken = await self._take_shared(self._shared, keys, paces)
        except StoreDown as error:
            down = str(error)
        if down is not None:
            if self._refuses_when_down:
                raise StoreUnavailable(f"rates cannot be counted: {down}")
            return self._buckets.take(keys, paces, now=now)
        self._buckets.learn(keys, [now + full_at - taken.now for full_at in taken.full_at])
        return taken

    async def _take_shared(self, shared: Redis, keys: Sequence[bytes], paces: Sequence[Pace]) -> Taken:
        names = [shared.name(_USE, key) for key in keys]
        numbers = [number for pace in paces for number in (pace.interval, pace.burst)]
        was_taken, now, *full_at = await shared.run(SCRIPT, use=_USE, keys=names, args=numbers)
        empty = (
            ()
            if was_taken
            else tuple(index for index, pace in enumerate(paces) if wait(full_at[index], pace, now=now) > 0)
        )
        return Taken(now, tuple(full_at), empty)

    def _tell_of_nobody(self, facts: Facts) -> None:
        if not self._told_of_nobody:
            self._told_of_nobody = True
            log.warning(
                "a rate per address does not count everybody: of %s, a trusted proxy, X-Forwarded-For names no address",
                facts.peer,
            )


def rate_limits(
    config: Config, store: Store, *, counts: bool = True, before: RateLimits | None = None
) -> RateLimits | None:
    """As configured; None: nothing is counted. `counts`: in the store, where all replicas do.

    `before`: those of the configuration before: what was counted counts.
    """
    if not has_rates(config) and bad_tokens_of(config) is None:
        return None
    limits = RateLimits(config, shared=store.shared if counts else None)
    if before is not None:
        limits.inherit(before)
    if counts_all(config):
        store.add_refusing(limits.refuses_what_it_counts)
    return limits


async def try_counting(shared: Redis) -> None:
    """Counts something that ends at once. StoreDown: this Redis does not let us."""
    await shared.run(SCRIPT, use=_USE, keys=[shared.name(_USE, b"check")], args=[1, 1])


def counts_all(config: Config) -> bool:
    """Whether no request passes without being counted."""
    return bool(config.rates) and all(
        compile_rates(config.rates, route.rates, public=route.access != "token") for route in config.routes
    )
