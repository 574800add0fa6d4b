"""Waiting for what a protocol hears, and flow control."""

import asyncio

import pytest

from gateway.relay.waiting import FlowControl, Signal
from tests.wire import until


async def test_a_signal_wakes_who_waits() -> None:
    signal = Signal(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(signal.next())
    assert repr(signal) == "<Signal awaited>"
    signal.wake()
    await waiting
    assert repr(signal) == "<Signal not awaited>"


async def test_a_signal_is_not_remembered() -> None:
    signal = Signal(asyncio.get_running_loop())
    signal.wake()
    waiting = asyncio.ensure_future(signal.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    signal.wake()
    assert waiting.done()


async def test_who_gave_up_is_not_woken() -> None:
    signal = Signal(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(signal.next())
    waiting.cancel()
    assert not signal.is_awaited
    signal.wake()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_each_wait_is_one_of_its_own() -> None:
    signal = Signal(asyncio.get_running_loop())
    asyncio.ensure_future(signal.next()).cancel()
    again = asyncio.ensure_future(signal.next())
    signal.wake()
    assert again.done()
    assert not again.cancelled()


async def test_flow_control_tells_whether_to_wait_and_wakes_who_does() -> None:
    flow = FlowControl(asyncio.get_running_loop())
    assert repr(flow) == "<FlowControl flowing>"
    flow.pause()
    assert repr(flow) == "<FlowControl paused>"
    woken = []

    async def write() -> None:
        while flow.is_paused:
            await flow.drained()
        woken.append(True)

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    assert not woken
    flow.resume()
    flow.pause()
    # Paused again before it looked: it goes on waiting.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not woken
    flow.resume()
    await until(lambda: woken)
    await writing
