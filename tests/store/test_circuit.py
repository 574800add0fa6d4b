import pytest

from gateway.store.circuit import MAX_BACKOFF, Circuit, backoff


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [(1, 0.0, 0.05), (2, 0.0, 0.1), (3, 0.0, 0.2), (3, 0.5, 0.15), (6, 0.0, 1.6), (7, 0.0, 2.0), (10**6, 0.0, MAX_BACKOFF)],
)  # fmt: skip
def test_it_is_looked_at_less_often_the_longer_it_fails(failures: int, chance: float, seconds: float) -> None:
    assert backoff(failures, chance) == pytest.approx(seconds)


def test_a_failure_opens_it_and_a_look_closes_it() -> None:
    circuit = Circuit()
    assert (circuit.is_up, circuit.went_well(), circuit.is_up) == (False, True, True)
    assert repr(circuit) == "Circuit(up, 0 failures)"
    assert circuit.failed("it cannot be reached", is_asked=False)
    assert not circuit.failed("it cannot be reached", is_asked=False)
    assert (circuit.is_up, circuit.is_asked) == (False, False)
    assert circuit.failed("it is full", is_asked=True)
    assert (circuit.is_up, circuit.is_asked) == (False, True)
    assert repr(circuit) == "Circuit(it is full, 0 failures)"
    circuit.failures += 1
    assert circuit.went_well()
    assert not circuit.went_well()
    assert circuit.failures == 0
