"""Tokens where browsers can put them, in a real one: subprotocols, the query, a cookie; and pages of another site."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import WSMsgType, web
from playwright.async_api import BrowserContext, Page, async_playwright
from process import GatewayProcess, serving

from gateway.demo.issuer import DemoIssuer

#: milliseconds
PATIENCE = 15_000
#: another host is another site: addresses have no domain that they could share
OURS, STRANGER = "127.0.0.1", "127.0.0.2"
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {OURS}, EXCLUDE {STRANGER}",
]
COOKIE = "__Host-token"


@dataclass
class Api:
    """Pages and data of one host; remembers who came, and what it saw of a token."""

    url: str = ""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.heads.append(f"{request.raw_path} {request.headers!r}")
        if request.path != "/favicon.ico":  # which a browser asks for by itself, whenever it likes
            self.requests.append((request.method, request.path, request.headers.get("X-User-Id", "")))
        if request.path == "/page":
            return web.Response(
                text="<!doctype html><title>ours</title><form method=post action=/orders></form>",
                content_type="text/html",
            )
        if request.path == "/live":
            socket = web.WebSocketResponse(protocols=("chat",))
            await socket.prepare(request)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_str(message.data)
            return socket
        if request.path == "/events":
            stream = web.StreamResponse(
                headers={"Content-Type": "text/event-stream", "Cache-Control": "public, max-age=60"}
            )
            await stream.prepare(request)
            await stream.write(b"data: hello\n\n")
            return stream
        return web.json_response({"user": request.headers.get("X-User-Id", "")})


@asynccontextmanager
async def listening(handler: Any, host: str) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """With a profile of its own: what is private to a window sends no cookie of another site, which others do."""
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    # 0: cookies of other sites are sent, as long as most people's browsers do.
    preferences = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=FLAGS
        )
        yield found
        await found.close()


@dataclass
class World:
    """A gateway with every place, the API behind it, a site of somebody else, and somebody who is logged in."""

    gateway: GatewayProcess
    api: Api
    stranger: str
    token: str
    context: BrowserContext

    async def page(self, url: str) -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(PATIENCE)
        await page.goto(url)
        return page

    async def logged(self, reason: str, method: str, path: str) -> dict[str, Any]:
        """Waits for a line of the log about such a request."""
        pattern = rf'.*"method":"{method}","path":"{path}".*"reason":"{reason}".*'
        found: dict[str, Any] = json.loads((await self.gateway.wait_for(pattern))[0])
        return found


@asynccontextmanager
async def world(browser: BrowserContext, issuer: DemoIssuer, directory: Path) -> AsyncIterator[World]:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>stranger</title>", content_type="text/html")

    api = Api()
    config = directory / "gateway.yaml"
    async with listening(api.handle, OURS) as url, listening(elsewhere, STRANGER) as stranger:
        config.write_text(f"""
