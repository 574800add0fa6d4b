"""The console's page in a real browser: every part, by keyboard too, for whoever cannot see it, and for nobody else's page."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from npm import install
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from process import ROOT, GatewayProcess, serving
from test_console import written

from gateway.core.config.console import ConsoleSection
from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from gateway.process.console.key import ask_key
from tests.redis_server import free_port

AXE = Path(__file__).parent / "axe"
ARTIFACTS = ROOT / "tests" / "artifacts"
#: milliseconds
PATIENCE = 15_000
RULES = "MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", f"--host-resolver-rules={RULES}"]
#: seconds of traffic before the pictures for docs/ are taken; only then is it worth them
PICTURES = float(os.environ.get("CONSOLE_PICTURES", "0"))

expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield found
        await found.close()


@dataclass
class Opened:
    gateway: GatewayProcess
    url: str
    key: str


@asynccontextmanager
async def console(config: Path) -> AsyncIterator[Opened]:
    async with serving(config=str(config)) as gateway:
        # As the command does, which test_console.py runs.
        section = ConsoleSection(address="127.0.0.1:0", socket=str(config.parent / "console.sock"))
        url, key = await asyncio.to_thread(ask_key, section, os.environ)
        gateway.secrets.append(key)
        yield Opened(gateway, url, key)


async def entered(context: Browser | BrowserContext, opened: Opened, **more: Any) -> Page:
    """The page, open."""
    page = await context.new_page(**more)
    page.set_default_timeout(PATIENCE)
    await page.goto(opened.url)
    await page.fill("#key", opened.key)
    await page.press("#key", "Enter")
    await expect(page.locator("body[data-open]")).to_be_attached()
    return page


async def wrong_for_some(page: Page) -> list[str]:
    """What axe-core finds."""
    install(AXE)
    await page.evaluate((AXE / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = await page.evaluate("async () => (await axe.run(document)).violations")
    return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found for node in one["nodes"]]


async def too_wide(page: Page) -> list[str]:
    """What stands out of the window at its side."""
    found: list[str] = await page.evaluate(
        """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
            [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > innerWidth && !one.closest(".wide, .scroll"))
            .map(one => one.outerHTML.slice(0, 100))"""
    )
    return found


async def picture(page: Page, name: str, **more: Any) -> None:
    """Among the artifacts; in docs/ when somebody wants new ones."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / name, **more)
    if PICTURES:
        shutil.copy(ARTIFACTS / name, ROOT / "docs" / name)


async def some_traffic(opened: Opened, issuer: DemoIssuer) -> None:
    """Some that is admitted, and some of what clients do wrong."""
    ask = opened.gateway.ask
    orders = issuer.access_token()
    for number in range(12):
        await ask(orders, path=f"/orders/{number}")
    await ask(issuer.id_token(azp="spa", aud="spa"), path="/orders")
    await ask(issuer.access_token(aud="https://other.example", client_id="reports"), path="/reports/7")
    await ask(path="/orders/1")
    await ask("nonsense", path="/orders/2")


