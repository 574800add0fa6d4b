import pytest

from gateway.core.condition.result import Result, refusal_of

FALSE, TRUE, ERROR = Result("false"), Result("true"), Result("error", "it divides by zero")


@pytest.mark.parametrize(
    ("result", "parts", "results", "evidence"),
    [
        (FALSE, ("a",), [], "the condition is false"),
        (ERROR, ("a",), [], "the condition is an error: it divides by zero"),
        (FALSE, ("a", "b", "c"), [TRUE, FALSE, FALSE], "part 2 of 3 is false: 'b'"),
        # What is false decides, whatever else cannot be worked out.
        (FALSE, ("a", "b"), [ERROR, FALSE], "part 2 of 2 is false: 'b'"),
        (ERROR, ("a", "b"), [TRUE, ERROR], "part 2 of 2 is an error: it divides by zero: 'b'"),
        # Nobody knows which.
        (FALSE, ("a", "b"), [], "the condition is false"),
        (FALSE, ("a", "b"), [TRUE, TRUE], "the condition is false"),
        (FALSE, ("x" * 200, "b"), [FALSE, TRUE], f"part 1 of 2 is false: '{'x' * 79}..."),
    ],
)
def test_it_is_told_which_part_is_not_met(
    result: Result, parts: tuple[str, ...], results: list[Result], evidence: str
) -> None:
    refusal = refusal_of(result, parts, results)
    assert (refusal.reason, refusal.status, refusal.evidence) == ("condition_false", 403, evidence)
