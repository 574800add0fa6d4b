"""docs/ as a site: every page is where a reader looks for it, and what builds it is locked. tests/e2e/test_site.py builds it."""

import re
from pathlib import Path

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
