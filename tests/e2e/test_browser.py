"""A single-page app in a real browser, on an origin of its own: it logs in, and calls the API through the gateway."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web
from oidc.provider import API, HERE, SPA_CLIENT, SUBJECT, oidc_provider
from playwright.async_api import Browser, Page, async_playwright, expect
from process import ROOT, serving

from gateway.core.token.keys import parse_key
from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.redis_server import free_port

ARTIFACTS = ROOT / "tests" / "artifacts"
PAGE = Path(__file__).parent / "spa" / "index.html"
BUNDLE = HERE / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"
#: milliseconds
PATIENCE = 15_000
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

expect.set_options(timeout=PATIENCE)


class Site:
    """Serves the app: a page, a library, and where everything is."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.origin = ""

    async def index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE)

    async def bundle(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(BUNDLE)

    async def tell(self, request: web.Request) -> web.Response:
        return web.json_response(self.settings)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    running = Site()
    application = web.Application()
    application.router.add_get("/", running.index)
    application.router.add_get("/oidc-client-ts.js", running.bundle)
    application.router.add_get("/settings.json", running.tell)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield running
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield found
        await found.close()


async def opened(browser: Browser, origin: str) -> Page:
    page = await browser.new_page(viewport={"width": 900, "height": 620})
    page.set_default_timeout(PATIENCE)
    await page.goto(origin)
    await expect(page.locator("body[data-ready]")).to_be_attached()
    return page


async def called(page: Page, button: str) -> str:
    """What the page shows of a call."""
    await page.click(f"#{button}")
    response = page.locator(f"dd[data-call={button}]").last
    await expect(response).not_to_be_empty()
    return await response.inner_text()


async def log_in(page: Page) -> None:
    """Through the provider's own pages."""
    await page.click("#login")
    await page.fill("input[name=login]", SUBJECT)
    await page.fill("input[name=password]", "any")
    await page.click("button[type=submit]")
    await page.click("button[type=submit]")  # consent
    await expect(page.locator("#who")).to_have_text(f"Signed in as {SUBJECT}.")


async def test_a_page_on_another_origin_logs_in_and_calls_the_api(
    browser: Browser, api: EchoApi, tmp_path: Path
) -> None:
    config = tmp_path / "gateway.yaml"
    async with site() as app, site() as stranger, oidc_provider(spa=app.origin) as provider:
        config.write_text(f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstream: {api.url}
issuers: [{{issuer: "{provider.issuer}", audience: "{API}"}}]
routes:
  - {{path: /orders/*, methods: [PUT], scopes: [read:orders]}}
cors:
  origins: ["{app.origin}"]
""")
        async with serving(config=str(config)) as gateway:
            await gateway.ready()
            app.settings = stranger.settings = {
                "issuer": provider.issuer,
                "clientId": SPA_CLIENT,
                "resource": API,
                "api": gateway.url,
            }
            page = await opened(browser, app.origin)
            assert await called(page, "none") == '401 missing_credential: Bearer realm="api"'
            await log_in(page)
            gateway.secrets += await page.evaluate("window.tokens")
            assert await called(page, "access") == f"200: the API was called by {SUBJECT}"
            refused = await called(page, "id")
            assert refused.startswith('401 id_token: Bearer realm="api", error="invalid_token"')
            ARTIFACTS.mkdir(exist_ok=True)
            await page.screenshot(path=ARTIFACTS / "browser.png")

            elsewhere = await opened(browser, stranger.origin)
            assert await called(elsewhere, "none") == "TypeError: Failed to fetch"
            log = gateway.output.decode()
            assert log.count('"method":"OPTIONS"') >= 2
            assert (
                '"method":"OPTIONS","path":"/orders/1","status":204,"route":"PUT /orders/*","outcome":"admitted"' in log
            )


def documented(language: str) -> str:
    """The ready client of docs/dpop.md in this language."""
    found = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / "dpop.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


async def test_the_documented_page_proves_that_a_token_is_its_own_with_a_key_that_nobody_can_read(
    browser: Browser, api: EchoApi, issuer: DemoIssuer, tmp_path: Path
) -> None:
    config, secret = tmp_path / "gateway.yaml", tmp_path / "nonce-key"
    secret.write_text("k" * 32)
    url = f"http://127.0.0.1:{free_port()}"
    async with site() as app:
        config.write_text(f"""
listen: {url.removeprefix("http://")}
admin: 127.0.0.1:0
external_url: {url}
upstream: {api.url}
dpop: {{nonce: required, nonce_key: {{file: "{secret}"}}}}
issuers: [{{issuer: "{issuer.url}", audience: "{issuer.audience}", binding: dpop}}]
cors:
  origins: ["{app.origin}"]
""")
        async with serving(config=str(config)) as gateway:
            await gateway.ready()
            page = await browser.new_page()
            page.set_default_timeout(PATIENCE)
            await page.goto(f"{app.origin}/settings.json")
            told = """
                window.client = { jwk: { kty, crv, x, y }, proof, readable: keys.privateKey.extractable,
                    call: async (...given) => { const r = await call(...given); return [r.status, nonce !== undefined] } }
                window.dispatchEvent(new Event("told"))
            """
            await page.evaluate(
                """code => new Promise(done => {
                    window.addEventListener("told", done, { once: true })
                    const script = document.createElement("script")
                    script.type = "module"
                    script.textContent = code
                    document.head.append(script)
                })""",
                documented("js") + told,
            )
            jwk = await page.evaluate("window.client.jwk")
            assert await page.evaluate("window.client.readable") is False
            token = issuer.access_token(cnf={"jkt": parse_key(jwk).thumbprint})
            gateway.secrets.append(token)
            calling = "([url, token, more]) => window.client.call(url, token, more)"
            for path, more in (("/orders/1?a=b", {}), ("/orders/2", {"method": "PUT", "body": "{}"}), ("/a%2fb", {})):
                assert await page.evaluate(calling, [url + path, token, more]) == [200, True]
            # Of another key, and of none.
            for cnf in ({"jkt": "x" * 43}, None):
                other = issuer.access_token() if cnf is None else issuer.access_token(cnf=cnf)
                gateway.secrets.append(other)
                assert await page.evaluate(calling, [f"{url}/orders/1", other, {}]) == [401, True]
            log = gateway.output.decode()
            # The first is asked for a nonce, and no other.
            assert log.count('"reason":"use_dpop_nonce"') == 1
            assert log.count('"outcome":"admitted","evidence"') >= 3
            assert log.count('"reason":"proof_mismatch"') == log.count('"reason":"token_not_bound"') == 1


async def test_the_documented_client_in_python_does_so_as_well(
    api: EchoApi, issuer: DemoIssuer, tmp_path: Path
) -> None:
    config, secret = tmp_path / "gateway.yaml", tmp_path / "nonce-key"
    secret.write_text("k" * 32)
    url = f"http://127.0.0.1:{free_port()}"
    config.write_text(f"""
listen: {url.removeprefix("http://")}
admin: 127.0.0.1:0
external_url: {url}
upstream: {api.url}
dpop: {{nonce: required, nonce_key: {{file: "{secret}"}}}}
issuers: [{{issuer: "{issuer.url}", audience: "{issuer.audience}"}}]
""")
    async with serving(config=str(config)) as gateway:
        await gateway.ready()
        world: dict[str, Any] = {}
        exec(documented("python"), world)
        token = issuer.access_token(cnf={"jkt": world["key"].thumbprint()})
        gateway.secrets.append(token)
        client = world["DPoP"](token)
        for _ in range(2):
            assert (await asyncio.to_thread(world["call"], "POST", f"{url}/orders/1?a=b", client, b"{}"))[0] == 200
        assert gateway.output.decode().count('"reason":"use_dpop_nonce"') == 1
