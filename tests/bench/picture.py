"""docs/benchmarks.svg: every ratio that has a target, by processor. Made of docs/benchmarks.json, without a library.

A bar begins at 1, where both contenders are as fast, and grows to the right where the gateway is ahead. The scale is
logarithmic: twice as fast is as far to the right as half as fast to the left. A mark shows the target. The picture
brings its own ground, for pages that are light and for pages that are dark.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from tests.bench.programs import ROOT
from tests.bench.results import BEHIND, Line
from tests.bench.store import Column, Store

PICTURE: Final = ROOT / "docs" / "benchmarks.svg"
#: pixels
WIDTH: Final = 920
_LABELS, _FIGURES, _EDGE = 420, 64, 16
_BAR, _BETWEEN, _HEAD, _FOOT = 11, 9, 58, 40
#: what the axis names, where it reaches so far
_TICKS: Final = (0.25, 0.5, 1, 2, 4, 8, 16, 32)

_STYLE: Final = """\
<style>
.ground{fill:#fff;stroke:#d0d7de}text{fill:#1f2328;font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}
.faint{fill:#59636e;font-size:11px}.grid{stroke:#d0d7de}.one{stroke:#59636e}
.c0{fill:#0969da}.c1{fill:#1a7f37}.c2{fill:#8250df}.c3{fill:#9a6700}.behind{fill-opacity:.45}.target{stroke:#1f2328;stroke-width:2}
@media (prefers-color-scheme: dark){
.ground{fill:#0d1117;stroke:#3d444d}text{fill:#f0f6fc}.faint{fill:#9198a1}.grid{stroke:#2a313c}.one{stroke:#9198a1}
.c0{fill:#4493f8}.c1{fill:#3fb950}.c2{fill:#ab7df8}.c3{fill:#d29922}.target{stroke:#f0f6fc}}
</style>"""
_COLOURS: Final = 4


@dataclass(frozen=True)
class _Axis:
    """From the smallest to the greatest ratio, in doublings."""

    least: float
    greatest: float

    def x(self, ratio: float) -> float:
        """Where it is, in pixels."""
        room = WIDTH - _LABELS - _FIGURES - _EDGE
        share = math.log(ratio / self.least) / math.log(self.greatest / self.least)
        return round(_LABELS + room * share, 1)


def picture(store: Store) -> str:
    """The whole SVG."""
    shown = [line for line in store.lines if line.least is not None]
    return "\n".join(_svg(store, shown)) + "\n"


def _svg(store: Store, lines: Sequence[Line]) -> Iterator[str]:
    columns = store.columns
    group = len(columns) * _BAR + _BETWEEN
    bottom = _HEAD + 16 * len(columns) + len(lines) * group
    axis = _axis(store, lines)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + _FOOT}" width="{WIDTH}" '
        f'height="{bottom + _FOOT}" role="img" aria-labelledby="title desc">'
    )
    yield '<title id="title">Bearer Gateway beside its peers: ratios and targets</title>'
    yield f'<desc id="desc">{escape(" ".join(_words(store, lines)))}</desc>'
    yield _STYLE
    yield f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{bottom + _FOOT - 1}" rx="6"/>'
    yield f'<text class="title" x="{_EDGE}" y="26">How many times as fast as its peers</text>'
    yield (
        f'<text class="faint" x="{_EDGE}" y="44">1: as fast. Right of it: faster. The upright mark is the target; '
        "pale: behind it. Each on one core, in one run.</text>"
    )
    for number, column in enumerate(columns):
        y = _HEAD + 16 * number
        yield f'<rect class="c{number % _COLOURS}" x="{_EDGE}" y="{y}" width="11" height="11"/>'
        yield f'<text x="{_EDGE + 18}" y="{y + 10}">{escape(column.processor.title)}</text>'
    top = _HEAD + 16 * len(columns)
    for tick in _TICKS:
        if axis.least <= tick <= axis.greatest:
            x = axis.x(tick)
            yield f'<path class="{"one" if tick == 1 else "grid"}" d="M{x} {top}V{bottom}"/>'
            yield f'<text class="faint" x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
    for number, line in enumerate(lines):
        yield from _group(line, columns, axis, top + number * group + _BETWEEN / 2)
    yield "</svg>"


def _group(line: Line, columns: Sequence[Column], axis: _Axis, y: float) -> Iterator[str]:
    """A line: its words, and a bar for each processor."""
    assert line.least is not None
    height = len(columns) * _BAR
    middle = y + height / 2 + 4
    yield f'<text x="{_LABELS - 10}" y="{middle}" text-anchor="end">{escape(_label(line))}</text>'
    for number, column in enumerate(columns):
        figure = column.figures.get(line.measure)
        if figure is None or figure.value is None:
            continue
        begin, end = sorted((axis.x(1), axis.x(figure.value)))
        behind = " behind" if line.verdict(figure.value) == BEHIND else ""
        at = y + number * _BAR
        yield (
            f'<rect class="c{number % _COLOURS}{behind}" x="{begin}" y="{at}" width="{max(1.0, round(end - begin, 1))}" '
            f'height="{_BAR - 2}"/>'
        )
        yield f'<text class="faint" x="{WIDTH - _EDGE}" y="{at + 9}" text-anchor="end">{line.written(figure.value)}</text>'
    target = axis.x(line.least)
    yield f'<path class="target" d="M{target} {y - 2}V{y + height}"/>'


def _axis(store: Store, lines: Sequence[Line]) -> _Axis:
    figures = (column.figures.get(line.measure) for column in store.columns for line in lines)
    found = [figure.value for figure in figures if figure is not None and figure.value is not None]
    found += [line.least for line in lines if line.least is not None]
    return _Axis(
        min([0.7, *(value * 0.95 for value in found if value > 0)]), max([2.2, *(value * 1.05 for value in found)])
    )


def _label(line: Line) -> str:
    return line.measure.replace("`", "")


def _words(store: Store, lines: Sequence[Line]) -> Iterator[str]:
    """The same for whoever does not see it."""
    for line in lines:
        found = [
            f"{line.written(figure.value)} on {column.processor.title}"
            for column in store.columns
            if (figure := column.figures.get(line.measure)) is not None and figure.value is not None
        ]
        yield f"{_label(line)}: {', '.join(found) or 'not measured'}; target {line.least:g}."
