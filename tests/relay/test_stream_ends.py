"""Streams and tunnels end when whoever opened them would be refused now: who is told what, and who is left alone."""

import asyncio
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from websockets.frames import Close

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.errors import Refusal, TokenExpired, TokenRevoked
from gateway.core.token.identity import Identity
from gateway.messages import Opened
from gateway.relay.client.streams import AT_ONCE, SHORT_GOODBYE
from gateway.relay.frames import close_frame
from tests.relay.test_tunnel import (
    ANONYMOUS,
    FRAME,
    HALF,
    PATIENCE,
    handshake_with,
    opened,
    opened_one,
    read,
    short_lived,
    strict_issuer,
)
from tests.wire import Conversation, RawClient, Running, Start, chunks, demo_issuer, get, until

REVOKED = close_frame(1008, "token_revoked")
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def token_of(subject: str) -> str:
    return demo_issuer().access_token(alg="ES256", sub=subject, exp=time.time() + 3600)


def revoked(*subjects: str) -> "Judging":
    return Judging(set(subjects))


class Judging:
    """Refuses some subjects, and knows of whom it was asked."""

    def __init__(self, subjects: set[str]) -> None:
        self.subjects = subjects
        self.asked: list[str | None] = []

    def __call__(self, identity: Identity) -> Refusal | None:
        self.asked.append(identity.subject)
        return TokenRevoked("its subject was revoked") if identity.subject in self.subjects else None


