"""With lines of heads remembered, not yet or never: the same requests go upstream, and the same responses come back."""

from dataclasses import replace

import msgspec
import pytest

from gateway.core.config.identity_headers import IdentityHeader
from gateway.process.replacing import Wanted
from tests.relay.smuggling import CASES
from tests.relay.test_transparency import nothing_differs
from tests.relay.transparency import ROWS, Row
from tests.wire import RawClient, Running, Start, bearer, get, until

#: parts in which tables are run: one would take too long
PARTS = 4
BROWSER = (
    b"GET /page HTTP/1.1\r\nHost: api.test\r\n" + bearer() + b"Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11)\r\n"
    b"Accept: */*\r\nX-User-Id: root\r\nTE: trailers\r\n\r\n"
)  # fmt: skip


def forget(gateway: Running, state: str) -> None:
    lines = gateway.server.listener.lines
    lines.is_on = state != "off"
    if state != "warm":
        lines.lines.clear()


async def starting_in(state: str, start: Start) -> Running:
    gateway = await start()
    forget(gateway, "off" if state == "off" else "cold")
    return gateway


def lasts(row: Row) -> bool:
    """Whether the row can come again on the same connection."""
    said = b"".join(request.head for request in row.requests).lower()
    return (
        not any(reply.closes for reply in row.replies)
        and all(request.waits_for == "nothing" for request in row.requests)
        and not any(word in said for word in (b"close", b"http/1.0", b"upgrade", b"absolute"))
    )


@pytest.mark.parametrize("state", ["on", "off"])
@pytest.mark.parametrize("part", range(PARTS))
async def test_nothing_differs_the_second_and_third_time(start: Start, part: int, state: str) -> None:
    gateway = await starting_in(state, start)
    rows = [row for row in ROWS if lasts(row)]
    assert len(rows) > len(ROWS) / 3
    for row in rows[part::PARTS]:
        thrice = replace(row, requests=row.requests * 3, replies=row.replies * 3)
        try:
            await nothing_differs(gateway, thrice, at_once=True)
        except Exception as error:
            error.add_note(row.name)
            raise
    assert bool(gateway.server.listener.lines.lines) == (state == "on")


@pytest.mark.parametrize("state", ["warm", "cold", "off"])
@pytest.mark.parametrize("part", range(PARTS))
async def test_no_request_is_smuggled_behind_ones_that_are_known(start: Start, part: int, state: str) -> None:
    gateway = await starting_in(state, start)
    for case in CASES[part::PARTS]:
        forget(gateway, state)
        client = await gateway.client()
        for _ in range(2):
            assert (await client.ask(BROWSER)).status == 200
        for _ in range(3):
            seen = len(gateway.upstream.requests)
            await client.send(case.raw)
            response = await client.response()
            assert response.status == case.status, case.name
            if case.status != 200:
                assert await client.is_closed()
            if case.meant is None:
                came = gateway.upstream.requests[seen:]
                assert all(b"hidden" not in one.head and not one.body for one in came), case.name
                break
            came = gateway.upstream.requests[seen:]
            assert [(one.start, one.body) for one in came] == [(case.meant, case.body)], case.name
            if b"close" in b"".join(response.values(b"Connection")):
                break
        client.reset()
    assert gateway.errors() == []


async def test_what_one_connection_sent_is_told_of_no_other(gateway: Running) -> None:
    """The lines that strangers share say nothing of either; what is ours is as it was for each."""
    secret = b"X-Api-Key: one\r\nCookie: a=one\r\nX-Request-Id: one\r\nTraceparent: one\r\nAccept: */*\r\n"
    one, other = await gateway.client(), await gateway.client()
    for _ in range(3):
        for client, lines in ((one, secret), (other, b"Accept: */*\r\n"), (other, secret.replace(b"one", b"two"))):
            raw = get().replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n")
            assert (await client.ask(raw)).status == 200
            arrived = gateway.upstream.requests[-1].head
            assert (b"one" in arrived, b"two" in arrived) == (b"one" in lines, b"two" in lines)
    kept = gateway.server.listener.lines.lines
    assert set(kept) == {b"Host: api.test\r\n", b"Accept: */*\r\n"}
    assert not any(word in line for line in kept for word in (b"one", b"two", b"Bearer"))


async def test_no_credential_is_kept_for_longer_than_a_second(gateway: Running, client: RawClient) -> None:
    assert (await client.ask(get())).status == 200
    lines = gateway.server.listener.lines
    await until(lambda: not lines.credentials)
    assert (await client.ask(get())).status == 200


async def test_another_configuration_judges_the_lines_of_open_connections_anew(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    raw = get().replace(b"\r\n\r\n", b"\r\nAccept: */*\r\nUser-Agent: curl\r\n\r\n")
    for _ in range(2):
        assert (await client.ask(raw)).status == 200
        assert b"User-Agent: curl\r\n" in gateway.upstream.requests[-1].head
    lines = gateway.server.listener.lines
    assert lines.lines
    config = gateway.gateway.assembly.config
    ours = msgspec.structs.replace(config, identity_headers={"User-Agent": IdentityHeader(claim="sub", required=True)})
    assert await gateway.gateway.replace(Wanted(ours, {}, {})) == ()
    assert not lines.lines
    for _ in range(2):
        assert (await client.ask(raw)).status == 200
        assert b"curl" not in gateway.upstream.requests[-1].head
