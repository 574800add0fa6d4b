"""Streams and tunnels end within a second of the revocation of their tokens, and of the word of an issuer that is asked again."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.core.config.revocation import Revocation
from gateway.core.errors import Refusal, StoreUnavailable, TokenExpired
from gateway.core.revocation.entry import Entry
from gateway.core.token.identity import Identity
from gateway.process.endings import AT_ONCE, SOON, AskedStreams, RevokedStreams
from gateway.relay.frames import close_frame
from tests.relay.test_stream_ends import REVOKED, streaming, token_of
from tests.relay.test_tunnel import FRAME, SWITCH, handshake_with, opened, read
from tests.wire import Conversation, Running, Start, starting, until

INACTIVE = close_frame(1008, "token_expired")


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts


def entry(subject: str) -> Entry:
    return Entry("subject", "https://issuer.test", subject, until=time.time() + 3600, at=time.time())


async def revoke(gateway: Running, subject: str) -> None:
    revocations = gateway.gateway.assembly.revocations
    assert revocations is not None
    assert await revocations.add(entry(subject), source="command")


async def test_what_is_revoked_ends_within_a_second_and_nothing_else_does(start: Start) -> None:
    gateway = await start(revocation=Revocation())
    mine, _ = await opened(gateway, handshake_with(token_of("alice")))
    theirs, their_api = await opened(gateway, handshake_with(token_of("bob")))
    gateway.upstream.behaviour = None
    events = await streaming(gateway, token_of("alice"))
    began = time.monotonic()
    await revoke(gateway, "alice")
    assert await events.rest() == b""
    assert await mine.rest() == REVOKED
    # A second, and what a busy machine takes.
    assert time.monotonic() - began < 2.5
    reasons = [record["reason"] for record in await gateway.stdout.records(2)]
    assert reasons == ["token_revoked", "token_revoked"]
    await their_api.say(FRAME)
    assert await read(theirs, len(FRAME)) == FRAME
    assert "2 streams and tunnels were ended: their tokens were revoked" in gateway.stderr.getvalue()


async def test_who_was_admitted_before_and_opens_its_stream_after_it_ends_as_well(start: Start) -> None:
    gateway = await start(revocation=Revocation())
    agreed = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await agreed.wait()
        await upstream.say(SWITCH)
        await asyncio.Event().wait()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(handshake_with(token_of("alice")))
    await until(lambda: gateway.upstream.requests)
    await revoke(gateway, "alice")
    # The look that follows a change is over before there is anything to end.
    await asyncio.sleep(2 * SOON)
    agreed.set()
    assert (await client.head()).status == 101
    assert await client.rest() == REVOKED


async def test_many_changes_are_one_look(start: Start) -> None:
    gateway = await start(revocation=Revocation())
    server, looked = gateway.server, 0
    real = server.end_streams

    class Counting:
        async def end_streams(self, judge: object) -> int:
            nonlocal looked
            looked += 1
            return await real(judge)  # type: ignore[arg-type]

    revocations = gateway.gateway.assembly.revocations
    assert revocations is not None
    streams = RevokedStreams(Counting(), revocations)  # type: ignore[arg-type]
    await revoke(gateway, "alice")
    for _ in range(100):
        streams.changed()
    await until(lambda: looked)
    await asyncio.sleep(2 * SOON)
    assert looked == 1
    streams.stop()
    streams.stop()


async def test_a_change_during_a_look_is_looked_at_after_it(start: Start) -> None:
    gateway = await start(revocation=Revocation())
    going, looked = asyncio.Event(), 0

    class Slow:
        async def end_streams(self, judge: object) -> int:
            nonlocal looked
            looked += 1
            await going.wait()
            return 0

    revocations = gateway.gateway.assembly.revocations
    assert revocations is not None
    streams = RevokedStreams(Slow(), revocations)  # type: ignore[arg-type]
    streams.look(0.0)
    assert looked == 0  # nothing is revoked
    await revoke(gateway, "alice")
    streams.look(0.0)
    await until(lambda: looked)
    streams.look(1.0)
    going.set()
    await until(lambda: looked == 2)
    streams.stop()


async def test_that_nobody_can_tell_ends_nothing(start: Start) -> None:
    gateway = await start()
    client, upstream = await opened(gateway, handshake_with(token_of("alice")))

    class Stale:
        is_needed = True

        def check(self, identity: Identity) -> None:
            raise StoreUnavailable("too old")

    streams = RevokedStreams(gateway.server, Stale())
    streams.look(0.0)
    await asyncio.sleep(0.05)
    await upstream.say(FRAME)
    assert await read(client, len(FRAME)) == FRAME
    streams.stop()


async def settled(streams: AskedStreams) -> None:
    """Until what a look began is over."""
    if streams._asking is not None:
        await streams._asking


class Issuer:
    """Knows whose tokens are inactive, and of which it was asked; what it says is believed for a while."""

    def __init__(self, *inactive: str, cache: float = 60) -> None:
        self.cache = cache
        self.inactive = set(inactive)
        self.asked: list[str | None] = []
        self.most = self._under_way = 0
        self.believed: dict[Identity, float] = {}
        self.now = 0.0
        self.can_tell = True

    def is_due(self, identity: Identity) -> bool:
        return self.now >= self.believed.setdefault(identity, self.now + self.cache)

    async def reask(self, identity: Identity) -> Refusal | None:
        self.asked.append(identity.subject)
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(0.01)
        self._under_way -= 1
        if self.can_tell:
            self.believed[identity] = self.now + self.cache
        return TokenExpired("as its issuer says") if identity.subject in self.inactive else None


async def test_an_issuer_is_asked_again_when_it_is_time_for_as_long_as_something_is_open(start: Start) -> None:
    gateway = await start()
    alice, bob = token_of("alice"), token_of("bob")
    clients = [(await opened(gateway, handshake_with(token)))[0] for token in (alice, alice, bob)]
    issuer = Issuer()
    streams = AskedStreams(gateway.server, reask=issuer.reask, is_due=issuer.is_due)

    async def look(now: float) -> list[str]:
        """Of whom it was asked at that time."""
        before, issuer.now = len(issuer.asked), now
        streams.look(now)
        await settled(streams)
        return sorted(map(str, issuer.asked[before:]))

    # One token is asked about once, however much was opened with it.
    for now, asked in ((0, []), (59, []), (60, ["alice", "bob"]), (61, []), (119, []), (120, ["alice", "bob"])):
        assert await look(now) == asked
    issuer.inactive.add("alice")
    assert await look(180) == ["alice", "bob"]
    for client in clients[:2]:
        assert await client.rest() == INACTIVE
    assert (await gateway.ended(2))["reason"] == "token_expired"
    await gateway.connections(1)
    assert await look(240) == ["bob"]
    # While nobody can tell it goes on, and is asked about now and then.
    issuer.can_tell = False
    asked_at = [now for now in range(300, 312) if await look(now)]
    assert asked_at == [300, 305, 310]
    await clients[2].close()
    await gateway.connections(0)
    assert await look(400) == []
    streams.stop()


@pytest.mark.parametrize(("cache", "expected"), [(1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6]), (0, [0, 5])])
async def test_a_short_time_is_kept_and_none_at_all_is_five_seconds(
    start: Start, cache: float, expected: list[int]
) -> None:
    gateway = await start()
    await opened(gateway)
    issuer = Issuer(cache=cache)
    streams = AskedStreams(gateway.server, reask=issuer.reask, is_due=issuer.is_due)
    asked_at = []
    for now in range(8):
        before, issuer.now = len(issuer.asked), float(now)
        streams.look(issuer.now)
        await settled(streams)
        asked_at += [now] * (len(issuer.asked) - before)
    assert asked_at == expected
    streams.stop()


async def test_tokens_that_speak_for_themselves_are_not_asked_about(start: Start) -> None:
    gateway = await start()
    await opened(gateway)
    issuer = Issuer("alice")
    streams = AskedStreams(gateway.server, reask=issuer.reask, is_due=lambda _: False)
    for now in (0.0, 1e9):
        streams.look(now)
        await settled(streams)
    assert issuer.asked == []
    streams.stop()


async def test_many_are_asked_about_a_few_at_a_time_and_none_twice_at_once(start: Start) -> None:
    gateway = await start()
    count = 2 * AT_ONCE + 3
    for number in range(count):
        await opened(gateway, handshake_with(token_of(f"user-{number}")))
    issuer = Issuer()
    streams = AskedStreams(gateway.server, reask=issuer.reask, is_due=lambda _: True)
    streams.look(0.0)
    await until(lambda: issuer.asked)
    streams.look(2.5)
    await until(lambda: len(issuer.asked) == count)
    assert issuer.most == AT_ONCE
    assert len(set(issuer.asked)) == count
    streams.stop()
    streams.stop()


@pytest.mark.parametrize("made", [False, True])
async def test_stopping_leaves_no_task(start: Start, *, made: bool) -> None:
    gateway = await start(revocation=Revocation())
    if made:
        await revoke(gateway, "alice")
    await gateway.stop()
