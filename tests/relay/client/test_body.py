"""A body on its way: what is put in comes out, in order and once; and whoever waits hears how it ended."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.core.errors import BadRequest, BodyTooLarge, ClientDisconnected, RequestTimeout
from gateway.relay.client.body import HELD, RequestBody


class Time:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0


def body(*, limit: int | None = None, room: Callable[[], None] = lambda: None, time: Time | None = None) -> RequestBody:
    time = time or Time()
    return RequestBody(limit=limit, room=room, now=lambda: time.now)


async def reading(incoming: RequestBody) -> "asyncio.Task[bytes]":
    task = asyncio.create_task(incoming.read())
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_what_came_is_read_at_once_and_the_end_is_empty() -> None:
    incoming = body()
    incoming.put(b"ab")
    incoming.put(b"c")
    assert await incoming.read() == b"abc"
    incoming.put(b"d")
    incoming.end()
    assert (await incoming.read(), await incoming.read(), await incoming.read()) == (b"d", b"", b"")
    assert (incoming.bytes_in, incoming.is_complete, incoming.is_touched) == (4, True, True)


async def test_a_reader_waits_for_the_next_piece() -> None:
    incoming = body()
    waits = await reading(incoming)
    incoming.put(b"a")
    assert await waits == b"a"


@pytest.mark.parametrize("ends", [False, True])
async def test_a_reader_that_waits_hears_the_end_or_why_there_is_none(*, ends: bool) -> None:
    incoming = body()
    waits = await reading(incoming)
    if ends:
        incoming.end()
        assert await waits == b""
    else:
        incoming.fail(BadRequest())
        with pytest.raises(BadRequest):
            await waits


async def test_a_failure_comes_before_what_is_left_and_the_first_one_counts() -> None:
    incoming = body()
    incoming.put(b"a")
    incoming.fail(BadRequest())
    incoming.fail(ClientDisconnected())
    with pytest.raises(BadRequest):
        await incoming.read()


async def test_a_body_that_is_complete_fails_no_more() -> None:
    incoming = body()
    incoming.put(b"a")
    incoming.end()
    incoming.fail(ClientDisconnected())
    assert (await incoming.read(), await incoming.read()) == (b"a", b"")


async def test_a_reader_that_was_cancelled_takes_nothing_with_it() -> None:
    incoming = body()
    waits = await reading(incoming)
    waits.cancel()
    await asyncio.wait({waits})
    incoming.put(b"a")
    assert await incoming.read() == b"a"


async def test_it_is_full_until_somebody_takes_of_it() -> None:
    told: list[bool] = []
    incoming = body(room=lambda: told.append(incoming.is_full))
    incoming.put(b"a" * (HELD - 200))
    before = incoming.is_full
    incoming.put(b"b" * 200)
    assert (before, incoming.is_full) == (False, True)
    assert await incoming.read() == b"a" * (HELD - 200) + b"b" * 200
    assert told == [False]


async def test_a_piece_costs_more_than_it_carries() -> None:
    incoming = body()
    for _ in range(HELD // 64):
        incoming.put(b"x")
    assert incoming.is_full


async def test_what_nobody_wants_makes_room() -> None:
    incoming = body()
    incoming.put(b"a" * 2 * HELD)
    incoming.drop()
    assert repr(incoming) == "<RequestBody on its way, 0 bytes taken, 0 here>"
    assert not incoming.is_full


async def test_a_whole_body_is_taken_where_it_is_here() -> None:
    incoming = body()
    incoming.put(b"abc")
    assert (incoming.take_whole(), incoming.is_touched, incoming.is_here) == (None, False, True)
    incoming.end()
    assert (incoming.take_whole(), incoming.is_touched) == (b"abc", True)
    assert repr(incoming) == "<RequestBody complete, 3 bytes taken, 0 here>"


async def test_an_empty_body_is_here_once_it_ended() -> None:
    incoming = body()
    assert not incoming.is_here
    incoming.end()
    assert (incoming.is_here, incoming.take_whole()) == (True, b"")


async def test_no_more_is_taken_than_there_may_be() -> None:
    for take in (RequestBody.read, None):
        incoming = body(limit=3)
        incoming.put(b"abc")
        assert await incoming.read() == b"abc"
        incoming.put(b"d")
        incoming.end()
        with pytest.raises(BodyTooLarge, match="3 bytes"):
            await take(incoming) if take is not None else incoming.take_whole()


async def test_whoever_reads_has_it_asked_for_first() -> None:
    incoming = body()
    incoming.invite = lambda: incoming.put(b"invited")
    assert await incoming.read() == b"invited"


async def test_only_who_waits_waits_too_long() -> None:
    time = Time()
    incoming = body(time=time)
    incoming.check(time.now + 1000, timeout=30, rate=0)
    assert incoming.failure is None
    waits = await reading(incoming)
    incoming.check(time.now + 30, timeout=30, rate=0)
    assert incoming.failure is None
    incoming.check(time.now + 31, timeout=30, rate=0)
    with pytest.raises(RequestTimeout):
        await waits
    assert repr(incoming) == "<RequestBody broken, 0 bytes taken, 0 here>"


@pytest.mark.parametrize("is_last", [True, False])
async def test_what_came_is_not_waited_for_though_nobody_has_taken_it_yet(*, is_last: bool) -> None:
    time = Time()
    incoming = body(time=time)
    waits = await reading(incoming)
    incoming.end() if is_last else incoming.put(b"late")
    incoming.check(time.now + 31, timeout=30, rate=0)
    assert await waits == (b"" if is_last else b"late")


async def trickle(incoming: RequestBody, time: Time, *, size: int, seconds: int, rate: int) -> int:
    """Each second somebody waits and so many bytes come. The second in which it was ended, or 0."""
    for second in range(1, seconds + 1):
        waits = await reading(incoming)
        time.now += 1
        incoming.check(time.now, timeout=30, rate=rate)
        if incoming.failure is not None:
            with pytest.raises(RequestTimeout) as raised:
                await waits
            assert "body_rate" in raised.value.evidence
            return second
        incoming.put(b"x" * size)
        assert await waits == b"x" * size
    return 0


@pytest.mark.parametrize(("size", "ended"), [(1, 30), (200, 30), (240, 0), (250, 0)])
async def test_a_body_has_a_least_rate_while_somebody_waits_for_it(size: int, ended: int) -> None:
    time = Time()
    incoming = body(time=time)
    # As fast as that before the first look, since what comes in the last second is not here yet.
    incoming.put(b"x" * size)
    assert await incoming.read() == b"x" * size
    assert await trickle(incoming, time, size=size, seconds=100, rate=240) == ended


async def test_a_good_beginning_buys_no_slow_end() -> None:
    time = Time()
    incoming = body(time=time)
    incoming.put(b"x" * 1_000_000)
    await incoming.read()
    assert await trickle(incoming, time, size=1, seconds=100, rate=240) == 60


async def test_time_in_which_nobody_waits_does_not_count() -> None:
    time = Time()
    incoming = body(time=time)
    for _ in range(10):
        time.now += 1000
        incoming.check(time.now, timeout=30, rate=240)
        incoming.put(b"x")
        await incoming.read()
    assert incoming.failure is None


async def test_any_rate_will_do_where_there_is_none() -> None:
    time = Time()
    assert await trickle(body(time=time), time, size=1, seconds=200, rate=0) == 0
