"""What a listener's connections have in common: how many there may be, and who is told of them."""

import asyncio

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.errors import Refusal
from gateway.ports import Exchange
from gateway.relay.client.crowd import IDLING, NOWHERE
from gateway.relay.client.listener import Listener
from gateway.relay.sweep import Clock
from tests.memory import Recorder


class Nobody:
    async def handle(self, exchange: Exchange) -> None:
        raise NotImplementedError


class Counting(Recorder):
    """Hears of gauges as well."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []

    def connections_open(self, count: int) -> None:
        self.told.append(("open", count))

    def requests_in_flight(self, count: int) -> None:
        self.told.append(("requests", count))

    def tunnels_open(self, count: int) -> None:
        self.told.append(("tunnels", count))


class Guest:
    """A connection that gives way, or cannot."""

    def __init__(self, *, gives_way: bool = True) -> None:
        self.place = NOWHERE
        self.has_given_way = False
        self._gives_way = gives_way

    def enters(self, it: Listener) -> Refusal | None:
        refusal = it.opened(self)
        if refusal is None:
            self.go(it, IDLING)
        return refusal

    def go(self, it: Listener, place: int) -> None:
        it.crowd.move(self, was=self.place, now=place)
        self.place = place

    def give_way(self) -> bool:
        self.place = NOWHERE
        self.has_given_way = self._gives_way
        return self._gives_way


def listener(most: int, observer: Recorder | None = None) -> Listener:
    config = Config(upstream="http://a", issuers=(Issuer(issuer="https://a.test", audience="a"),))
    return Listener(Nobody(), config, max_connections=most, observer=observer, clock=Clock(now=lambda: 0.0))


async def test_beyond_the_limit_the_oldest_without_a_request_gives_way() -> None:
    it, guests = listener(2), [Guest() for _ in range(4)]
    assert [guest.enters(it) for guest in guests[:3]] == [None] * 3
    assert [guest.has_given_way for guest in guests] == [True, False, False, False]
    guests[1].go(it, NOWHERE)
    assert guests[3].enters(it) is None
    assert [guest.has_given_way for guest in guests] == [True, False, True, False]
    assert list(it.open) == [guests[1], guests[3]]


async def test_beyond_the_limit_of_those_that_have_one_nobody_gets_in() -> None:
    it, guests = listener(2), [Guest() for _ in range(3)]
    for guest in guests[:2]:
        guest.enters(it)
        guest.go(it, NOWHERE)
    refusal = guests[2].enters(it)
    assert refusal is not None
    assert refusal.reason == "overloaded"
    assert not any(guest.has_given_way for guest in guests)
    it.lost(guests[0])
    assert guests[2].enters(it) is None


async def test_who_cannot_give_way_is_passed_over_and_not_asked_again() -> None:
    it, stuck, guests = listener(3), Guest(gives_way=False), [Guest() for _ in range(4)]
    for guest in (stuck, *guests[:2]):
        guest.enters(it)
    assert guests[2].enters(it) is None
    assert (stuck.place, guests[0].has_given_way) == (NOWHERE, True)
    assert stuck in it.open
    stuck.go(it, IDLING)
    assert repr(it) == "<Listener 3 open, 0 requests, 0 tunnels, <Crowd 3 idle, 0 begun, 0 lingering, 0 taking>>"


async def test_what_changes_is_told_to_whoever_observes() -> None:
    observer = Counting()
    it, guest = listener(1, observer), Guest()
    guest.enters(it)
    guest.go(it, NOWHERE)
    assert Guest().enters(it) is not None
    it.count_request(1)
    it.count_tunnel(1)
    it.tell()
    it.tell()
    assert "1 requests, 1 tunnels" in repr(it)
    it.count_tunnel(-1)
    it.lost(guest)
    assert observer.told == [("open", 1), ("tunnels", 1), ("requests", 1), ("tunnels", 0), ("open", 0)]
    assert [(ending.status, ending.refusal.reason) for ending in observer.endings if ending.refusal] == [
        (503, "overloaded")
    ]


async def test_who_drains_hears_that_something_ended() -> None:
    it, guest = listener(1), Guest()
    guest.enters(it)
    it.count_request(1)
    it.count_request(-1)
    assert not it.news.is_set()
    it.closed = True
    it.count_request(1)
    it.count_request(-1)
    assert it.news.is_set()
    it.news.clear()
    it.lost(guest)
    async with asyncio.timeout(1):
        await it.news.wait()
    assert repr(it).startswith("<Listener closed, 0 open")
