"""Pages that ask one target on loopback as kubelet would, with real servers behind them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.admin.probes import MAX_BODY, MAX_REDIRECTS, Probes
from gateway.core.config.probes import ContainerProbes, Probe
from gateway.core.config.section import Seconds
from tests.wire import Conversation, RawUpstream, Start, starting, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """A real server on loopback, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.release = asyncio.Event()
        self.release.set()
        self.transports: set[object] = set()

    async def start(self) -> None:
        self._runner = web.AppRunner(self._app())
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._respond)
        return app

    async def _respond(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.transports.add(request.transport)
        await self.release.wait()
        if request.path == "/there":
            return web.Response(status=204)
        return web.Response(status=self.status, headers=self.headers, text="x" * 100)

    async def stop(self) -> None:
        await self._runner.cleanup()


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Api]:
    it = Api()
    await it.start()
    yield it
    await it.stop()


async def outcome(probe: Probe) -> str | None:
    ask = Probes({"api": ContainerProbes(liveness=probe)}).find("api/liveness")
    assert ask is not None
    return await ask()


def http(url: str, headers: dict[str, str] | None = None) -> Probe:
    return Probe(http=url, timeout=Seconds(5), headers=headers or {})


@pytest.mark.parametrize("status", [200, 204, 301, 304, 399, 400, 404, 500, 503])
async def test_a_status_from_200_to_399_is_success(api: Api, status: int) -> None:
    api.status = status
    expected = None if status < 400 else f"the response has status {status}"
    assert await outcome(http(f"{api.url}/health")) == expected


async def test_the_request_is_what_kubelet_would_send(api: Api) -> None:
    assert await outcome(http(f"{api.url}/%2e/health?a=b%20c", headers={"Host": "api.test", "X-A": "1"})) is None
    (asked,) = api.asked
    assert (asked.method, asked.raw_path, asked.host) == ("GET", "/%2e/health?a=b%20c", "api.test")
    assert dict(asked.headers) == {
        "Host": "api.test",
        "User-Agent": "kube-probe/gateway",
        "Accept": "*/*",
        "X-A": "1",
        "Connection": "close",
    }
    assert await outcome(http(api.url, headers={"User-Agent": "mine"})) is None
    assert api.asked[-1].headers["User-Agent"] == "mine"
    assert len(api.transports) == 2  # each on a connection of its own


async def test_a_redirect_within_the_target_is_followed_and_no_other(api: Api) -> None:
    api.status = 302
    for location, asked in (("/there", 2), (f"{api.url}/there", 2), ("http://10.255.255.1/", 1), ("mailto:a@b", 1)):
        api.asked.clear()
        api.headers = {"Location": location}
        assert await outcome(http(f"{api.url}/health")) is None
        assert len(api.asked) == asked
    other = Api()
    await other.start()
    api.headers = {"Location": f"{other.url}/there"}
    assert await outcome(http(f"{api.url}/health")) is None
    assert other.asked == []
    await other.stop()
    api.asked.clear()
    api.headers = {"Location": "/health"}
    assert await outcome(http(f"{api.url}/health")) == f"more than {MAX_REDIRECTS} redirects"
    assert len(api.asked) == MAX_REDIRECTS + 1
    api.headers = {"Location": "http://[oops/"}
    assert await outcome(http(f"{api.url}/health")) == "a redirect to something that is no address"


async def test_whoever_asks_meanwhile_shares_the_response(api: Api) -> None:
    probes = Probes({"api": ContainerProbes(liveness=http(api.url), readiness=http(api.url))})
    live, ready = probes.find("api/liveness"), probes.find("api/readiness")
    assert live is not None
    assert ready is not None
    api.release.clear()
    api.status = 500
    asking = [asyncio.create_task(live()) for _ in range(10)]
    await until(lambda: api.asked)
    asking.append(asyncio.create_task(ready()))
    await until(lambda: len(api.asked) == 2)
    api.release.set()
    assert await asyncio.gather(*asking) == ["the response has status 500"] * 11
    assert len(api.asked) == 2
    api.status = 200
    assert await live() is None
    assert len(api.asked) == 3


async def test_whoever_leaves_takes_nobody_along(api: Api) -> None:
    live = Probes({"api": ContainerProbes(liveness=http(api.url))}).find("api/liveness")
    assert live is not None
    api.release.clear()
    first = asyncio.create_task(live())
    await until(lambda: api.asked)
    second = asyncio.create_task(live())
    await asyncio.sleep(0)
    first.cancel()
    api.release.set()
    assert await second is None


async def speaking(*said: bytes) -> RawUpstream:
    """A server that says this, whatever it is asked, and goes on to be silent."""
    upstream = RawUpstream()

    async def behave(conversation: Conversation) -> None:
        await conversation.head()
        for piece in said:
            await conversation.say(piece)
        await conversation.until_ended()

    upstream.behaviour = behave
    await upstream.start()
    return upstream


async def test_a_large_body_is_dropped_and_a_slow_one_is_late() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    upstream = await speaking(head, b"x" * MAX_BODY)
    assert await outcome(http(upstream.url)) is None
    assert (await upstream.connected()).ended
    await upstream.stop()
    for said in ((head, b"x"), (b"HTTP/1.1 200",), ()):
        upstream = await speaking(*said)
        assert await outcome(Probe(http=upstream.url, timeout=Seconds(0.2))) == "no complete response within 0.2 s"
        await upstream.stop()


async def test_what_is_no_response_is_told_and_not_quoted() -> None:
    upstream = await speaking(b"SSH-2.0-OpenSSH\r\n\r\n")
    assert await outcome(http(upstream.url)) == "the response broke off or is not well-formed HTTP"
    await upstream.stop()


async def test_a_connection_is_success_where_one_is_asked_for(api: Api) -> None:
    assert await outcome(Probe(tcp=f"127.0.0.1:{api.port}")) is None
    assert await outcome(Probe(tcp=f"localhost:{api.port}")) is None
    await api.stop()
    for probe in (Probe(tcp=f"127.0.0.1:{api.port}"), http(api.url)):
        assert await outcome(probe) == "it cannot be reached (ECONNREFUSED)"
    await api.start()


async def test_over_https_any_certificate_will_do(tmp_path: Path) -> None:
    subprocess = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=api",
        "-keyout", tmp_path / "key", "-out", tmp_path / "certificate", stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await subprocess.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context)
    async with server:
        assert await outcome(http(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")) is None


# The pages


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts


async def test_the_page_gives_what_the_target_does(start: Start, api: Api) -> None:
    gateway = await start(probes={"api": ContainerProbes(readiness=http(f"{api.url}/health"))})
    response = await gateway.admin("/probe/api/readiness")
    assert (response.status, json.loads(response.body)) == (200, {"ok": True})
    api.status = 500
    response = await gateway.admin("/probe/api/readiness")
    assert response.status == 503
    assert json.loads(response.body) == {"ok": False, "reason": "the response has status 500"}
    assert response.values(b"Cache-Control") == [b"no-store"]
    for path in ("/probe/api/liveness", "/probe/other/readiness", "/probe/api", "/probe/", "/probe/api/readiness/"):
        assert (await gateway.admin(path)).status == 404
    assert (await gateway.admin("/probe/api/readiness", method="POST", lines="Content-Length: 0\r\n")).status == 405
    assert len(api.asked) == 2
