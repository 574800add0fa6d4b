"""`make site`: every page is where a reader looks for it, no link is broken, and nothing comes from elsewhere."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.locks import SITE
from tests.test_locks import check_closure, check_installed

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "site"
#: what a reader wants, in this order
WANTED = ["Start", "Deploy", "Protect", "Operate", "Understand", "Reference"]
FORGE = "https://github.com/bearer-gateway/bearer-gateway/"


def named() -> list[str]:
    """The pages that the navigation names."""
    text = (FOLDER / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    return re.findall(r": (\S+\.md)$", text, re.MULTILINE)


def test_every_page_is_in_the_navigation_once() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    made = {"index.md", "changelog.md", "security.md"}
    assert sorted(pages - set(named())) == [], "not in the navigation of docs/site/mkdocs.yml"
    assert sorted(set(named()) - pages - made) == [], "in the navigation of docs/site/mkdocs.yml, and not in docs/"
    assert len(named()) == len(set(named()))


def test_the_navigation_is_by_what_a_reader_wants() -> None:
    text = (FOLDER / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    assert re.findall(r"^  - (\w+):$", text, re.MULTILINE) == WANTED


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


def test_what_builds_it_is_what_is_locked() -> None:
    check_closure(SITE)
    check_installed(SITE)


def test_links_mean_the_same_on_a_forge_and_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import forge  # noqa: PLC0415

    told = {
        ("docs/routes.md#asking-why", "README.md"): "routes.md#asking-why",
        ("routes.md", "docs/http.md"): "routes.md",
        ("../SECURITY.md", "docs/http.md"): "security.md",
        ("../README.md#run-it", "docs/http.md"): "index.md#run-it",
        ("gateway/gate.py", "README.md"): f"{FORGE}blob/main/gateway/gate.py",
        ("../deploy", "docs/http.md"): f"{FORGE}tree/main/deploy",
        ("#here", "docs/http.md"): "#here",
        ("https://a.example/b", "docs/http.md"): "https://a.example/b",
        ("nowhere.txt", "README.md"): "nowhere.txt",
        ("../../etc/passwd", "docs/http.md"): "../../etc/passwd",
    }
    for (link, source), expected in told.items():
        assert forge.target(link, source) == expected
