"""Fifteen minutes of all processes together, and what was refused last."""

import pytest

from gateway.console.history import KEPT, SILENT, STEP, STEPS, History, quantiles, refusals_shown
from gateway.console.told import Counted, Refused, Told, UpstreamTold
from gateway.core.errors import UpstreamUnreachable, WrongAudience

OWN, UPSTREAM = (0.001, 0.01), (0.1, 1.0)


def history() -> History:
    return History(own=OWN, upstream=UPSTREAM)


def admitted(count: int, route: str = "a") -> Counted:
    return Counted(route, "admitted", "-", 2, count)


def refused(at: float, reason: str = WrongAudience.reason, upstream: str | None = None) -> Refused:
    return Refused(at, 401, reason, "refused", upstream=upstream)


def test_what_processes_tell_in_the_same_five_seconds_is_added_up() -> None:
    kept = history()
    kept.add(Told(100.0, counts=[admitted(1)], own=[1, 0, 0], upstream=[1, 0, 0]), process=0)
    kept.add(Told(104.9, counts=[admitted(2), admitted(1, "b")], own=[0, 1, 0]), process=1)
    kept.add(Told(105.0, counts=[admitted(5)], more=2), process=1)
    first, second = kept.steps(106.0)
    assert (first.at, first.counts) == (100, {("a", "admitted", "-", 2): 3, ("b", "admitted", "-", 2): 1})
    assert (first.own, first.upstream) == ([1, 1, 0], [1, 0, 0])
    assert kept.shown(second) == {
        "at": 105,
        "counts": [{"route": "a", "outcome": "admitted", "reason": "-", "status": "2xx", "count": 5}],
        "own": None,
        "upstream": None,
        "more": 2,
    }
    assert kept.counted(106.0) == {("admitted", "-"): 9}
    assert kept.counted(106.0, seconds=2.0) == {("admitted", "-"): 5}


def test_what_is_older_than_fifteen_minutes_is_gone_and_memory_is_bounded() -> None:
    kept = history()
    for number in range(1000):
        kept.add(Told(number * STEP, counts=[admitted(1, f"{number}")], refusals=[refused(number)]))
    assert len(kept.steps(999.0 * STEP)) == STEPS
    assert kept.steps(2000.0 * STEP) == []
    assert [one.at for one in kept.refusals] == list(range(1000 - KEPT, 1000))


def test_a_step_has_a_bounded_number_of_routes() -> None:
    kept = history()
    for number in range(1000):
        kept.add(Told(1.0, counts=[admitted(1, f"{number}")]))
    step = kept.step(1.0)
    assert len(step.counts) <= 400
    assert sum(step.counts.values()) == 1000


def test_a_clock_that_went_back_opens_no_step_behind_the_others() -> None:
    kept = history()
    kept.add(Told(100.0, counts=[admitted(1)]))
    kept.add(Told(50.0, counts=[admitted(1)]))
    assert [(step.at, sum(step.counts.values())) for step in kept.steps(100.0)] == [(100, 2)]


def test_a_process_that_is_silent_or_gone_counts_no_more() -> None:
    kept = history()
    kept.add(Told(100.0, connections=1), process=0)
    kept.add(Told(110.0, connections=2), process=1)
    assert [told.connections for told in kept.processes(111.0)] == [1, 2]
    assert [told.connections for told in kept.processes(100.0 + SILENT)] == [2]
    kept.forget(1)
    assert kept.processes(111.0) == [kept._told[0]]


def test_an_upstream_is_known_by_its_last_response_and_its_last_failure() -> None:
    kept = history()
    failure = refused(101.0, UpstreamUnreachable.reason, "api")
    kept.add(Told(100.0, upstreams=[UpstreamTold("api", responded=1), UpstreamTold("other")]))
    kept.add(Told(102.0, upstreams=[UpstreamTold("api")], refusals=[failure, refused(101.5)]))
    seen = kept.upstreams["api"]
    assert (seen.responded_at, seen.failed_at, seen.failure) == (100.0, 101.0, failure)
    assert list(kept.upstreams) == ["api"]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], None),
        ([0, 0, 0], None),
        ([100, 0, 0], {"p50": 0.5, "p90": 0.9, "p99": 0.99}),
        ([50, 50, 0], {"p50": 1.0, "p90": 8.2, "p99": 9.82}),
        ([0, 0, 1], {"p50": 10.0, "p90": 10.0, "p99": 10.0}),
    ],
)
def test_quantiles_go_evenly_through_a_bucket(times: list[int], expected: dict[str, float] | None) -> None:
    assert quantiles(times, OWN) == expected


def test_a_refusal_is_shown_with_the_sentence_of_its_reason_and_what_to_do() -> None:
    shown = refusals_shown([refused(1.0), refused(2.0, "unheard of")], {WrongAudience.reason: "Do this."})
    assert [one["at"] for one in shown] == [2.0, 1.0]
    assert (shown[1]["sentence"], shown[1]["advice"]) == (WrongAudience.public, "Do this.")
    assert (shown[0]["sentence"], shown[0]["advice"]) == ("", "")
    assert "path" not in shown[0]
