"""What a row found: figures of each round, their medians and spread, and whether the target is met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

MEETS: Final = "met"
BEHIND: Final = "**behind**"
FAILED: Final = "**FAILED**"
NOT_MEASURED: Final = "not measured"
#: a line without a target
CONTEXT: Final = "context"
#: what the details say when other programs had a part of the core under test
SHARED: Final = "OTHERS HAD"


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    row: str
    measure: str
    target: str
    found: str
    spread: str
    details: str
    verdict: str


def ratio_result(
    row: str, measure: str, over: Sequence[float], under: Sequence[float], *, target: float | None, details: str
) -> Result:
    """A line about two contenders: the median of the ratios of each round, and the least and the greatest of them."""
    ratios = [left / right for left, right in zip(over, under, strict=True)]
    found = median(ratios)
    verdict = CONTEXT if target is None else MEETS if found >= target else BEHIND
    return Result(
        row=row,
        measure=measure,
        target="" if target is None else f">= {target:g}",
        found=f"{found:.2f}",
        spread=f"{min(ratios):.2f} .. {max(ratios):.2f}",
        details=details,
        verdict=verdict,
    )


def bound_result(row: str, measure: str, values: Sequence[float], *, at_most: float, unit: str, details: str) -> Result:
    """A line about something that should be small: the greatest of all values counts."""
    found = max(values)
    spread = f"{min(values):.1f} .. {max(values):.1f}" if len(values) > 1 else "one run"
    verdict = MEETS if found <= at_most else BEHIND
    return Result(row, measure, f"<= {at_most:g} {unit}", f"{found:.1f} {unit}", spread, details, verdict)


def failed(row: str, measure: str, why: str) -> Result:
    """A line about something that went wrong."""
    return Result(row, measure, "", "", "", why, FAILED)
