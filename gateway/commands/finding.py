"""What `check --online` finds of one whom it asks: well, odd or wrong, in a sentence of ours."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

State = Literal["ok", "warning", "problem"]
#: says how it is where it is well; Wrong and its kin where it is not
Question = Callable[[], Awaitable[tuple[State, str]]]


class Asked(NamedTuple):
    """One who is asked."""

    #: as in `Finding`
    about: str
    question: Question
    #: what to do about a problem, by the sentence that says it
    remedy: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Finding:
    """How one of them is."""

    #: such as `issuer login.example.com`
    about: str
    state: State
    says: str
    #: seconds that it took
    took: float = 0.0
    #: what to do about it, where that is known
    advice: str = ""


class Wrong(Exception):
    """It is not as it must be; a sentence of ours."""


def table(findings: Sequence[Finding]) -> list[str]:
    """A line each, in columns, and behind it what to do."""
    width = max((len(finding.about) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<8} {finding.about:<{width}}  {finding.says}")
        if finding.advice:
            lines.append(f"{'hint':<8} {'':<{width}}  {finding.advice}")
    return lines
