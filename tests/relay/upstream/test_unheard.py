"""What is there is seen without being read, and what was said before an end can still be read."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.relay.upstream.unheard import Unheard, last_words


class Transport(asyncio.Transport):
    def __init__(self, ours: socket.socket) -> None:
        super().__init__()
        self.ours = ours

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.ours if name == "socket" else default


@pytest.fixture
def pair() -> Iterator[tuple[Transport, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Transport(ours), theirs


@pytest.mark.parametrize("what", ["bytes", "end"])
def test_what_is_there_is_seen_and_stays(pair: tuple[Transport, socket.socket], what: str) -> None:
    transport, theirs = pair
    it = Unheard()
    assert not it.is_there(transport)
    if what == "bytes":
        theirs.send(b"a")
    else:
        theirs.close()
    assert it.is_there(transport)
    assert it.is_there(transport)
    assert transport.ours.recv(10) == (b"a" if what == "bytes" else b"")


def test_last_words_end_with_the_connection_or_when_there_are_no_more(pair: tuple[Transport, socket.socket]) -> None:
    transport, theirs = pair
    assert list(last_words(transport)) == []
    theirs.send(b"abc")
    assert list(last_words(transport)) == [b"abc"]
    theirs.send(b"d")
    theirs.close()
    assert list(last_words(transport)) == [b"d"]
    transport.ours.close()
    assert list(last_words(transport)) == []
