"""Who may ask now and who waits: one call for one thing, a bound on all, and turns between client addresses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar

import pytest
import pytest_asyncio

from gateway.remote.flights import Crowded, Flights


class Provider:
    """Calls that end when a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._held: dict[str, asyncio.Future[str]] = {}

    def call(self, key: str) -> Callable[[], Awaitable[str]]:
        async def call() -> str:
            self.asked.append(key)
            self._held[key] = asyncio.get_running_loop().create_future()
            return await self._held[key]

        return call

    async def respond(self, key: str, failure: Exception | None = None) -> None:
        if failure is None:
            self._held.pop(key).set_result(f"of {key}")
        else:
            self._held.pop(key).set_exception(failure)
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest_asyncio.fixture
async def flights() -> AsyncIterator[Flights[str]]:
    made: Flights[str] = Flights(flights=8, of_one=2, waiters=20)
    yield made
    await made.stop()


def join(flights: Flights[str], provider: Provider, key: str, sender: str | None = "a") -> asyncio.Task[str]:
    return asyncio.create_task(flights.join(key, provider.call(key), sender=sender))


async def crowd(
    flights: Flights[str], provider: Provider, sender: str | None, count: int, name: str = ""
) -> list[asyncio.Task[str]]:
    tasks = [join(flights, provider, f"{name or sender}{number}", sender) for number in range(count)]
    await settle()
    return tasks


async def test_a_thousand_requests_for_one_thing_make_one_call(provider: Provider) -> None:
    flights: Flights[str] = Flights()
    tasks = [join(flights, provider, "token", f"client {number % 7}") for number in range(1000)]
    await settle()
    assert provider.asked == ["token"]
    assert repr(flights) == "Flights(1 under way, 0 queued, 1000 waiting)"
    await provider.respond("token")
    assert set(await asyncio.gather(*tasks)) == {"of token"}
    assert repr(flights) == "Flights(0 under way, 0 queued, 0 waiting)"


async def test_what_it_raises_is_raised_to_everybody(flights: Flights[str], provider: Provider) -> None:
    tasks = [join(flights, provider, "token") for _ in range(3)]
    await settle()
    await provider.respond("token", ValueError("broken"))
    assert [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == ["broken"] * 3
    later = join(flights, provider, "token")
    await settle()
    await provider.respond("token")
    assert await later == "of token"


async def test_requests_that_go_away_leave_the_call_to_the_others(flights: Flights[str], provider: Provider) -> None:
    first, second = join(flights, provider, "token"), join(flights, provider, "token")
    await settle()
    first.cancel()
    await settle()
    await provider.respond("token")
    assert await second == "of token"


async def test_a_call_that_nobody_waits_for_any_more_is_not_begun(flights: Flights[str], provider: Provider) -> None:
    tasks = await crowd(flights, provider, None, 9)
    assert len(provider.asked) == 8
    tasks[8].cancel()
    await settle()
    await provider.respond("None0")
    assert len(provider.asked) == 8
    assert repr(flights) == "Flights(7 under way, 0 queued, 7 waiting)"


async def test_while_it_is_alone_an_address_has_all_places_but_one(flights: Flights[str], provider: Provider) -> None:
    await crowd(flights, provider, "a", 12)
    assert len(provider.asked) == 7
    good = join(flights, provider, "good", "b")
    await settle()
    assert provider.asked[7:] == ["good"]
    await provider.respond("good")
    assert await good == "of good"


async def test_beside_others_an_address_has_a_few_and_the_others_come_first(
    flights: Flights[str], provider: Provider
) -> None:
    await crowd(flights, provider, "a", 12)
    await crowd(flights, provider, "b", 1)
    await crowd(flights, provider, "c", 3)
    assert provider.asked[7:] == ["b0"]
    for number in range(3):
        await provider.respond(f"a{number}")
    # c has two, then b and c are no strangers to anybody: a waits until it has fewer than two.
    assert provider.asked[8:] == ["c0", "c1"]
    for number in range(3, 7):
        await provider.respond(f"a{number}")
    assert provider.asked[10:] == ["a7", "a8"]


async def test_addresses_take_turns(flights: Flights[str], provider: Provider) -> None:
    senders = "abcdefgh"
    for sender in senders[:4]:
        await crowd(flights, provider, sender, 2)
    for sender in senders[4:]:
        await crowd(flights, provider, sender, 2)
    assert len(provider.asked) == 8
    for sender in senders[:4]:
        await provider.respond(f"{sender}0")
    assert provider.asked[8:] == ["e0", "f0", "g0", "h0"]


async def test_those_of_whom_nobody_says_who_they_are_share_all_places(
    flights: Flights[str], provider: Provider
) -> None:
    await crowd(flights, provider, None, 12)
    assert len(provider.asked) == 8


async def test_beyond_the_bound_of_waiters_nobody_waits(flights: Flights[str], provider: Provider) -> None:
    await crowd(flights, provider, "a", 20)
    with pytest.raises(Crowded, match="20 requests wait"):
        await flights.join("more", provider.call("more"), sender="a")
    with pytest.raises(Crowded):
        await flights.join("a0", provider.call("a0"), sender="a")


async def test_whoever_has_most_that_wait_gives_way_to_others(flights: Flights[str], provider: Provider) -> None:
    tasks = await crowd(flights, provider, "a", 20)
    others = await crowd(flights, provider, "b", 3)
    assert flights.waiting == 20
    for task in tasks[17:]:
        with pytest.raises(Crowded, match="other client addresses"):
            await task
    # Those that came last; what is under way goes on.
    assert not any(task.done() for task in [*tasks[:17], *others])
    more = await crowd(flights, provider, "b", 12, name="more")
    # Ten each: the next of either is refused.
    assert flights.waiting == 20
    assert [len([task for task in each if task.done()]) for each in (tasks, others, more)] == [10, 0, 5]
    await flights.stop()
    await asyncio.gather(*tasks, *others, *more, return_exceptions=True)


async def test_a_call_is_made_in_the_context_of_the_request_that_wanted_it(
    flights: Flights[str], provider: Provider
) -> None:
    # Not in that of the call after which it began: the time for the store is counted there, request by request.
    whose: ContextVar[str] = ContextVar("whose")
    seen: dict[str, str] = {}

    async def request(key: str) -> None:
        whose.set(key)

        async def call() -> str:
            seen[key] = whose.get()
            return await provider.call(key)()

        await flights.join(key, call, sender="a")

    tasks = [asyncio.create_task(request(key)) for key in map(str, range(20))]
    await settle()
    for key in map(str, range(20)):
        await provider.respond(key)
    await asyncio.gather(*tasks)
    assert seen == {key: key for key in map(str, range(20))}


async def test_stopping_ends_all_of_it(flights: Flights[str], provider: Provider) -> None:
    tasks = await crowd(flights, provider, "a", 12)
    await flights.stop()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, Crowded) for result in results)
    assert repr(flights) == "Flights(0 under way, 0 queued, 0 waiting)"
    with pytest.raises(Crowded, match="stopping"):
        await flights.join("token", provider.call("token"))
