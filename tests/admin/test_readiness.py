from dataclasses import dataclass

import pytest

from gateway.admin.readiness import Readiness, readiness_of, readiness_of_all
from gateway.remote.introspection import IntrospectionStatus

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


@dataclass
class AnIssuer:
    name: str = "a"
    has_keys: bool = True
    first_fetch_ended: bool = True
    reason: str | None = None
    kept_for: float | None = None


@dataclass
class AStore:
    reason: str | None = None
    refused: str | None = None

    def refuses_everything(self) -> str | None:
        return self.refused


@pytest.mark.parametrize(
    ("store", "ready", "told"),
    [
        (None, True, None),
        (AStore(), True, None),
        (AStore(reason="it cannot be reached"), True, "it cannot be reached"),
        (AStore(reason="it cannot be reached", refused="revocations are old"), False, "revocations are old"),
    ],
)
def test_a_store_is_named_and_is_a_reason_only_where_nothing_passes_without_it(
    store: AStore | None, *, ready: bool, told: str | None
) -> None:
    found = readiness_of([AnIssuer()], all_issuers=False, store=store)
    assert (found.ready, found.store) == (ready, told)


def test_keys_of_another_replica_are_named() -> None:
    issuers = [AnIssuer(kept_for=5.0, reason="status 500"), AnIssuer("b", kept_for=5.0), AnIssuer("c")]
    found = readiness_of(issuers, all_issuers=True)
    assert (found.ready, found.missing) == (True, ())
    assert found.kept == (("a", "status 500"), ("b", "its keys were not fetched yet"))


def test_workers_tell_together_what_each_of_them_lacks() -> None:
    one = Readiness(ready=True, started=True, kept=(("a", "x"),))
    other = Readiness(ready=True, started=True, store="it is full", kept=(("a", "y"), ("b", "z")))
    found = readiness_of_all([one, other])
    assert (found.ready, found.store, found.kept) == (True, "it is full", (("a", "x"), ("b", "z")))


def test_one_that_does_not_say_whether_tokens_are_active_is_told_and_keeps_nobody_from_being_ready() -> None:
    asked = [IntrospectionStatus("a", "status 500"), IntrospectionStatus("b", None)]
    found = readiness_of([AnIssuer()], all_issuers=True, asked=asked)
    assert found == Readiness(ready=True, started=True, missing=(("a", "introspection: status 500"),))