async def test_every_part_of_the_page_works(browser: Browser, issuer: DemoIssuer, api: EchoApi, tmp_path: Path) -> None:
    async with console(
        written(tmp_path, issuer, api, "revocation: {}\nroutes: [{path: /orders/*, name: orders}]\n")
    ) as opened:
        await opened.gateway.ready()
        until = asyncio.get_running_loop().time() + PICTURES
        await some_traffic(opened, issuer)
        while asyncio.get_running_loop().time() < until:
            await some_traffic(opened, issuer)
            await asyncio.sleep(1.0)
        page = await browser.new_page(viewport={"width": 1180, "height": 900})
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_default_timeout(PATIENCE)
        await page.goto(opened.url)
        # The key, and what is none.
        assert await wrong_for_some(page) == []
        await page.fill("#key", "wrong")
        await page.click("#key-form button")
        await expect(page.locator("#key-wrong")).to_have_text("This is not the key.")
        assert problems.pop().startswith("Failed to load resource")
        await page.fill("#key", opened.key)
        await page.click("#key-form button")
        await expect(page.locator("#ready")).to_have_text("ready")
        # What is wrong, in sentences.
        findings = page.locator("#findings")
        await expect(findings).to_contain_text("Client spa sends an ID token instead of an access token")
        await expect(findings).to_contain_text("Client reports sends tokens that are for another API")
        # Traffic, and the numbers behind it.
        for chart in ("rate", "own", "upstream"):
            await expect(page.locator(f"#{chart} path.line").first).to_be_attached()
        await page.click("#rate summary")
        await expect(page.locator("#rate tbody tr").first).to_contain_text(":")
        await page.click("#rate summary")
        await expect(page.locator("#reasons")).to_contain_text("wrong_audience")
        await expect(page.locator("#reasons .state").first).to_have_text("new")
        # Whom it depends on.
        await expect(page.locator("#issuers .state")).to_have_text("ok")
        await page.click("#issuers button")
        await expect(page.locator("#done")).to_contain_text("were fetched")
        await expect(page.locator("#upstreams .state")).to_have_text("ok")
        # Refusals, with a filter, and why.
        await expect(page.locator("#refused li")).to_have_count(4, timeout=PATIENCE) if not PICTURES else None
        await page.fill("#filter", "spa id_token")
        await expect(page.locator("#refusals-count")).to_contain_text("1 of 4") if not PICTURES else None
        await page.locator("#refused .why").first.click()
        await expect(page.locator("#refused .because").first).to_contain_text("Have it send the access token")
        if PICTURES:
            await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
            await picture(page, "console.png")
            await page.set_viewport_size({"width": 1000, "height": 420})
            await page.evaluate("document.querySelector('#refusals').scrollIntoView({ behavior: 'instant' })")
            await picture(page, "console-why.png")
            await page.set_viewport_size({"width": 1180, "height": 900})
        await page.fill("#filter", "")
        # A token, explained; and revoked, and good again.
        token = issuer.access_token()
        opened.gateway.secrets.append(token)
        await page.fill("#token", token)
        await page.fill("#url", "/orders/1")
        await page.click("#explain-form button")
        await expect(page.locator("#explained h3").first).to_have_text("Admitted")
        await expect(page.locator("#token")).to_have_value("")
        await page.select_option("#what", "token")
        await page.fill("#value", token)
        await page.click("#revoke-form button")
        await expect(page.locator("#done")).to_have_text("Revoked.")
        assert (await opened.gateway.ask(token))[0] == 401
        await page.click("#revoked button")
        await expect(page.locator("#done")).to_have_text("Lifted: such tokens are good again.")
        assert (await opened.gateway.ask(token))[0] == 200
        await page.click("#reload")
        await expect(page.locator("#done")).not_to_be_empty()
        # For whoever cannot see it, in both themes, and on a telephone.
        await page.click("#own summary")
        for width in (1180, 400):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await too_wide(page) == []
            for _ in range(2):
                assert await wrong_for_some(page) == []
                await page.click("#theme")
        await page.click("#theme")
        await page.evaluate(
            "scrollTo({ top: 0, behavior: 'instant' }); document.querySelector('#done').textContent = ''"
        )
        await picture(page, "console-dark.png")
        # The key is kept for this tab only, and is forgotten when it is told to.
        await page.reload()
        await expect(page.locator("#ready")).to_have_text("ready")
        await page.click("#leave")
        await expect(page.locator("#open")).to_be_hidden()
        assert await page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
        assert await page.evaluate("sessionStorage.getItem('bearer-gateway-console-key')") is None
        assert [one for one in problems if not one.startswith("Failed to load resource")] == []


async def test_by_keyboard_alone(browser: Browser, issuer: DemoIssuer, api: EchoApi, tmp_path: Path) -> None:
    async with console(written(tmp_path, issuer, api)) as opened:
        await opened.gateway.ready()
        await some_traffic(opened, issuer)
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE)
        await page.goto(opened.url)

        async def tab_to(selector: str) -> None:
            for _ in range(80):
                await page.keyboard.press("Tab")
                if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
                    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                    assert outline != "none"
                    return
            pytest.fail(f"no way to {selector}")

        await tab_to(".skip")
        await tab_to("#key")
        await page.keyboard.type(opened.key)
        await page.keyboard.press("Enter")
        await expect(page.locator("body[data-open]")).to_be_attached()
        await expect(page.locator("#refused li").first).to_be_attached()
        assert await page.evaluate("document.activeElement.id") == "main"
        await tab_to("#rate summary")
        await page.keyboard.press("Enter")
        await expect(page.locator("#rate table")).to_be_visible()
        await tab_to("#rate .scroll")
        await tab_to("#issuers button")
        # What is shown anew each time leaves the focus where it is.
        for _ in range(2):
            async with page.expect_response("**/api/status"):
                pass
        assert await page.evaluate("document.activeElement.textContent") == "Refresh"
        await tab_to("#filter")
        await page.keyboard.type("wrong_audience")
        await tab_to("#refused .why")
        await page.keyboard.press("Enter")
        await expect(page.locator("#refused .because").first).to_be_visible()
        await expect(page.locator("#refused .why").first).to_have_attribute("aria-expanded", "true")
        await tab_to("#token")
        await page.keyboard.type("nonsense")
        await tab_to("#explain-form button")
        await page.keyboard.press("Enter")
        await expect(page.locator("#explained")).to_contain_text("Refused: 401 token_malformed")


