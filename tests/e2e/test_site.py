"""`make site`: no link is broken, whatever it leads to; it can be searched; and nothing comes from elsewhere when somebody reads it."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.async_api import async_playwright, expect

from tests.test_site import FOLDER, FORGE, ROOT, named

#: milliseconds
PATIENCE = 30_000
#: no name leads anywhere: what would be asked of somebody else is seen, and fails
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


class Page(HTMLParser):
    """What of a page leads elsewhere, what can be led to, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        #: what a browser gets by itself
        self.resources: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []
        self._code = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        self._code += tag in {"code", "script", "style"}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in {"canonical", "prev", "next"}:
            self.resources.append(found.get("href", ""))
        self.resources += [found[name] for name in ("src", "srcset", "data", "poster") if found.get(name)]

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in {"code", "script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.words.append(data)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` does it: strictly."""
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        str(FOLDER / "mkdocs.yml"),
        "-d",
        str(target),
    ]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in built.rglob("*.html")}


def test_each_page_is_built_and_can_be_searched(built: Path, pages: dict[Path, Page]) -> None:
    assert {path.name for path in pages} >= {page.replace(".md", ".html") for page in named()}
    index = json.loads((built / "search" / "search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert found >= {page.replace(".md", ".html") for page in named()}
    assert any("unclassified_token" in entry["text"] for entry in index["docs"])


def test_no_link_is_broken(built: Path, pages: dict[Path, Page]) -> None:
    broken = list(_broken(built, pages))
    assert broken == []


def _broken(built: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root, wherever that is
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                # What is no page of the site stands on the forge, in this very tree.
                named_there = link.removeprefix(FORGE).partition("#")[0].split("/main/")
                if link.startswith(FORGE) and not (len(named_there) == 2 and (ROOT / named_there[1]).exists()):
                    yield f"{path.name}: {link}"
                continue
            meant = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if meant.is_dir():
                meant /= "index.html"
            if not meant.is_relative_to(built) or not meant.exists():
                yield f"{path.name}: {link}"
            elif parts.fragment and meant in pages and unquote(parts.fragment) not in pages[meant].anchors:
                yield f"{path.name}: {link} (no such anchor)"


def test_nothing_comes_from_elsewhere_when_somebody_reads(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        elsewhere = [resource for resource in page.resources if re.match(r"(?:[a-z]+:)?//", resource)]
        assert elsewhere == [], path.name
        # The theme asks the forge for its stars where there is one.
        assert 'data-md-component="source"' not in path.read_text(), path.name


def test_what_a_forge_shows_as_a_list_or_a_block_is_one(pages: dict[Path, Page]) -> None:
    odd = {
        path.name: text[:80]
        for path, page in pages.items()
        for text in page.words
        if re.search(r"^\s*(?:```|- \S|\|[ :]?-{2,})", text, re.MULTILINE) or "](" in text
    }
    assert odd == {}


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def served(built: Path) -> Iterator[str]:
    """Where a browser finds it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(built)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_browser_finds_a_page_by_its_words_and_asks_nobody_else(served: str) -> None:
    asked: list[str] = []
    async with asyncio.timeout(100), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{served}/index.html")
        # The navigation is by what a reader wants.
        for tab in ("Start", "Deploy", "Protect", "Operate", "Understand", "Reference"):
            await expect(page.locator(".md-tabs__link", has_text=tab)).to_be_visible(timeout=PATIENCE)
        search = page.locator(".md-search__input")
        found = page.locator(".md-search-result__link[href*='commands.html']").first
        await search.click()
        while not await found.is_visible():
            # What is written before the index is there may not be looked for.
            await search.fill("")
            await search.press_sequentially("rehearse")
            with contextlib.suppress(AssertionError):
                await expect(found).to_be_visible(timeout=5_000)
        await found.click()
        await expect(page).to_have_url(re.compile(r"/commands\.html"), timeout=PATIENCE)
        await browser.close()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []
