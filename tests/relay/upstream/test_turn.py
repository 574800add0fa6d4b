"""What a connection knows of one request: what arrives goes in, and is taken."""

from collections.abc import Sequence

from gateway.core.errors import ClientDisconnected, UpstreamProtocolError
from gateway.core.http.facts import HeaderLine
from gateway.relay.upstream.turn import Turn
from tests.gate.test_gate import MemoryExchange
from tests.memory import facts
from tests.wire import OK

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Hearing(MemoryExchange):
    """A client that hears of interim responses, or is gone."""

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        if self.gone is not None:
            raise self.gone
        self.answered += b"%d %b;" % (status, reason)


def turn(*, is_last: bool = False, gone: Exception | None = None) -> tuple[Turn, Hearing]:
    client = Hearing(facts(), gone=gone)
    made = Turn(facts(), client, timeout=1, is_last=is_last)
    made.is_sent = True
    return made, client


def test_a_response_goes_in_and_is_taken() -> None:
    it, _ = turn()
    assert repr(it) == "<Turn under way, 0 bytes held>"
    assert it.receive(OK) is None
    assert it.has_begun
    assert repr(it) == f"<Turn complete, status 200, {len(OK)} bytes held>"
    assert it.is_clean
    assert it.take() == b"ok"
    assert (it.take(), it.held) == (b"", 0)


def test_interim_responses_are_passed_on_and_an_invitation_is_noted() -> None:
    it, client = turn()
    it.receive(HINT)
    before = it.is_invited
    it.receive(CONTINUE)
    assert (before, it.is_invited) == (False, True)
    assert client.answered == b"103 Early Hints;100 Continue;"
    assert it.head is None


def test_a_client_that_is_gone_when_it_is_informed_ends_it() -> None:
    it, _ = turn(gone=ClientDisconnected("gone"))
    assert isinstance(it.receive(HINT), ClientDisconnected)


def test_what_is_not_whole_or_left_something_over_is_not_clean() -> None:
    for raw in (OK[:-1], OK + b"x", OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")):
        it, _ = turn()
        it.receive(raw)
        assert not it.is_clean
    last, _ = turn(is_last=True)
    last.receive(OK)
    assert not last.is_clean
    unsent, _ = turn()
    unsent.is_sent = False
    unsent.receive(OK)
    assert not unsent.is_clean
    assert ", not all sent" in repr(unsent)


def test_an_end_is_one_or_none() -> None:
    it, _ = turn()
    it.receive(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert it.end() is None
    assert it.is_complete
    it, _ = turn()
    it.receive(OK[:-1])
    assert isinstance(it.end(), UpstreamProtocolError)