async def test_pages_of_others_get_nowhere(browser: Browser, issuer: DemoIssuer, api: EchoApi, tmp_path: Path) -> None:
    async with console(written(tmp_path, issuer, api, "revocation: {}\n")) as opened:
        port = opened.url.rpartition(":")[2].strip("/")
        page = await browser.new_page()
        # A name of somebody else leads here, all of a sudden.
        response = await page.goto(f"http://evil.example:{port}/")
        assert response is not None
        assert response.status == 421
        assert opened.key not in await response.text()
        # A page of another origin, even one that has the key.
        await page.goto(f"http://127.0.0.1:{api.url.rpartition(':')[2]}/")
        call = """([url, key, method, type]) => fetch(url, { method, body: method === "GET" ? undefined : "{}",
            headers: { ...(key && { Authorization: `Bearer ${key}` }), ...(type && { "Content-Type": type }) } })
            .then(r => r.status, e => e.name)"""
        for key, method, kind in (
            ("", "GET", ""),
            (opened.key, "GET", ""),
            (opened.key, "POST", "application/json"),
            ("", "POST", "text/plain"),
        ):
            assert await page.evaluate(call, [f"{opened.url}api/revocations", key, method, kind]) == "TypeError"
        # Nor in a frame.
        await page.evaluate(
            "url => new Promise(done => { const f = document.createElement('iframe'); f.onload = done; f.src = url; document.body.append(f) })",
            opened.url,
        )
        for frame in page.frames[1:]:
            assert "Key of the console" not in await frame.content()


CASES = ("audience", "id token", "issuer", "issuer of tokens", "provider", "clock", "api")
#: of them
AT_ONCE = 3


@pytest.mark.timeout(400)
async def test_a_set_up_that_is_broken_is_said_to_be_so(browser: Browser, tmp_path: Path) -> None:
    # One browser for all, which takes longer to start than they do; a few at a time, since each waits for what is looked at every so often.
    turns = asyncio.Semaphore(AT_ONCE)

    async def try_one(case: str) -> None:
        async with turns:
            (tmp_path / case).mkdir()
            await tried(case, browser, tmp_path / case)

    async with asyncio.TaskGroup() as trying:
        for case in CASES:
            trying.create_task(try_one(case))


async def tried(case: str, browser: Browser, tmp_path: Path) -> None:
    """A gateway in one of these set-ups: what the API and the page say of it."""
    clock = 600.0 if case == "clock" else 0.0
    issuer = DemoIssuer(clock=lambda: time.time() + clock)
    api = EchoApi()
    await issuer.start()
    await api.start()
    try:
        url = issuer.url
        says: tuple[str, ...] = ()
        token: str | None = issuer.access_token(client_id="spa")
        config = written(tmp_path, issuer, api)
        text = config.read_text()
        if case == "audience":
            token = issuer.access_token(client_id="spa", aud="https://graph.example")
            says = ("Client spa sends tokens that are for another API", "https://graph.example", issuer.audience)
        elif case == "id token":
            token = issuer.id_token(azp="spa", aud="spa")
            says = ("Client spa sends an ID token",)
        elif case == "issuer":
            other = url.replace("127.0.0.1", "localhost")
            config.write_text(text.replace(url, other))
            says = (f"configured as {other}", f"names another issuer than the configured one, '{url}'")
        elif case == "issuer of tokens":
            token = issuer.access_token(client_id="spa", iss="https://sso.example")
            says = ("Client spa sends tokens of an issuer that is not configured", "https://sso.example", url)
        elif case == "provider":
            gone = f"http://127.0.0.1:{free_port()}"
            config.write_text(text.replace(url, gone))
            says = (f"configured as {gone}", "it cannot be reached (ECONNREFUSED)")
        elif case == "clock":
            says = ("from the future, the last by 10 minutes",)
        else:
            gone = f"http://127.0.0.1:{free_port()}"
            config.write_text(text.replace(api.url, gone))
            says = ("The API (upstream default) fails", gone)
        async with console(config) as opened:
            page = await entered(browser, opened)
            await opened.gateway.ask(token, path="/orders/1")
            findings = page.locator("#findings")
            for words in says:
                await expect(findings).to_contain_text(words)
            async with page.expect_response("**/api/status") as awaited:
                pass
            status = await (await awaited.value).json()
            assert any(all(words in one["says"] for words in says) for one in status["findings"])
            assert all(one["advice"] for one in status["findings"]), case
            await page.close()
    finally:
        await issuer.stop()
        await api.stop()
