"""A body on its way: what is put in comes out, in order and once; and whoever waits hears how it ended."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.errors import BadRequest, ClientDisconnected
from gateway.relay.client.body import HELD, IncomingBody
from gateway.relay.client.connection import Connection


def body(length: int | None = None) -> IncomingBody:
    issuer = Issuer(issuer="https://a.test", audience="a")
    listener = SimpleNamespace(config=Config(upstream="http://a", issuers=(issuer,)))
    return IncomingBody(Connection(listener), length=length)


async def test_what_came_is_read_at_once_and_the_end_is_empty() -> None:
    incoming = body()
    incoming.put(b"ab")
    incoming.put(b"c")
    assert await incoming.read() == b"abc"
    incoming.put(b"d")
    incoming.end()
    assert (await incoming.read(), await incoming.read(), await incoming.read()) == (b"d", b"", b"")
    assert (incoming.received, incoming.is_complete) == (4, True)


async def test_a_reader_waits_for_the_next_piece() -> None:
    incoming = body()
    reading = asyncio.create_task(incoming.read())
    await asyncio.sleep(0)
    assert not reading.done()
    incoming.put(b"a")
    assert await reading == b"a"


@pytest.mark.parametrize("ends", [False, True])
async def test_a_reader_that_waits_hears_the_end_or_why_there_is_none(*, ends: bool) -> None:
    incoming = body()
    reading = asyncio.create_task(incoming.read())
    await asyncio.sleep(0)
    if ends:
        incoming.end()
        assert await reading == b""
    else:
        incoming.fail(BadRequest())
        with pytest.raises(BadRequest):
            await reading


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
    reading = asyncio.create_task(incoming.read())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    incoming.put(b"a")
    assert await incoming.read() == b"a"


async def test_it_is_full_until_somebody_takes_of_it() -> None:
    incoming = body()
    incoming.put(b"a" * HELD)
    assert not incoming.is_full
    incoming.put(b"b")
    assert incoming.is_full
    assert incoming.take() == b"a" * HELD + b"b"
    assert not incoming.is_full
    assert incoming.take() == b""


async def test_it_knows_what_is_missing_where_the_head_said_so() -> None:
    incoming, chunked = body(5), body()
    for one in (incoming, chunked):
        one.put(b"abc")
    assert (incoming.missing, chunked.missing) == (2, -1)
