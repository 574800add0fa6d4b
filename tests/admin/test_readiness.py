import pytest

from gateway.admin.readiness import Readiness, readiness_of_all

READY = Readiness(ready=True, started=True)


STARTING = Readiness(ready=False, started=False, missing=(("a", "its keys were not fetched yet"),))


FAILING = Readiness(ready=False, started=True, missing=(("a", "refused"),))


PARTLY = Readiness(ready=True, started=True, missing=(("b", "refused"),))


@pytest.mark.parametrize(
    ("workers", "ready", "missing"),
    [
        ((READY, READY), True, ()),
        ((READY, STARTING), True, ()),
        ((READY,), True, ()),
        ((STARTING, STARTING), False, STARTING.missing),
        ((), False, ()),
        ((READY, FAILING), False, FAILING.missing),
        ((FAILING, FAILING), False, FAILING.missing),
        ((READY, PARTLY), True, PARTLY.missing),
        ((FAILING, PARTLY), False, (("a", "refused"), ("b", "refused"))),
    ],
)
def test_workers_are_ready_together_when_some_can_respond_and_none_that_started_cannot(
    workers: tuple[Readiness, ...], *, ready: bool, missing: tuple[tuple[str, str], ...]
) -> None:
    found = readiness_of_all(workers)
    assert (found.ready, found.missing) == (ready, missing)
