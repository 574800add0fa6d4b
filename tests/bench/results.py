"""What a row found: figures of each round, their medians and spread, and whether the target is met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

MEETS: Final = "met"
BEHIND: Final = "**behind**"
FAILED: Final = "**FAILED**"
#: a line without a target
CONTEXT: Final = "context"
#: what the details say when other programs had a part of the core under test
SHARED: Final = "OTHERS HAD"
#: what the details say when the core of the load was full, and not the one under test
FULL_LOAD: Final = "LOAD AT ITS LIMIT"


@dataclass(frozen=True)
class Line:
    """One line of the report, whatever was found: what is measured, and the target."""

    row: str
    measure: str
    #: a ratio is at least this; None: no such target
    least: float | None = None
    #: something is at most this; None: no such target
    most: float | None = None
    #: of the figures: nothing for a ratio
    unit: str = ""

    @property
    def target(self) -> str:
        """As a reader has it; nothing where there is none."""
        if self.least is not None:
            return f">= {self.least:g}"
        return "" if self.most is None else f"<= {self.most:g} {self.unit}"

    def written(self, figure: float) -> str:
        """A figure of this line."""
        return f"{figure:.1f} {self.unit}" if self.unit else f"{figure:.2f}"

    def verdict(self, found: float) -> str:
        """Whether that meets the target."""
        if self.least is not None:
            return MEETS if found >= self.least else BEHIND
        if self.most is not None:
            return MEETS if found <= self.most else BEHIND
        return CONTEXT


@dataclass(frozen=True)
class Result:
    """What was found for one line."""

    line: Line
    details: str
    #: the figure that counts; None: it could not be measured, and the details say why
    value: float | None = None
    #: the smallest and the greatest of all figures; None: there was one
    spread: tuple[float, float] | None = None

    @property
    def row(self) -> str:
        return self.line.row

    @property
    def measure(self) -> str:
        return self.line.measure

    @property
    def found(self) -> str:
        """The figure as a reader has it; nothing where there is none."""
        return "" if self.value is None else self.line.written(self.value)

    @property
    def range(self) -> str:
        """The smallest and the greatest, for a reader."""
        if self.spread is None:
            return "" if self.value is None else "one run"
        least, greatest = self.spread
        return f"{least:.1f} .. {greatest:.1f}" if self.line.unit else f"{least:.2f} .. {greatest:.2f}"

    @property
    def verdict(self) -> str:
        return FAILED if self.value is None else self.line.verdict(self.value)


def ratio_result(
    row: str, measure: str, over: Sequence[float], under: Sequence[float], *, target: float | None, details: str
) -> Result:
    """A line about two contenders: the median of the ratios of each round, and the least and the greatest of them."""
    ratios = [left / right for left, right in zip(over, under, strict=True)]
    return Result(Line(row, measure, least=target), details, median(ratios), (min(ratios), max(ratios)))


def bound_result(row: str, measure: str, values: Sequence[float], *, at_most: float, unit: str, details: str) -> Result:
    """A line about something that should be small: the greatest of all values counts."""
    spread = (min(values), max(values)) if len(values) > 1 else None
    return Result(Line(row, measure, most=at_most, unit=unit), details, max(values), spread)


def failed(row: str, measure: str, why: str) -> Result:
    """A line about something that went wrong."""
    return Result(Line(row, measure), why)
