"""What is kept of a run: a column for each processor, and the page and the picture that are made of all."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.machine import Processor, machine, processor, versions
from tests.bench.picture import PICTURE, picture
from tests.bench.report import PAGE, kept_part, page
from tests.bench.results import FULL_LOAD, SHARED, Line, Result, bound_result, failed, ratio_result
from tests.bench.rows import ROWS
from tests.bench.store import Run, Store, read_store, write_store

INTEL, AMD = Processor("Intel(R) Xeon(R) Processor @ 2.50GHz", 2500), Processor("AMD EPYC 7763 64-Core Processor", 2445)
RUN = Run("2026-11-27", 9, 3, quick=False, machine=("a machine",), versions=("envoy 1.40.0",))
NAMES = ["hot", "single", "idle"]
SVG = "{http://www.w3.org/2000/svg}"


def _ratio(row: str, measure: str, value: float, target: float | None = 2.0, details: str = "gateway 1/s") -> Result:
    return ratio_result(row, measure, [value], [1], target=target, details=details)


def _store(*runs: tuple[Processor, Sequence[Result]]) -> Store:
    store = Store()
    for found, results in runs:
        store = store.with_results(results, found, RUN, {"haproxy": "global"}, NAMES)
    return store


def _cells(text: str, measure: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {measure} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_run_replaces_the_column_of_its_processor_alone() -> None:
    store = _store(
        (INTEL, [_ratio("hot", "one token", 1.5)]),
        (AMD, [_ratio("hot", "one token", 1.3)]),
        (AMD, [_ratio("hot", "one token", 2.2)]),
    )
    assert [(column.processor, column.figures["one token"].value) for column in store.columns] == [
        (AMD, 2.2),
        (INTEL, 1.5),
    ]


def test_rows_that_a_run_leaves_out_stay_with_the_day_they_are_from() -> None:
    first = _store((INTEL, [_ratio("hot", "one token", 1.5), _ratio("single", "one at a time", 1.1)]))
    later = replace(RUN, date="2026-12-24")
    store = first.with_results([_ratio("hot", "one token", 1.9)], INTEL, later, {}, NAMES)
    (column,) = store.columns
    days = {measure: column.runs[figure.run].date for measure, figure in column.figures.items()}
    assert days == {"one token": "2026-12-24", "one at a time": "2026-11-27"}
    text = page(store, "")
    assert "- 2026-11-27, 9 rounds of 3 s for each contender: single" in text
    assert "- 2026-12-24, 9 rounds of 3 s for each contender: hot" in text
    # Both were of one machine and the same versions, which are said once.
    assert text.count(f"\n- {RUN.machine[0]}\n") == text.count(f"\n- {', '.join(RUN.versions)}\n") == 1


def test_a_run_of_which_nothing_is_left_is_not_told_of() -> None:
    store = _store((INTEL, [_ratio("hot", "one token", 1.5)]))
    later = replace(RUN, date="2026-12-24")
    (column,) = store.with_results([_ratio("hot", "one token", 1.9)], INTEL, later, {}, NAMES).columns
    assert column.runs == (later,)


def test_a_row_or_line_that_is_no_more_is_forgotten() -> None:
    store = _store((INTEL, [_ratio("hot", "old words", 1.5), _ratio("single", "one at a time", 1.1)]))
    store = store.with_results([_ratio("hot", "new words", 1.5)], INTEL, RUN, {}, ["hot"])
    assert [line.measure for line in store.lines] == ["new words"]


def test_targets_are_those_of_today_for_every_column() -> None:
    store = _store((INTEL, [_ratio("hot", "one token", 1.5, 1.0)]), (AMD, [_ratio("hot", "one token", 2.5, 2.0)]))
    assert _cells(page(store, ""), "one token") == [
        "one token", ">= 2", "2.50 (2.50 .. 2.50), met", "1.50 (1.50 .. 1.50), **behind**",
    ]  # fmt: skip


def test_lines_stand_in_the_order_of_the_rows() -> None:
    store = _store(
        (INTEL, [_ratio("single", "one at a time", 1.1)]),
        (AMD, [_ratio("hot", "second", 1), _ratio("hot", "first", 1)]),
    )
    assert [line.measure for line in store.lines] == ["second", "first", "one at a time"]


def test_what_is_kept_is_read_again_as_it_was(tmp_path: Path) -> None:
    bound = bound_result("idle", "idle connections", [1.0, 9.0], at_most=8, unit="KiB", details="1 MiB before")
    store = _store((INTEL, [_ratio("hot", "one token", 1.5, None), bound, failed("idle", "row `idle`", "it fell")]))
    write_store(store, tmp_path / "benchmarks.json")
    assert read_store(tmp_path / "benchmarks.json") == store
    assert read_store(tmp_path / "none.json") == Store()


@pytest.mark.parametrize(("one", "other", "same"), [(2095, 2104, True), (2100, 2500, False), (2445, 2449, True)])
def test_clocks_that_are_measured_apart_are_one(one: int, other: int, same: bool) -> None:  # noqa: FBT001 -- a table
    assert (Processor("a", one).key == Processor("a", other).key) is same


def test_a_processor_is_named_without_its_decoration() -> None:
    assert INTEL.title == "Intel Xeon, 2,500 MHz"
    assert AMD.title == "AMD EPYC 7763, 2,400 MHz"
    assert processor().model
    assert next(machine()).startswith(processor().model)


def test_every_version_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_RIVALS", raising=False)
    told = ", ".join(versions())
    for what in ("Python 3", "haproxy 2", "envoy 1", "nginx 1", "aiohttp 3"):
        assert what in told
    assert "?" not in told


def test_the_page_says_plainly_what_is_behind_and_what_failed() -> None:
    store = _store(
        (INTEL, [_ratio("hot", "one token", 0.5, 1.0), failed("idle", "row `idle`", "it fell over")]),
        (AMD, [_ratio("hot", "one token", 0.9, 1.0)]),
    )
    text = page(store, "")
    behind = re.search(r"## Where the project is behind\n\n(.*?)\n\n", text, re.DOTALL)
    assert behind
    assert behind[1].splitlines() == [
        "- one token: 0.90 on AMD EPYC 7763, 2,400 MHz; 0.50 on Intel Xeon, 2,500 MHz; the target is >= 1",
        "- row `idle`: it fell over, on Intel Xeon, 2,500 MHz",
    ]
    assert _cells(text, "row `idle`")[2:] == ["not measured", "**FAILED**"]


def test_the_page_says_that_every_target_is_met() -> None:
    assert "Nowhere: every target is met." in page(_store((INTEL, [_ratio("hot", "one token", 2.5)])), "")


def test_what_is_written_by_hand_survives(tmp_path: Path) -> None:
    store = _store((INTEL, [_ratio("hot", "one token", 2.5)]))
    file = tmp_path / "benchmarks.md"
    assert kept_part(file) == "Nothing is written here yet."
    file.write_text(page(store, "The log: 8 %.\n\nThe rest: Python."))
    assert kept_part(file) == "The log: 8 %.\n\nThe rest: Python."


@pytest.mark.parametrize(
    ("details", "warning"),
    [
        (f"core 60%, {SHARED} 38% of it", "**Other programs ran"),
        (f"load's 99%, {FULL_LOAD}", "**The core of the load was full**"),
        ("core 99%", None),
    ],
)
def test_the_page_warns_of_figures_that_mean_little(details: str, warning: str | None) -> None:
    text = page(_store((INTEL, [_ratio("hot", "one token", 2, details=details)])), "")
    assert [line for line in text.splitlines() if line.startswith("**") and "MHz" not in line] == (
        [] if warning is None else [line for line in text.splitlines() if line.startswith(warning)]
    )
    assert warning is None or warning in text


def test_the_picture_has_a_bar_for_each_processor_and_a_mark_for_each_target() -> None:
    store = _store(
        (
            INTEL,
            [_ratio("hot", "half & <half>", 0.5), _ratio("hot", "double", 2.0), _ratio("hot", "no target", 9, None)],
        ),
        (AMD, [_ratio("hot", "double", 4.0)]),
    )
    root = ET.fromstring(picture(store))
    bars = [(it.get("class"), float(it.get("x", 0)), float(it.get("width", 0))) for it in root.iter(f"{SVG}rect")]
    bars = [bar for bar in bars if bar[0] != "ground" and bar[2] != 11]
    one = next(it for it in root.iter(f"{SVG}path") if it.get("class") == "one")
    at = float((one.get("d") or "").split()[0].removeprefix("M"))
    four, double, half = bars
    assert (four[0], double[0], half[0]) == ("c0", "c1", "c1 behind")
    # Half as fast is as far to the left as twice as fast to the right, and four times as fast twice as far.
    assert half[1] + half[2] == pytest.approx(at, abs=0.2)
    assert (four[1], double[1]) == (at, at)
    assert double[2] == pytest.approx(half[2], abs=0.2)
    assert four[2] == pytest.approx(2 * double[2], abs=0.2)
    assert sum(it.get("class") == "target" for it in root.iter(f"{SVG}path")) == 2


def test_the_picture_says_in_words_what_it_shows() -> None:
    store = _store((INTEL, [_ratio("hot", "one token, against `x`", 0.5)]))
    root = ET.fromstring(picture(store))
    named = (root.get("aria-labelledby") or "").split()
    told = {it.get("id"): it.text for it in root.iter() if it.get("id")}
    assert root.get("role") == "img"
    assert all(told[name] for name in named)
    assert told["desc"] == "one token, against x: 0.50 on Intel Xeon, 2,500 MHz; target 2."


def test_the_picture_brings_its_own_ground_light_and_dark() -> None:
    text = picture(_store((INTEL, [_ratio("hot", "one token", 0.5)])))
    assert text.count(".ground{fill:") == 2
    assert "prefers-color-scheme: dark" in text
    for needless in ("<script", "http://", "https://"):
        assert needless not in text.replace("http://www.w3.org/2000/svg", "")


def test_page_and_picture_are_made_of_what_is_kept() -> None:
    store = read_store()
    assert page(store, kept_part()) == PAGE.read_text(), "python tests/bench --page"
    assert picture(store) == PICTURE.read_text(), "python tests/bench --page"
    assert {line.row for line in store.lines} <= {row.row for row in ROWS}


def test_a_line_says_its_target_in_its_unit() -> None:
    assert Line("a", "b", most=8, unit="MiB").target == "<= 8 MiB"
    assert (Line("a", "b", least=2).target, Line("a", "b").target) == (">= 2", "")
