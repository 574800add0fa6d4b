"""APIs that know nothing of the gateway behave the same through it: gunicorn with Flask, uvicorn with FastAPI, nginx."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio
from process import START_SECONDS, serving
from upstreams.checks import FASTAPI, FLASK, FORM, NGINX, NOISE, Check, digest, get, send
from upstreams.programs import PROGRAMS

from tests.wire import Message, RawClient, bearer, demo_issuer, good_token

#: what differs from one run to the next, or belongs to one connection (RFC 9110 section 7.6.1)
HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding"}
#: a signed session has the time in it
SESSION = re.compile(rb"session=[^;]+")
FORGED = ("X-User-Id: root", "X_User_Id: root", "x-user-id: root", "X.User.Id: root", "X-Token-Scopes: all")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(address)
    try:
        yield client
    finally:
        client.reset()


@dataclass
class World:
    """An API, and the gateway in front of it: host:port of both."""

    name: str
    direct: str
    through: str

    async def ask(self, check: Check, *, direct: bool) -> Message:
        async with connected(self.direct if direct else self.through) as client:
            return await client.ask(check.raw, check.method)

    async def both(self, check: Check) -> list[Message]:
        return [await self.ask(check, direct=True), await self.ask(check, direct=False)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROGRAMS)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    async with PROGRAMS[request.param](directory) as address:
        config = {
            "upstream": f"http://{address}",
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "limits": {"drain_delay": 0},
            "issuers": [
                {
                    "issuer": "https://issuer.test",
                    "audience": demo_issuer().audience,
                    "jwks_file": str(directory / "jwks.json"),
                }
            ],
        }
        # JSON is YAML.
        (directory / "gateway.yaml").write_text(json.dumps(config))
        async with serving(config=str(directory / "gateway.yaml")) as gateway:
            gateway.secrets.append(good_token())
            await gateway.ready()
            yield World(request.param, address, gateway.url.removeprefix("http://"))


def comparable(response: Message) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """Status, reason, header lines in their order, and body; of Date and a signed session only that they are there.

    The version in the status line is that of the connection.
    """
    status = response.start.partition(b" ")[2]
    lines = []
    for name, value in response.lines:
        lower = name.lower()
        if lower not in HOP_BY_HOP:
            shown = b"(a date)" if lower == b"date" else SESSION.sub(b"session=(signed)", value)
            lines.append((name, shown))
    boundary = re.search(rb"multipart/byteranges; boundary=(\w+)", response.head)
    if boundary:
        # nginx counts them.
        lines = [(name, value.replace(boundary[1], b"(boundary)")) for name, value in lines]
        return status, lines, response.body.replace(boundary[1], b"(boundary)")
    return status, lines, response.body


CHECKS = [
    pytest.param(name, check, id=f"{name}: {check.line} {'; '.join(check.lines)[:40]}")
    for name, checks in (("flask", FLASK), ("fastapi", FASTAPI), ("nginx", NGINX))
    for check in checks
]


@pytest.mark.parametrize(("world", "check"), CHECKS, indirect=["world"], scope="module")
async def test_an_api_responds_as_it_does_without_the_gateway(world: World, check: Check) -> None:
    direct, through = await world.both(check)
    assert direct.status == check.status
    assert check.shows in direct.head + b"\r\n\r\n" + direct.body
    assert comparable(through) == comparable(direct)


async def test_the_api_learns_who_is_calling_and_never_from_the_client(world: World) -> None:
    direct, through = await world.both(get("/whoami", 200, b"", *FORGED))
    # Without the gateway it would believe anybody.
    assert "root" in json.loads(direct.body)["user"]
    assert "Bearer" in json.loads(direct.body)["authorization"]
    assert json.loads(through.body) == {
        "user": "alice",
        "client": "demo-client",
        "scopes": "read:orders",
        "authorization": "",
    }
    for line in FORGED:
        assert json.loads((await world.ask(get("/whoami", 200, b"", line), direct=False)).body)["user"] == "alice"


async def test_without_a_token_the_api_is_not_asked(world: World) -> None:
    async with connected(world.through) as client:
        response = await client.ask(get("/whoami", 401).raw.replace(bearer(), b""))
        assert (response.status, response.problem["reason"]) == (401, "missing_credential")


async def test_requests_follow_one_another_on_one_connection(world: World) -> None:
    plain, head = get("/nowhere", 404), get("/nowhere", 404, method="HEAD")
    expected = [comparable(await world.ask(check, direct=True)) for check in (plain, head)]
    async with connected(world.through) as client:
        for _ in range(20):
            assert comparable(await client.ask(plain.raw)) == expected[0]
            assert comparable(await client.ask(head.raw, "HEAD")) == expected[1]


@pytest.mark.parametrize("world", ["flask", "fastapi"], indirect=True)
async def test_events_arrive_one_by_one(world: World) -> None:
    for direct in (True, False):
        async with connected(world.direct if direct else world.through) as client, asyncio.timeout(START_SECONDS):
            await client.send(get("/events", 200).raw)
            head = await client.head()
            assert head.values(b"Content-Type") == [b"text/event-stream; charset=utf-8"]
            assert await client.reader.readuntil(b"\n\n") == b"9\r\ndata: 1\n\n"
            assert (await world.ask(send("/go-on", 204, b"", body=b""), direct=direct)).status == 204
            assert (await client.reader.readuntil(b"\n\n\r\n")).lower() == b"\r\nf\r\nid: 2\ndata: 2\n\n\r\n"


@pytest.mark.parametrize("world", ["flask"], indirect=True)
async def test_a_session_goes_on_whichever_way_the_next_request_takes(world: World) -> None:
    login = send("/login", 303, b"", FORM, body="name=Jürgen".encode())
    cookie = b""
    for number, direct in enumerate((False, True, False, True)):
        check = get("/visits", 200, b"", f"Cookie: {cookie.decode()}") if number else login
        response = await world.ask(check, direct=direct)
        (line,) = response.values(b"Set-Cookie")
        cookie = line.partition(b";")[0]
    assert json.loads(response.body) == {"name": "Jürgen", "visits": 3}


@pytest.mark.parametrize("world", ["flask"], indirect=True)
async def test_a_response_that_fails_midway_is_whole_for_nobody(world: World) -> None:
    for direct in (True, False):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await world.ask(get("/fail-late", 200), direct=direct)


@pytest.mark.parametrize(
    ("world", "target", "statuses"),
    [("flask", "/raw", [100, 200]), ("fastapi", "/raw", [100, 200]), ("nginx", "/where", [413])],
    indirect=["world"],
    scope="module",
)
async def test_an_upload_waits_for_the_api_to_want_it(world: World, target: str, statuses: list[int]) -> None:
    check = send(target, 0, b"", "Expect: 100-continue", body=NOISE[: 1 << 20], method="PUT")
    seen = []
    for address in (world.direct, world.through):
        async with connected(address) as client:
            await client.send(check.raw.removesuffix(check.body))
            responses = [await client.response()]
            if responses[0].status == 100:
                await client.send(check.body)
                responses.append(await client.response())
        seen.append([comparable(response) for response in responses])
        assert [response.status for response in responses] == statuses
    assert seen[0] == seen[1]


@pytest.mark.parametrize("world", ["nginx"], indirect=True)
async def test_a_large_file_arrives_whole(world: World) -> None:
    response = await world.ask(get("/big.bin", 200), direct=False)
    assert hashlib.sha256(response.body).hexdigest().encode() == digest(NOISE)


@pytest.mark.parametrize("world", ["nginx"], indirect=True)
async def test_what_was_fetched_once_is_not_modified(world: World) -> None:
    for direct in (True, False):
        first = await world.ask(get("/a.txt", 200), direct=direct)
        (etag,) = first.values(b"ETag")
        again = get("/a.txt", 304, b"", f"If-None-Match: {etag.decode()}")
        responses = await world.both(again)
        assert comparable(responses[0]) == comparable(responses[1])
        assert (responses[1].status, responses[1].values(b"ETag"), responses[1].body) == (304, [etag], b"")
