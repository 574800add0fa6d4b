"""What is written to a client at once and what at the end of the turn arrives in order, and an end comes behind both."""

import asyncio

import pytest

from gateway.core.errors import ClientDisconnected
from gateway.relay.client.peer import Peer
from gateway.relay.client.wire import Wire
from gateway.relay.outbox import LARGEST, outbox_of


class Transport(asyncio.Transport):
    """Takes as much as it is told to."""

    def __init__(self, *, takes: bool = True) -> None:
        super().__init__()
        self.takes = takes
        self.told: list[object] = []
        self.held = 0

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.told.append(data)
        self.held += 0 if self.takes else len(data)

    def get_write_buffer_size(self) -> int:
        return self.held

    def is_closing(self) -> bool:
        return "close" in self.told or "abort" in self.told

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")


def wire_to(transport: Transport) -> Wire:
    outbox_of(asyncio.get_running_loop()).one_by_one = 0
    return Wire(transport, Peer("127.0.0.1", trusted=False))


async def turn_ends() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_what_is_written_soon_is_written_at_the_end_of_the_turn_in_one_piece() -> None:
    transport = Transport()
    it = wire_to(transport)
    it.write_soon(b"a")
    it.write_soon(b"b")
    assert (transport.told, it.written, it.untaken) == ([], 2, 2)
    await turn_ends()
    assert (transport.told, it.written, it.untaken) == ([b"ab"], 2, 0)


async def test_what_is_written_at_once_comes_behind_what_was_to_be_written_soon() -> None:
    transport = Transport()
    it = wire_to(transport)
    it.write_soon(b"a")
    it.write(b"b")
    assert transport.told == [b"ab"]
    it.write_soon(b"c")
    it.write_soon(b"d" * LARGEST)
    assert transport.told[1:] == [b"c" + b"d" * LARGEST]
    it.write_soon(b"e")
    it.close()
    await turn_ends()
    assert transport.told[2:] == [b"e", "close"]
    for write in (it.write, it.write_soon, it.write_own):
        with pytest.raises(ClientDisconnected):
            write(b"f")


async def test_what_was_to_be_written_comes_before_a_cut() -> None:
    transport = Transport()
    it = wire_to(transport)
    it.write_soon(b"a")
    it.abort()
    await turn_ends()
    assert transport.told == [b"a", "abort"]


@pytest.mark.parametrize("how", ["lost", "closing"])
async def test_nothing_is_written_to_whom_is_gone_before_the_turn_ends(how: str) -> None:
    transport = Transport()
    it = wire_to(transport)
    it.write_soon(b"a")
    if how == "lost":
        it.lose()
    else:
        transport.close()
    await turn_ends()
    assert b"a" not in transport.told
    assert it.untaken == 0


async def test_what_the_gateway_says_itself_is_known_for_its_own_before_it_is_written() -> None:
    transport = Transport(takes=False)
    it = wire_to(transport)
    it.write_own(b"own", soon=True)
    said = [it.owes_only_own]
    await turn_ends()
    said.append(it.owes_only_own)
    it.write_soon(b"the API's")
    said.append(it.owes_only_own)
    await turn_ends()
    assert [*said, it.owes_only_own] == [True, True, False, False]


async def test_over_tls_nothing_waits_until_the_connection_has_settled() -> None:
    """The end of a client that says all it has to say with its handshake is heard in that turn, and not by us."""
    transport = Transport()
    it = wire_to(transport)
    new = Wire(transport, Peer("127.0.0.1", trusted=False, scheme="https"))
    new.write_soon(b"a")
    new.write_own(b"b", soon=True)
    assert transport.told == [b"a", b"b"]
    new.settle()
    new.write_soon(b"c")
    assert transport.told == [b"a", b"b"]
    assert new.is_owed() is False
    assert transport.told == [b"a", b"b", b"c"]
    assert it.is_owed() is False