async def event_stream(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(EVENTS + chunks(b"data: 1\n\n"))
    await upstream.until_ended()


async def streaming(gateway: Running, token: str) -> RawClient:
    """A client that has the first event."""
    gateway.upstream.behaviour = event_stream
    client = await gateway.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n")
    assert (await client.head()).status == 200
    await read(client, len(chunks(b"data: 1\n\n")))
    return client


async def test_a_tunnel_is_told_why_and_ends_in_good_order(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    await upstream.say(FRAME)
    await read(client, len(FRAME))
    assert await gateway.server.end_streams(revoked("alice")) == 1
    assert await read(client, len(REVOKED)) == REVOKED
    # Its own Close goes up, what the API says goes nowhere.
    await client.send(b"its own close")
    assert await read(upstream, 13) == b"its own close"
    await upstream.say(b"nobody hears this")
    upstream.writer.close()
    assert await client.is_closed()
    record = await gateway.ended()
    assert (record["status"], record["outcome"], record["reason"]) == (101, "refused", "token_revoked")
    assert record["evidence"] == "its subject was revoked"
    assert (record["bytes_in"], record["bytes_out"]) == (13, len(FRAME) + len(REVOKED))
    await gateway.connections(0)
    assert gateway.errors() == []


async def test_the_close_is_one_that_others_read() -> None:
    close = Close.parse(REVOKED[2:])
    assert (close.code, close.reason) == (1008, "token_revoked")


async def test_who_goes_on_all_the_same_is_cut_within_half_a_second(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    began = time.monotonic()
    await gateway.server.end_streams(revoked("alice"))

    async def talk() -> None:
        with suppress(ConnectionError):
            while True:
                await client.send(b"\x82\x83abcdef")
                await asyncio.sleep(0.01)

    talking = asyncio.create_task(talk())
    async with asyncio.timeout(PATIENCE):
        while await upstream.reader.read(1000):
            pass
    assert SHORT_GOODBYE - 0.05 < time.monotonic() - began < SHORT_GOODBYE + 2
    client.reset()
    await talking


async def test_a_frame_under_way_is_ended_first(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    await upstream.say(HALF)
    await read(client, len(HALF))
    await gateway.server.end_streams(revoked("alice"))
    await upstream.say(b"def" + FRAME)
    assert await client.rest() == b"def" + REVOKED


async def test_a_frame_that_does_not_end_in_time_is_no_place_for_a_close(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    await upstream.say(HALF)
    await read(client, len(HALF))
    await gateway.server.end_streams(revoked("alice"))
    assert await client.rest() == b""
    assert (await gateway.ended())["reason"] == "token_revoked"


async def test_an_event_stream_ends_at_once_between_two_events(gateway: Running) -> None:
    client = await streaming(gateway, token_of("alice"))
    (stream,) = gateway.server.listener.streams._open
    assert await gateway.server.end_streams(revoked("alice")) == 1
    assert stream._timeout.when() <= asyncio.get_running_loop().time()  # type: ignore[operator]
    # What came is there, and no end of the stream is pretended.
    assert await client.rest() == b""
    record = await gateway.ended()
    assert (record["status"], record["outcome"], record["reason"]) == (200, "refused", "token_revoked")
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)
    await gateway.connections(0)
    assert gateway.errors() == []


async def test_those_of_others_and_those_of_nobody_go_on(start: Start) -> None:
    gateway = await start(routes=(RouteSection(path="/public", access="public"),), unmatched="token")
    mine, _ = await opened(gateway, handshake_with(token_of("alice")))
    theirs, their_api = await opened(gateway, handshake_with(token_of("bob")))
    public, public_api = await opened(gateway, ANONYMOUS.replace(b"GET / ", b"GET /public "))
    judge = revoked("alice")
    assert await gateway.server.end_streams(judge) == 1
    assert sorted(map(str, judge.asked)) == ["alice", "bob"]
    assert await mine.rest() == REVOKED
    for client, api in ((theirs, their_api), (public, public_api)):
        await api.say(FRAME)
        assert await read(client, len(FRAME)) == FRAME
    # Asked again, nobody is told twice.
    assert await gateway.server.end_streams(revoked("alice")) == 0


async def test_ordinary_requests_are_no_streams(gateway: Running, client: RawClient) -> None:
    judge = revoked("alice")
    assert (await client.ask(get())).status == 200
    assert await gateway.server.end_streams(judge) == 0
    assert judge.asked == []


async def test_one_that_has_been_told_ends_for_the_first_reason(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, _ = await opened(gateway)
    await gateway.server.end_streams(revoked("alice"))
    stopping = asyncio.create_task(gateway.stop())
    assert await client.rest() == REVOKED
    await stopping
    assert (await gateway.ended())["reason"] == "token_revoked"


async def test_many_are_judged_a_few_at_a_time(gateway: Running) -> None:
    streams = gateway.server.listener.streams
    client, _ = await opened_one(gateway, handshake_with(token_of("alice")))
    (identity,) = streams.identities()
    async with asyncio.timeout(None) as timeout:
        added = [streams.add(timeout, None, Opened(identity)) for _ in range(4 * AT_ONCE)]
        seen: list[int] = []
        judge = revoked()

        async def look() -> None:
            while True:
                seen.append(len(judge.asked))
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        await asyncio.sleep(0)
        assert await gateway.server.end_streams(judge) == 0
        looking.cancel()
        for one in added:
            streams.forget(one)
    assert len(judge.asked) == 4 * AT_ONCE + 1
    assert max(later - earlier for earlier, later in pairwise(seen)) <= 2 * AT_ONCE
    client.reset()


async def test_an_expired_token_is_said_in_a_close_as_well(start: Start, tmp_path: Path) -> None:
    gateway = await start(issuers=strict_issuer(tmp_path))
    client, upstream = await opened(gateway, handshake_with(short_lived(1.2)))
    await upstream.say(FRAME)
    assert await read(client, len(FRAME)) == FRAME
    told = close_frame(1008, TokenExpired.reason)
    assert await read(client, len(told)) == told
    await client.send(b"its own close")
    assert await read(upstream, 13) == b"its own close"
    upstream.writer.close()
    assert await client.is_closed()
    record = await gateway.ended()
    assert (record["status"], record["outcome"], record["reason"]) == (101, "refused", "token_expired")


async def test_no_timer_of_a_token_is_left_behind(start: Start) -> None:
    gateway = await start()
    client, _ = await opened(gateway)
    (stream,) = gateway.server.listener.streams._open
    await client.close()
    await until(lambda: not gateway.server.listener.streams._open)
    assert stream.expiry is not None
    assert stream.expiry.cancelled()
