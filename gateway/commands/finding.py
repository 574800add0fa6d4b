"""What `check --online` finds of one whom it asks: well, odd or wrong, in a sentence of ours."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]
#: says how it is where it is well; Wrong and its kin where it is not
Question = Callable[[], Awaitable[tuple[State, str]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one of them is."""

    #: such as `issuer login.example.com`
    about: str
    state: State
    says: str
    #: seconds that it took
    took: float = 0.0


class Wrong(Exception):
    """It is not as it must be; a sentence of ours."""


def table(findings: Sequence[Finding]) -> list[str]:
    """A line each, in columns."""
    width = max((len(finding.about) for finding in findings), default=0)
    return [f"{finding.state:<8} {finding.about:<{width}}  {finding.says}" for finding in findings]
