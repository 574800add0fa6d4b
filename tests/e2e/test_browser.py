"""A single-page app in a real browser, on an origin of its own: it logs in, and calls the API through the gateway."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio
from aiohttp import web
from oidc.provider import API, HERE, SPA_CLIENT, SUBJECT, oidc_provider
from playwright.async_api import Browser, Page, async_playwright, expect
from process import ROOT, serving

from gateway.demo.echo import EchoApi

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
