"""A response that goes on for hours is counted when it ends, and holds nothing of the gate that let it in."""

import asyncio
import gc
import sys
from typing import Any

import pytest

from gateway.core.errors import ClientDisconnected, Draining, InvalidToken, NoLongerAdmitted, UpstreamProtocolError
from tests.gate.test_gate import MemoryExchange, MemoryResponse, World
from tests.memory import facts
from tests.signer import sign


class Upstream:
    """Responds with an event stream."""

    def __init__(self) -> None:
        self.response = MemoryResponse(is_endless=True)

    async def send(self, *_: Any) -> MemoryResponse:
        return self.response


def streaming() -> tuple[World, Upstream]:
    world = World()
    upstream = Upstream()
    world.gate._upstream = upstream
    return world, upstream


async def test_the_request_is_handled_before_its_stream_is_over() -> None:
    world, upstream = streaming()
    exchange = MemoryExchange(facts(sign()))
    await world.gate.handle(exchange)
    assert world.recorder.endings == []
    assert not upstream.response.closed
    assert exchange.rest is not None
    await exchange.rest.run()
    (ending,) = world.recorder.endings
    assert (ending.status, ending.refusal, upstream.response.closed) == (200, None, True)
    assert exchange.seconds_left is not None
    assert exchange.identity is ending.identity


async def test_nothing_of_the_gate_is_held_meanwhile() -> None:
    world, _ = streaming()
    before = sys.getrefcount(world.gate)
    exchange = MemoryExchange(facts(sign()))
    await world.gate.handle(exchange)
    gc.collect()
    meanwhile = sys.getrefcount(world.gate)
    assert meanwhile == before
    assert exchange.rest is not None
    await exchange.rest.run()


@pytest.mark.parametrize("failure", [InvalidToken("expired"), Draining("stops"), NoLongerAdmitted("gone")])
async def test_one_that_was_told_to_end_is_whole(failure: Exception) -> None:
    world, _ = streaming()
    exchange = MemoryExchange(facts(sign()), gone=failure)
    await world.gate.handle(exchange)
    assert exchange.rest is not None
    await exchange.rest.run()
    assert (exchange.aborted, world.recorder.endings[0].refusal) == (0, failure)


@pytest.mark.parametrize("failure", [UpstreamProtocolError("broke off"), RuntimeError("a bug")])
async def test_one_that_breaks_off_is_cut(failure: Exception) -> None:
    world, _ = streaming()
    exchange = MemoryExchange(facts(sign()), gone=failure)
    await world.gate.handle(exchange)
    assert exchange.rest is not None
    await exchange.rest.run()
    assert exchange.aborted == 1
    assert world.recorder.endings[0].refusal is not None


@pytest.mark.parametrize("failure", [ClientDisconnected("left"), asyncio.CancelledError()])
async def test_a_client_that_left_is_499(failure: BaseException) -> None:
    world, _ = streaming()
    exchange = MemoryExchange(facts(sign()), gone=failure)  # type: ignore[arg-type]
    await world.gate.handle(exchange)
    assert exchange.rest is not None
    if isinstance(failure, asyncio.CancelledError):
        with pytest.raises(asyncio.CancelledError):
            await exchange.rest.run()
    else:
        await exchange.rest.run()
    (ending,) = world.recorder.endings
    assert (ending.status, type(ending.refusal), exchange.aborted) == (499, ClientDisconnected, 0)