listen: {OURS}:0
admin: 127.0.0.1:0
upstream: {url}
issuers: [{{issuer: "{issuer.url}", audience: "{issuer.audience}"}}]
hosts: [{OURS}]
credentials: [authorization, {{websocket: bearer}}, {{query: access_token}}, {{cookie: {COOKIE}}}]
routes:
  - {{path: /page, access: public}}
  - {{path: /*}}
""")
        async with serving(config=str(config)) as gateway:
            await gateway.ready()
            token = issuer.access_token(alg="ES256")
            gateway.secrets.append(token)
            yield World(gateway, api, stranger, token, browser)
        assert gateway.leaked() == []
        assert all(
            token[start : start + 40] not in head for head in api.heads for start in range(0, len(token) - 40, 8)
        )


async def log_in(world: World) -> None:
    """As a login would leave a browser, and so that other sites ride on it."""
    await world.context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": world.token,
                "url": world.gateway.url.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "None",
            }
        ]
    )


SPEAK = """([url, protocols]) => new Promise((done) => {
    const socket = new WebSocket(url, protocols);
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (message) => { done([socket.protocol, message.data]); socket.close(); };
    socket.onerror = () => done(["error", ""]);
})"""


async def test_a_websocket_has_its_token_as_a_subprotocol(
    browser: BrowserContext, issuer: DemoIssuer, tmp_path: Path
) -> None:
    async with world(browser, issuer, tmp_path) as it:
        page = await it.page(f"{it.gateway.url}/page")
        url = f"{it.gateway.url.replace('http:', 'ws:')}/live"
        assert await page.evaluate(SPEAK, [url, ["bearer", it.token, "chat"]]) == ["chat", "hello"]
        assert await page.evaluate(SPEAK, [url, ["bearer", it.token]]) == ["bearer", "hello"]
        assert await page.evaluate(SPEAK, [url, ["chat"]]) == ["error", ""]
        assert it.api.requests.count(("GET", "/live", "alice")) == 2
        assert (await it.logged("missing_credential", "GET", "/live"))["status"] == 401
        # From the page of another site as well: it has the token, so that it is no cookie's business.
        elsewhere = await it.page(it.stranger)
        assert await elsewhere.evaluate(SPEAK, [url, ["bearer", it.token]]) == ["bearer", "hello"]


async def test_an_event_source_has_its_token_in_the_query(
    browser: BrowserContext, issuer: DemoIssuer, tmp_path: Path
) -> None:
    async with world(browser, issuer, tmp_path) as it:
        page = await it.page(f"{it.gateway.url}/page")
        async with page.expect_response(lambda response: "/events" in response.url) as heard:
            event = await page.evaluate(
                """(url) => new Promise((done) => {
                    const source = new EventSource(url);
                    source.onmessage = (message) => { done(message.data); source.close(); };
                    source.onerror = () => { done("error"); source.close(); };
                })""",
                f"/events?access_token={it.token}&a=1",
            )
        headers = (await heard.value).headers
        assert event == "hello"
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "max-age=60, private")
        assert it.api.requests[-1] == ("GET", "/events", "alice")
        assert it.api.heads[-1].startswith("/events?a=1 ")


ASK = """async ([url, options]) => {
    try { const response = await fetch(url, options); return [response.type, response.status]; }
    catch (error) { return [error.name, 0]; }
}"""
INCLUDED = {"credentials": "include", "mode": "no-cors"}


async def test_a_cookie_is_for_pages_of_its_own_site(
    browser: BrowserContext, issuer: DemoIssuer, tmp_path: Path
) -> None:
    async with world(browser, issuer, tmp_path) as it:
        await log_in(it)
        page = await it.page(f"{it.gateway.url}/page")
        assert await page.evaluate(ASK, ["/orders", {"method": "POST"}]) == ["basic", 200]
        assert await page.evaluate(ASK, ["/orders", {}]) == ["basic", 200]
        url = f"{it.gateway.url.replace('http:', 'ws:')}/live"
        assert await page.evaluate(SPEAK, [url, ["chat"]]) == ["chat", "hello"]
        async with page.expect_navigation():
            await page.evaluate("document.forms[0].submit()")
        assert it.api.requests[-1] == ("POST", "/orders", "alice")


async def test_a_page_of_another_site_does_not_ride_on_a_cookie(
    browser: BrowserContext, issuer: DemoIssuer, tmp_path: Path
) -> None:
    async with world(browser, issuer, tmp_path) as it:
        await log_in(it)
        page = await it.page(it.stranger)
        came = len(it.api.requests)
        # Opaque to the page: what became of it the log knows, and that the cookie was there.
        await page.evaluate(ASK, [f"{it.gateway.url}/fetched", {"method": "POST", **INCLUDED}])
        await page.evaluate(ASK, [f"{it.gateway.url}/read", INCLUDED])
        url = f"{it.gateway.url.replace('http:', 'ws:')}/live"
        assert await page.evaluate(SPEAK, [url, ["chat"]]) == ["error", ""]
        await page.evaluate(
            """(url) => { document.body.innerHTML = `<iframe src="${url}"></iframe>` }""", f"{it.gateway.url}/framed"
        )
        for method, path in (("POST", "/fetched"), ("GET", "/read"), ("GET", "/live"), ("GET", "/framed")):
            record = await it.logged("cross_site_request", method, path)
            assert (record["status"], record["place"]) == (403, f"cookie {COOKIE}")
        async with page.expect_navigation() as posted:
            await page.evaluate(
                """(url) => { document.body.innerHTML = `<form method=post action="${url}"></form>`;
                    document.forms[0].submit(); }""",
                f"{it.gateway.url}/posted",
            )
        response = await posted.value
        assert response is not None
        assert (response.status, (await response.json())["reason"]) == (403, "cross_site_request")
        assert len(it.api.requests) == came
        # A link is followed.
        linking = await it.page(it.stranger)
        async with linking.expect_navigation():
            await linking.evaluate("(url) => { location.href = url }", f"{it.gateway.url}/linked")
        assert it.api.requests[-1] == ("GET", "/linked", "alice")
