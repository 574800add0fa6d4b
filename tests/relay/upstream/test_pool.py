"""Which connection a request gets: counts that never drift, and nobody who waits though there is room."""

import asyncio
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.errors import UpstreamProtocolError
from gateway.relay.upstream.connection import UpstreamConnection
from gateway.relay.upstream.pool import KNOWN, STRANGER, TUNNEL, Grant, Pool
from tests.gate.test_gate import MemoryExchange
from tests.memory import facts
from tests.wire import Places


class Transport(asyncio.Transport):
    """A connection's transport on one end of a pair of sockets: its other end says something, or not."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.ours if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def close_both(self) -> None:
        self.ours.close()
        self.theirs.close()


class Side:
    """A pool, and requests that take from it."""

    def __init__(self, most: int = 2) -> None:
        self.loop = asyncio.new_event_loop()
        self.pool = Pool(most)
        self.transports: dict[UpstreamConnection, Transport] = {}

    def connect(self) -> UpstreamConnection:
        connection = UpstreamConnection(self.loop, self.pool.lost)
        self.transports[connection] = transport = Transport()
        connection.connection_made(transport)
        return connection

    def opened(self, kind: int = KNOWN) -> UpstreamConnection:
        assert self.pool.reserve(kind)
        connection = self.connect()
        self.pool.opened(kind, connection)
        return connection

    def respond(self, connection: UpstreamConnection, *, closes: bool = False) -> None:
        """A whole request and its response."""
        connection.ask(facts(), b"", MemoryExchange(facts()), timeout=1)
        more = b"Connection: close\r\n" if closes else b""
        connection.data_received(b"HTTP/1.1 200 OK\r\n" + more + b"Content-Length: 0\r\n\r\n")

    def wait(self, kind: int = KNOWN) -> tuple[int, "asyncio.Future[Grant]"]:
        waiter: asyncio.Future[Grant] = self.loop.create_future()
        return self.pool.wait(kind, waiter), waiter

    @property
    def shares(self) -> tuple[int, int]:
        """Places for strangers, and for tunnels."""
        said = re.search(r"; (\d+) for strangers, (\d+) for tunnels>", repr(self.pool))
        assert said is not None
        return int(said[1]), int(said[2])

    def close(self) -> None:
        for transport in self.transports.values():
            transport.close_both()
        self.loop.close()


@pytest.fixture
def side() -> Iterator[Side]:
    it = Side()
    yield it
    it.close()


def test_there_is_nothing_at_first(side: Side) -> None:
    assert side.pool.take(KNOWN) is None
    assert repr(side.pool) == "<Pool of 2: 0 idle, 0 busy, 0 opening, 0 waiting; 0 for strangers, 0 for tunnels>"


def test_a_connection_that_comes_back_is_taken_again(side: Side) -> None:
    connection = side.opened()
    side.respond(connection)
    side.pool.give_back(connection)
    assert repr(connection) == "<UpstreamConnection idle, reused>"
    assert side.pool.counts() == (1, 0)
    assert side.pool.take(KNOWN) is connection
    assert repr(connection) == "<UpstreamConnection busy, reused>"
    assert side.pool.counts() == (0, 1)


def test_one_that_says_something_unasked_is_not(side: Side) -> None:
    connection = side.opened()
    side.respond(connection)
    side.pool.give_back(connection)
    side.transports[connection].theirs.send(b"x")
    assert side.pool.take(KNOWN) is None
    assert side.transports[connection].aborted
    assert Places.of(side.pool).taken == 0


def test_one_whose_response_ends_it_is_closed_and_counts_until_it_is(side: Side) -> None:
    connection = side.opened()
    side.respond(connection, closes=True)
    side.pool.give_back(connection)
    assert side.transports[connection].aborted
    assert Places.of(side.pool) == (0, 1, 0, 0)
    connection.connection_lost(None)
    assert Places.of(side.pool) == (0, 0, 0, 0)
    assert repr(connection).startswith("<UpstreamConnection lost, <Turn complete, status 200, ")


def test_there_are_no_more_than_there_may_be(side: Side) -> None:
    side.opened()
    assert side.pool.reserve(KNOWN)
    assert not side.pool.reserve(KNOWN)
    side.pool.failed(KNOWN)
    assert side.pool.reserve(KNOWN)


def test_who_may_have_none_that_is_idle_takes_the_room_of_the_one_unused_longest(side: Side) -> None:
    first, second = side.opened(), side.opened()
    for connection in (first, second):
        side.respond(connection)
        side.pool.give_back(connection)
    assert side.pool.reserve(KNOWN)
    assert side.transports[first].aborted
    assert Places.of(side.pool) == (1, 0, 1, 0)


def test_what_comes_back_goes_to_the_one_who_waits_longest(side: Side) -> None:
    first, second = side.opened(), side.opened()
    waiting = [side.wait()[1] for _ in range(3)]
    side.respond(first)
    side.pool.give_back(first)
    assert [waiter.done() for waiter in waiting] == [True, False, False]
    assert waiting[0].result() is first
    second.connection_lost(None)
    assert waiting[1].result() is None
    assert Places.of(side.pool) == (0, 1, 1, 1)


def test_who_gave_up_leaves_nothing(side: Side) -> None:
    side.opened()
    side.opened()
    for _ in range(1000):
        number, _ = side.wait()
        side.pool.leave(KNOWN, number)
        side.pool.leave(KNOWN, number)
    assert Places.of(side.pool).waiting == 0


def test_who_was_cancelled_and_has_not_left_yet_is_passed_over(side: Side) -> None:
    connection = side.opened()
    side.opened()
    side.wait()[1].cancel()
    waiter = side.wait()[1]
    connection.connection_lost(None)
    assert waiter.done()


def test_what_was_given_to_somebody_who_left_goes_on(side: Side) -> None:
    first, second = side.opened(), side.opened()
    waiting = [side.wait()[1] for _ in range(4)]
    side.respond(first)
    side.pool.give_back(first)
    second.connection_lost(None)
    side.pool.decline(KNOWN, waiting[0].result())
    side.pool.decline(KNOWN, waiting[1].result())
    assert waiting[2].result() is first
    assert waiting[3].result() is None
    side.pool.decline(KNOWN, first)
    assert Places.of(side.pool) == (1, 0, 1, 0)


def test_a_connection_that_ended_on_its_way_to_a_waiter_is_nobodys(side: Side) -> None:
    side.opened()
    connection = side.opened()
    waiter = side.wait()[1]
    side.respond(connection)
    side.pool.give_back(connection)
    assert waiter.result() is connection
    connection.connection_lost(None)
    assert not side.pool.replace(connection)
    side.pool.decline(KNOWN, connection)
    assert Places.of(side.pool) == (0, 1, 0, 0)


def test_a_connection_is_replaced_in_its_place(side: Side) -> None:
    connection = side.opened()
    assert side.pool.replace(connection)
    assert side.transports[connection].aborted
    assert Places.of(side.pool) == (0, 0, 1, 0)
    connection.connection_lost(None)
    assert Places.of(side.pool) == (0, 0, 1, 0)


@pytest.mark.parametrize("ended", ["none", "the old", "the new"])
def test_an_old_connection_is_exchanged_in_its_place(side: Side, ended: str) -> None:
    old, new = side.opened(STRANGER), side.connect()
    if ended != "none":
        (old if ended == "the old" else new).connection_lost(None)
    assert side.pool.exchange(old, new) == (ended == "none")
    assert side.transports[old].aborted == (ended == "none")
    assert Places.of(side.pool).busy == (ended != "the old")
    old.connection_lost(None)
    assert side.pool.connections == ((new,) if ended == "none" else ())
    assert side.shares == (len(side.pool.connections), 0)


def test_one_that_ended_while_it_was_opened_leaves_its_room(side: Side) -> None:
    assert side.pool.reserve(KNOWN)
    connection = side.connect()
    connection.connection_lost(None)
    side.pool.opened(KNOWN, connection)
    assert Places.of(side.pool) == (0, 0, 0, 0)


def test_those_unused_for_long_are_closed(side: Side) -> None:
    first, second = side.opened(), side.opened()
    for connection, since in ((first, 1.0), (second, 2.0)):
        side.respond(connection)
        side.pool.give_back(connection)
        connection.idle_since = since
    side.pool.close_idle(1.5)
    assert (side.transports[first].aborted, side.transports[second].aborted) == (True, False)
    assert side.pool.counts() == (1, 0)


# Shares


@pytest.mark.parametrize(("most", "share"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (10, 7), (256, 192)])
def test_the_share_is_three_quarters_and_at_least_one(most: int, share: int) -> None:
    assert Pool(most).share == share


@pytest.mark.parametrize("kind", [STRANGER, TUNNEL, STRANGER | TUNNEL])
def test_a_kind_gets_no_more_than_its_share_though_others_are_idle(side: Side, kind: int) -> None:
    side.opened(kind)
    connection = side.opened()
    side.respond(connection)
    side.pool.give_back(connection)
    assert side.pool.take(kind) is None
    assert not side.pool.reserve(kind)
    assert side.pool.is_full_for(kind)
    assert not side.pool.is_full_for(KNOWN)
    assert side.pool.take(KNOWN) is connection


def test_shares_are_each_for_themselves() -> None:
    side = Side(4)
    side.opened(STRANGER)
    side.opened(STRANGER | TUNNEL)
    assert side.shares == (2, 1)
    side.opened(STRANGER)
    assert side.pool.is_full_for(STRANGER)
    assert side.pool.is_full_for(STRANGER | TUNNEL)
    assert not side.pool.is_full_for(TUNNEL)
    side.close()


def test_who_may_not_does_not_stand_before_others_and_is_served_by_its_share(side: Side) -> None:
    strange, known = side.opened(STRANGER), side.opened()
    first, second = side.wait(STRANGER)[1], side.wait()[1]
    side.respond(known)
    side.pool.give_back(known)
    assert not first.done()
    assert second.result() is known
    side.respond(known)
    side.pool.give_back(known)
    assert side.pool.counts() == (1, 1)
    side.respond(strange)
    side.pool.give_back(strange)
    assert first.result() is strange
    assert side.shares == (1, 0)


def test_a_share_is_given_back_however_a_place_ends(side: Side) -> None:
    both = STRANGER | TUNNEL
    assert side.pool.reserve(both)
    assert side.shares == (1, 1)
    side.pool.failed(both)
    connection = side.opened(both)
    connection.connection_lost(None)
    assert side.pool.reserve(both)
    connection = side.connect()
    connection.connection_lost(None)
    side.pool.opened(both, connection)
    connection = side.opened(both)
    assert side.pool.replace(connection)
    assert side.shares == (1, 1)
    side.pool.failed(both)
    assert side.shares == (0, 0)
    assert Places.of(side.pool) == (0, 0, 0, 0)


KINDS = st.sampled_from([KNOWN, STRANGER, TUNNEL, STRANGER | TUNNEL])


class Anything(RuleBasedStateMachine):
    """Whatever requests, connections and waiters do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.side = Side(most=4)
        self.pool = self.side.pool
        #: what requests have
        self.having: list[UpstreamConnection] = []
        #: kinds of those who open one
        self.opening: list[int] = []
        self.waiting: dict[int, tuple[int, asyncio.Future[Grant]]] = {}

    def teardown(self) -> None:
        self.side.close()

    @rule(kind=KINDS)
    def ask(self, kind: int) -> None:
        connection = self.pool.take(kind)
        if connection is not None:
            self.having.append(connection)
        elif self.pool.reserve(kind):
            self.opening.append(kind)
        else:
            number, waiter = self.side.wait(kind)
            self.waiting[number] = (kind, waiter)

    @precondition(lambda self: self.opening)
    @rule(ends=st.booleans())
    def open(self, *, ends: bool) -> None:
        connection = self.side.connect()
        if ends:
            connection.connection_lost(None)
        self.pool.opened(self.opening.pop(0), connection)
        if not ends:
            self.having.append(connection)

    @precondition(lambda self: self.opening)
    @rule()
    def fail(self) -> None:
        self.pool.failed(self.opening.pop(0))

    @precondition(lambda self: self.having)
    @rule(data=st.data(), closes=st.booleans())
    def respond(self, data: st.DataObject, *, closes: bool) -> None:
        connection = data.draw(st.sampled_from(self.having))
        self.having.remove(connection)
        self.side.respond(connection, closes=closes)
        self.pool.give_back(connection)

    @precondition(lambda self: self.having)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.having))
        self.having.remove(connection)
        self.pool.give_back(connection)

    @precondition(lambda self: self.pool.connections)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(sorted(self.pool.connections, key=id)))
        connection.connection_lost(None)
        if connection in self.having:
            self.having.remove(connection)

    @precondition(lambda self: self.pool.counts()[0])
    @rule(data=st.data())
    def say_unasked(self, data: st.DataObject) -> None:
        idle = [connection for connection in self.pool.connections if connection.is_idle]
        self.side.transports[data.draw(st.sampled_from(sorted(idle, key=id)))].theirs.send(b"x")

    @precondition(lambda self: self.having)
    @rule(data=st.data(), ends=st.booleans())
    def renew(self, data: st.DataObject, *, ends: bool) -> None:
        old = data.draw(st.sampled_from(self.having))
        new = self.side.connect()
        if ends:
            new.connection_lost(None)
        if self.pool.exchange(old, new):
            self.having.remove(old)
            self.having.append(new)

    @rule(before=st.floats(0, 1))
    def close_idle(self, before: float) -> None:
        self.pool.close_idle(before)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), cancelled=st.booleans())
    def give_up(self, data: st.DataObject, *, cancelled: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        kind, waiter = self.waiting[number]
        if cancelled and not waiter.done():
            waiter.cancel()
            return
        del self.waiting[number]
        self.pool.leave(kind, number)
        if waiter.done() and not waiter.cancelled():
            self.pool.decline(kind, waiter.result())

    @rule()
    def wake(self) -> None:
        """Those who were given something find out."""
        for number, (kind, waiter) in tuple(self.waiting.items()):
            if not waiter.done():
                continue
            del self.waiting[number]
            self.pool.leave(kind, number)
            if waiter.cancelled():
                continue
            grant = waiter.result()
            if grant is None:
                self.opening.append(kind)
            elif grant.is_sound():
                self.having.append(grant)
            elif self.pool.replace(grant):
                self.opening.append(kind)

    @invariant()
    def counts_are_what_they_are(self) -> None:
        places = Places.of(self.pool)
        given = [(kind, one.result()) for kind, one in self.waiting.values() if one.done() and not one.cancelled()]
        grants = [grant for _, grant in given]
        assert places.taken <= self.pool.most
        assert places.opening == len(self.opening) + grants.count(None)
        held = {*self.having, *(grant for grant in grants if grant is not None)}
        ending = {one for one in self.pool.connections if one.is_lost}
        busy = {one for one in self.pool.connections if not one.is_idle}
        assert busy - ending == {one for one in held if one in self.pool.connections} - ending
        assert places.busy == len(busy)

        kinds = [one.kind for one in busy] + self.opening + [kind for kind, grant in given if grant is None]
        shares = tuple(sum(bool(kind & which) for kind in kinds) for which in (STRANGER, TUNNEL))
        assert self.side.shares == shares
        assert max(shares) <= self.pool.share

    @invariant()
    def nobody_waits_who_could_be_served(self) -> None:
        places = Places.of(self.pool)
        for which in (KNOWN, STRANGER, TUNNEL, STRANGER | TUNNEL):
            waiters = [waiter for kind, waiter in self.waiting.values() if kind == which and not waiter.cancelled()]
            done = [waiter.done() for waiter in waiters]
            assert done == sorted(done, reverse=True)
            if not all(done):
                assert self.pool.is_full_for(which) or (places.taken == self.pool.most and not places.idle)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_what_was_said_before_a_connection_broke_off_is_passed_on(side: Side) -> None:
    connection = side.opened()
    connection.ask(facts(), b"", MemoryExchange(facts()), timeout=1)
    # Both come in one turn of the loop, before whoever waits was woken.
    connection.data_received(b"HTTP/1.1 401 No\r\n\r\nread to the end")
    connection.connection_lost(ConnectionResetError())
    head = connection.response()
    assert head is not None
    assert head.status == 401
    assert side.loop.run_until_complete(connection.read()) == b"read to the end"
    # Whether that was all, nobody can tell.
    with pytest.raises(UpstreamProtocolError):
        side.loop.run_until_complete(connection.read())


def test_what_makes_no_sense_is_no_response_although_its_head_does(side: Side) -> None:
    connection = side.opened()
    connection.ask(facts(), b"", MemoryExchange(facts()), timeout=1)
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
    connection.connection_lost(None)
    with pytest.raises(UpstreamProtocolError):
        connection.response()
