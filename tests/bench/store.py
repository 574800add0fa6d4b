"""docs/benchmarks.json: every figure that is kept, by the processor it is from. Page and picture are made of it.

A run on one processor replaces what its rows have in the column of that processor, and nothing else. Targets are those
of today, for all columns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.bench.machine import Processor
from tests.bench.programs import ROOT
from tests.bench.results import Line, Result

STORE: Final = ROOT / "docs" / "benchmarks.json"


@dataclass(frozen=True)
class Run:
    """When and how often figures were taken, by which versions."""

    #: 2026-11-27
    date: str
    rounds: int
    #: of each contender in a round
    seconds: int
    quick: bool
    #: processor, cores, memory, kernel
    machine: tuple[str, ...]
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """What a run found for one line."""

    #: None: it could not be measured, and the details say why
    value: float | None
    spread: tuple[float, float] | None
    details: str
    #: number of its run in the column
    run: int

    def result(self, line: Line) -> Result:
        """As it was found, by the target of today."""
        return Result(line, self.details, self.value, self.spread)


@dataclass(frozen=True)
class Column:
    """All that is known of one processor."""

    processor: Processor
    runs: tuple[Run, ...]
    #: by measure
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Store:
    """All columns, and the lines that any of them has."""

    lines: tuple[Line, ...] = ()
    columns: tuple[Column, ...] = ()
    #: by program: what it was configured with when it was last run
    settings: Mapping[str, str] = field(default_factory=dict)

    def results(self, column: Column) -> list[Result]:
        """What a column has, in the order of the lines."""
        return [column.figures[line.measure].result(line) for line in self.lines if line.measure in column.figures]

    def with_results(
        self,
        results: Sequence[Result],
        processor: Processor,
        run: Run,
        settings: Mapping[str, str],
        rows: Sequence[str],
    ) -> "Store":
        """With what a run found. `rows`: the names of all there are, in the order of the page; others are forgotten."""
        measured = {result.row for result in results}
        lines = {line.measure: line for line in self.lines} | {result.measure: result.line for result in results}
        column = next((known for known in self.columns if known.processor.key == processor.key), None)
        kept = column or Column(processor, (), {})
        figures = {
            measure: figure
            for measure, figure in kept.figures.items()
            if lines[measure].row not in measured and lines[measure].row in rows
        }
        runs = (*kept.runs, run)
        figures |= {
            result.measure: Figure(result.value, result.spread, result.details, len(runs) - 1) for result in results
        }
        mine = _without_unused_runs(Column(processor, runs, figures))
        # The latest is what a reader looks for first.
        columns = (mine, *(known for known in self.columns if known is not column))
        used = {measure for known in columns for measure in known.figures}
        order = {measure: number for number, measure in enumerate(result.measure for result in results)}
        left = [line for line in lines.values() if line.measure in used and line.row in rows]
        left.sort(key=lambda line: (rows.index(line.row), order.get(line.measure, len(order))))
        return Store(tuple(left), columns, {**self.settings, **settings})


def _without_unused_runs(column: Column) -> Column:
    used = sorted({figure.run for figure in column.figures.values()})
    figures = {measure: replace(figure, run=used.index(figure.run)) for measure, figure in column.figures.items()}
    return Column(column.processor, tuple(column.runs[number] for number in used), figures)


def read_store(path: Path = STORE) -> Store:
    """What is kept; nothing where there is no file."""
    if not path.exists():
        return Store()
    read = json.loads(path.read_text())
    return Store(
        tuple(Line(**line) for line in read["lines"]),
        tuple(_column(column) for column in read["columns"]),
        read["settings"],
    )


def _column(read: dict[str, Any]) -> Column:
    return Column(
        Processor(**read["processor"]),
        tuple(
            Run(**{**run, "machine": tuple(run["machine"]), "versions": tuple(run["versions"])}) for run in read["runs"]
        ),
        {
            measure: Figure(**{**figure, "spread": None if figure["spread"] is None else tuple(figure["spread"])})
            for measure, figure in read["figures"].items()
        },
    )


def write_store(store: Store, path: Path = STORE) -> None:
    """Keeps it."""
    path.write_text(json.dumps(asdict(store), indent=1, ensure_ascii=False) + "\n")
