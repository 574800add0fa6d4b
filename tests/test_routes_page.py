"""What docs/routes.md shows of `check` and `explain` is what they print."""

import json
import re
import shlex
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.demo.issuer import DemoIssuer
from tests.wire import demo_issuer

ROOT = Path(__file__).parents[1]


@pytest.fixture
def issuer() -> DemoIssuer:
    return demo_issuer()


def configured(directory: Path, issuer: DemoIssuer, block: str) -> str:
    (directory / "jwks.json").write_text(json.dumps(issuer.jwks()))
    path = directory / "gateway.yaml"
    path.write_text(f"""
upstream: http://127.0.0.1:3000
issuers: [{{issuer: "{issuer.url}", audience: "{issuer.audience}", jwks_file: {directory}/jwks.json, name: demo}}]
{block}""")
    return str(path)


def routes_page() -> list[tuple[str, list[str], list[str]]]:
    """The configuration that holds where a command is shown, its words, and the lines that it prints there."""
    found, configuration = [], ""
    page = (ROOT / "docs" / "routes.md").read_text()
    for language, block in re.findall(r"^```(yaml|console)\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        if language == "yaml":
            configuration = configuration if not block.startswith("routes:") else block
            continue
        first, *lines = block.splitlines()
        found.append((configuration, shlex.split(first.removeprefix("$ bearer-gateway ")), lines))
    return found


def first_routes() -> str:
    """Those that the page begins with, and asks about at its end."""
    page = (ROOT / "docs" / "routes.md").read_text()
    return str(re.findall(r"^```yaml\n(routes:.*?)^```", page, re.DOTALL | re.MULTILINE)[0])


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(words)
    return capsys.readouterr().out.splitlines()


def test_check_prints_the_requests_that_the_page_shows(
    tmp_path: Path, issuer: DemoIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    (block, lines) = next((block, lines) for block, words, lines in routes_page() if words[0] == "check")
    told = printed(["check", "--config", configured(tmp_path, issuer, block)], capsys)
    assert [line for line in told if "is taken by" in line] == lines


def test_explain_prints_the_table_that_the_page_shows(
    tmp_path: Path, issuer: DemoIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = next(lines for _, words, lines in routes_page() if "--table" in words)
    told = printed(["explain", "--table", "--config", configured(tmp_path, issuer, first_routes())], capsys)
    assert [line.split() for line in told] == [line.split() for line in lines]


def test_explain_asks_step_by_step_as_the_page_shows(
    tmp_path: Path, issuer: DemoIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = next(lines for _, words, lines in routes_page() if words[0] == "explain" and "--table" not in words)
    (tmp_path / "token").write_text(issuer.id_token())
    words = [
        "explain",
        "--config",
        configured(tmp_path, issuer, first_routes()),
        "--url",
        "/orders/1",
        f"{tmp_path}/token",
    ]
    told = printed(words, capsys)
    heads = [line.split()[:2] for line in lines if line[:1] in "✓✗·"]
    assert [line.split()[:2] for line in told if line[:1] in "✓✗·"][: len(heads)] == heads
    assert told[-1] == lines[-1]
