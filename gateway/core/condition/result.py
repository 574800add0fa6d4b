"""What may be made of the result of a condition: it is met, or the request is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.core.errors import ConditionFalse
from gateway.core.shown import shown

#: how a condition came out; error: whatever is neither true nor false
Outcome = Literal["true", "false", "error"]
TRUE: Final = "true"
FALSE: Final = "false"
ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class Result:
    """How a condition, or a part of it, came out; `why` it is an error, in words without any value."""

    outcome: Outcome
    why: str = ""


def refusal_of(result: Result, parts: Sequence[str], results: Sequence[Result]) -> ConditionFalse:
    """Why a request is refused: what stands in the configuration is told, and nothing of values.

    `parts`: what && joins in the condition; `results`: how each of them came out, if that is known.
    """
    says = _says(result)
    if len(parts) > 1:
        for number, (part, one) in enumerate(zip(parts, results, strict=False), start=1):
            if one.outcome == result.outcome:
                return ConditionFalse(f"part {number} of {len(parts)} {_says(one)}: {shown(part)}")
    return ConditionFalse(f"the condition {says}")


def _says(result: Result) -> str:
    return "is false" if result.outcome == FALSE else f"is an error: {result.why}"
