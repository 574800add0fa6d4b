"""What is written in one turn of the loop is written together, and what happens in the meantime is not lost on anybody."""

import asyncio
import gc
import os
import socket
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.relay.outbox import LARGEST, MOST, ONE_BY_ONE, Outbox, outbox_of
from tests.relay.test_faults import LOOPS, Run, a_gateway, assert_responds, response_by_target, target_of
from tests.wire import RawClient, Running, get, post, until

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
BODY = b"x" * 1000


class Noted:
    """Says when it is asked to write."""

    def __init__(self, said: list[str], name: str, then: Callable[[], object] = lambda: None) -> None:
        self.said, self.name, self.then = said, name, then

    def send(self) -> None:
        self.said.append(self.name)
        self.then()


def outbox() -> Outbox:
    return outbox_of(asyncio.get_running_loop())


@asynccontextmanager
async def together(folder: Path) -> AsyncIterator[Running]:
    """A gateway in whose turns all is written together, also where there is only one."""
    outbox().one_by_one = 0
    async with a_gateway(folder) as gateway:
        yield gateway


@LOOPS
def test_all_of_a_turn_are_asked_at_its_end_in_the_order_in_which_they_came(run: Run) -> None:
    async def main() -> None:
        said: list[str] = []
        for name in "abc":
            assert outbox().takes(Noted(said, name))
        assert said == []
        assert repr(outbox()) == "<Outbox, 3 waiting>"
        await until(lambda: said)
        assert said == ["a", "b", "c"]

    run(main())


@LOOPS
def test_who_is_alone_writes_at_once_until_another_turn_is_tried(run: Run) -> None:
    async def main() -> None:
        said: list[str] = []
        for _ in range(3):
            assert outbox().takes(Noted(said, "alone"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert said == ["alone"]
            said.clear()
            for _ in range(ONE_BY_ONE):
                assert not outbox().takes(Noted(said, "nobody"))
        for _ in range(3):
            assert outbox().takes(Noted(said, "a"))
            assert outbox().takes(Noted(said, "b"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert said == ["a", "b"] * 3

    run(main())


async def test_no_more_than_so_many_wait() -> None:
    said: list[str] = []
    for number in range(MOST):
        assert outbox().takes(Noted(said, str(number)))
    assert said == []
    assert outbox().takes(Noted(said, "one more"))
    assert said == [str(number) for number in range(MOST)]
    outbox().send()
    assert said[-1] == "one more"
    # Who has something to say while others are asked comes behind them, and is not forgotten.
    outbox().takes(Noted(said, "first", then=lambda: outbox().takes(Noted(said, "behind"))))
    outbox().takes(Noted(said, "second"))
    await until(lambda: "behind" in said)
    assert said[-3:] == ["first", "second", "behind"]


async def test_a_bug_of_one_keeps_no_other_from_writing(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise RuntimeError("a bug")

    said: list[str] = []
    outbox().takes(Noted(said, "first", then=fails))
    outbox().takes(Noted(said, "second"))
    await until(lambda: "second" in said)
    assert "what was to be written was not" in caplog.text


def test_each_loop_has_one_and_keeps_none_behind_its_end() -> None:
    async def main() -> "weakref.ref[asyncio.AbstractEventLoop]":
        assert outbox() is outbox()
        return weakref.ref(asyncio.get_running_loop())

    first, second = asyncio.run(main()), asyncio.run(main())
    gc.collect()
    assert first() is None
    assert second() is None


# Responses


@LOOPS
def test_responses_of_one_turn_reach_each_client_whole_and_in_order(tmp_path: Path, run: Run) -> None:
    """Clients that pipeline, refusals between what the API says, and a last response that is written at once."""

    async def main() -> None:
        async with together(tmp_path) as gateway:
            gateway.upstream.behaviour = response_by_target
            clients = [await gateway.client() for _ in range(2 * MOST)]
            bad = b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n"
            for client in clients:
                client.writer.write(get("/one") + bad + bad + get("/two") + get("/last", "Connection: close"))
            for client in clients:
                assert_responds(await client.response(), "/one")
                assert [(await client.response()).status for _ in range(2)] == [401, 401]
                assert_responds(await client.response(), "/two")
                assert (await client.response()).body == b"/last"
                assert await client.is_closed()

    run(main())


@LOOPS
@pytest.mark.parametrize("size", [LARGEST - 500, LARGEST + 1, 4 * LARGEST])
def test_large_responses_come_between_small_ones(tmp_path: Path, run: Run, size: int) -> None:
    async def main() -> None:
        async with together(tmp_path) as gateway:
            client = await gateway.client()
            for body in (b"a", b"b" * size, b"c"):
                gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                assert (await client.ask(get() + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body == body
                assert (await client.response()).status == 401

    run(main())


@LOOPS
def test_who_has_to_make_room_with_a_response_that_waits_gets_it_and_a_clean_end(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with together(tmp_path) as gateway:
            client = await gateway.client()
            bad = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            assert (await client.ask(bad)).status == 401
            served = await gateway.only_connection()
            served.data_received(bad)
            assert served.wire.untaken > 0
            assert served.give_way()
            assert (await client.rest()).startswith(b"HTTP/1.1 401")
            await gateway.connections(0)

    run(main())


# Requests


class EachTurn:
    """In every turn of the loop somebody else has something to write before all others, and meddles then."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        self._meddle = meddle
        self.is_over = False
        self._enter()

    def _enter(self) -> None:
        if not self.is_over:
            outbox().takes(Noted([], "first", then=self._act))

    def _act(self) -> None:
        self._enter()
        self._meddle()


class Meddling:
    """An upstream that says something, or ends the connection, between a request's being made and its being sent."""

    def __init__(self, gateway: Running, way: str) -> None:
        self._gateway = gateway
        self._way = way
        self.times = 0
        self.each_turn = EachTurn(self._look)

    def _look(self) -> None:
        if self.times or not any(one.unsent for one in self._gateway.to_upstream.pool.connections):
            return
        self.times += 1
        descriptor = self._gateway.upstream.conversations[-1].writer.get_extra_info("socket").fileno()
        if self._way == "says":
            os.write(descriptor, EVIL)
        else:
            with socket.socket(fileno=os.dup(descriptor)) as ours:
                ours.shutdown(socket.SHUT_WR)


async def asked_meanwhile(gateway: Running, client: RawClient, request: bytes, way: str) -> None:
    gateway.upstream.behaviour = response_by_target
    assert_responds(await client.ask(get("/first")), "/first")
    meddling = Meddling(gateway, way)
    assert_responds(await client.ask(request), "/second")
    meddling.each_turn.is_over = True
    assert meddling.times == 1


@LOOPS
@pytest.mark.parametrize("way", ["says", "ends"])
@pytest.mark.parametrize("request_", [get("/second"), post(BODY, target="/second")], ids=["GET", "POST"])
def test_what_an_api_does_before_a_request_is_sent_has_it_sent_elsewhere(
    tmp_path: Path, run: Run, way: str, request_: bytes
) -> None:
    """Nothing of it was: so it may be made anew, whatever it is, and what was said is nobody's response."""

    async def main() -> None:
        async with together(tmp_path) as gateway:
            await asked_meanwhile(gateway, await gateway.client(), request_, way)
            first, second = gateway.upstream.conversations
            assert [target_of(one) for one in first.requests] == [b"/first"]
            assert [target_of(one) for one in second.requests] == [b"/second"]
            assert second.requests[0].body == (BODY if request_.startswith(b"POST") else b"")
            assert gateway.errors() == []

    run(main())
