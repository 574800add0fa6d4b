"""What others build on stays: metrics, log fields, reasons, keys and their defaults, what `explain --json` has, anchors.

tests/data/promised.json was taken from commit 84e7e12, before the modules moved into rooms. There may be more than it
has, never less. It is changed by hand, together with a line in CHANGELOG.md that says what is gone.
"""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.log import Log
from gateway.core.config.schema import schema
from gateway.core.errors import reasons
from gateway.observe.access_line import AccessLine
from gateway.observe.log import set_up_logging
from gateway.observe.metrics.metrics import Metrics
from gateway.settings.variables import CONFIG, paths_of, variables_of
from tests.wire import demo_issuer, good_token

ROOT = Path(__file__).parents[1]
PROMISED: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "promised.json").read_text())
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: a request that passes over one route and takes another
EXPLAINED = """
upstream: http://127.0.0.1:3000
issuers: [{{issuer: {issuer}, audience: {audience}, jwks_file: {jwks}}}]
routes: [{{path: /orders/*}}, {{path: /*}}]
"""


def metrics() -> dict[str, list[str]]:
    """The name of each metric, as a scraper sees it, and its labels."""
    found = {}
    collector: Any
    for collector in Metrics(("login",)).registry._collector_to_names:
        for metric in collector.describe():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            found[name] = list(collector._labelnames)
    return found


def log_fields() -> list[str]:
    """The fields of the program's own log in a worker, where an exception is told."""
    root = logging.getLogger()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    try:
        set_up_logging(Log(), stream, worker=1)
        try:
            raise ValueError
        except ValueError:
            logging.getLogger("gateway").exception("told")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    return list(json.loads(stream.getvalue()))


def keys() -> dict[str, dict[str, Any]]:
    """Each key of the configuration by its path; its default, whether it is required, and words that it takes."""
    made = schema()
    return dict(_keys(made, "", made["$defs"]))


def _keys(section: dict[str, Any], path: str, definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, member in section["properties"].items():
        inner = f"{path}.{key}" if path else key
        told: dict[str, Any] = {"required": True} if key in section.get("required", ()) else {}
        if "default" in member:
            told["default"] = member["default"]
        if words := sorted(
            word for form in member.get("anyOf", [member]) for word in form.get("enum", ()) if isinstance(word, str)
        ):
            told["words"] = words
        yield inner, told
        yield from _members(member, inner, definitions)


def _members(form: dict[str, Any], path: str, definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The keys of the sections that a value of this form may have in it."""
    if "$ref" in form:
        yield from _keys(definitions[form["$ref"].rpartition("/")[2]], path, definitions)
    for one in form.get("anyOf", ()):
        yield from _members(one, path, definitions)
    if isinstance(form.get("items"), dict):
        yield from _members(form["items"], f"{path}[]", definitions)
    if isinstance(form.get("additionalProperties"), dict):
        yield from _members(form["additionalProperties"], f"{path}.NAME", definitions)


def explained(directory: Path) -> dict[str, list[str]]:
    """The members of what `explain --json` prints, and of the objects in it."""
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    (directory / "token").write_text(good_token())
    (directory / "gateway.yaml").write_text(
        EXPLAINED.format(issuer=demo_issuer().url, audience=demo_issuer().audience, jwks=directory / "jwks.json")
    )
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "explain", "--json", "--config", directory / "gateway.yaml", directory / "token"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    return {"": list(told), **{name: list(told[name][0]) for name in ("steps", "passed_over")}}


def anchors(page: Path) -> list[str]:
    """What links may name in a page, as GitHub makes it of its headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    seen: dict[str, int] = {}
    found = []
    for heading in re.findall(r"^#{1,6} +(.+?) *#* *$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.append(f"{anchor}-{seen[anchor]}" if anchor in seen else anchor)
        seen[anchor] = seen.get(anchor, 0) + 1
    return found


@pytest.mark.parametrize(("name", "labels"), PROMISED["metrics"].items())
def test_a_metric_keeps_its_name_and_its_labels(name: str, labels: list[str]) -> None:
    assert metrics()[name] == labels


def test_a_line_of_the_access_log_keeps_its_fields() -> None:
    assert set(PROMISED["access_log"]) <= set(AccessLine.__struct_fields__)


def test_a_line_of_the_log_keeps_its_fields() -> None:
    assert set(PROMISED["log"]) <= set(log_fields())


@pytest.mark.parametrize(("reason", "told"), PROMISED["reasons"].items())
def test_a_reason_keeps_its_status_and_its_code(reason: str, told: dict[str, Any]) -> None:
    kind = reasons()[reason]
    assert {"status": kind.status, "code": kind.code} == told


def test_a_key_of_the_configuration_keeps_its_path_its_default_and_its_words() -> None:
    now = keys()
    for path, told in PROMISED["configuration"].items():
        assert path in now
        assert now[path].get("default", "none") == told.get("default", "none"), path
        assert now[path].get("required") == told.get("required"), path
        assert set(told.get("words", ())) <= set(now[path].get("words", ())), path


def test_a_required_key_is_no_addition() -> None:
    # Inside a section that is new it is one.
    promised = PROMISED["configuration"]
    for path, told in keys().items():
        section = path.rpartition(".")[0]
        known = not section or any(other.startswith(f"{section}.") for other in promised)
        assert path in promised or not (known and told.get("required")), path


def test_a_variable_keeps_its_name_and_its_key() -> None:
    assert PROMISED["variables"].items() <= {CONFIG: "", **paths_of(variables_of())}.items()


def test_what_explain_prints_for_machines_keeps_its_members(tmp_path: Path) -> None:
    now = explained(tmp_path)
    for name, members in PROMISED["explain"].items():
        assert set(members) <= set(now[name])


@pytest.mark.parametrize(("page", "promised"), PROMISED["anchors"].items())
def test_a_page_keeps_its_anchors(page: str, promised: list[str]) -> None:
    assert set(promised) <= set(anchors(ROOT / page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_leads_there(page: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", page.read_text()):
        assert anchor in anchors(page.parent / file if file else page), f"{file}#{anchor}"
