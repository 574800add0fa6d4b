"""The states of a client's connection: whatever happens, and in whatever order, it is in one of them or says that it cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.client.phase import (
    ASKED,
    ASKED_LAST,
    BEGUN,
    BROKEN,
    ENDED,
    EVENTS,
    FINISHED,
    NEVER,
    OVER,
    SERVED,
    STATES,
    TABLE,
    UPGRADED,
    Phase,
)

EVENT = st.integers(min_value=0, max_value=len(EVENTS) - 1)


def after(*events: int) -> Phase:
    phase = Phase(10)
    for event in events:
        phase.enter(event)
    return phase


def test_the_table_has_a_row_for_each_state_and_a_column_for_each_event() -> None:
    assert len(TABLE) == len(STATES) == len(set(STATES))
    assert {len(row) for row in TABLE} == {len(EVENTS)}
    assert all(-1 <= state < len(STATES) for row in TABLE for state in row)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "SILENT FREE"),
        ((BEGUN,), "HEAD FREE"),
        ((ASKED,), "BODY BUSY"),
        ((BEGUN, ASKED), "BODY BUSY"),
        ((ASKED, ENDED), "IDLE BUSY"),
        ((ASKED, ENDED, SERVED), "IDLE FREE"),
        ((ASKED, ENDED, SERVED, BEGUN), "HEAD FREE"),
        ((ASKED, ENDED, SERVED, ASKED_LAST), "BODY LAST"),
        ((ASKED_LAST, ENDED), "DEAF LAST"),
        ((ASKED_LAST, UPGRADED), "RAW LAST"),
        ((ASKED_LAST, UPGRADED, FINISHED), "DEAF FREE"),
        ((ASKED, BROKEN), "DEAF LAST"),
        ((BEGUN, BROKEN, FINISHED), "DEAF FREE"),
        ((FINISHED, FINISHED), "DEAF FREE"),
    ],
)
def test_a_connection_goes_this_way(events: tuple[int, ...], state: str) -> None:
    assert repr(after(*events)) == f"<Phase {state}>"


@pytest.mark.parametrize(
    "events",
    [
        (ENDED,),
        (SERVED,),
        (BEGUN, BEGUN),
        (ASKED, ASKED),
        (ASKED, BEGUN),
        (ASKED, SERVED),
        (ASKED, UPGRADED),
        (ASKED, ENDED, ASKED),
        (ASKED, ENDED, BROKEN),
        (ASKED_LAST, ENDED, SERVED),
        (BROKEN, ASKED),
        (FINISHED, BROKEN),
    ],
)
def test_what_cannot_happen_is_an_error_that_says_what_and_where(events: tuple[int, ...]) -> None:
    phase = after(*events[:-1])
    state = repr(phase)
    with pytest.raises(ValueError, match=EVENTS[events[-1]]) as raised:
        phase.enter(events[-1])
    assert state in str(raised.value)
    assert repr(phase) == state


@given(st.lists(EVENT, max_size=30))
def test_no_event_leaves_the_table_and_the_two_rules_hold(events: list[int]) -> None:
    phase = Phase(10)
    was_last = was_deaf = False
    for event in events:
        before = phase.state
        if TABLE[before][event] < 0:
            with pytest.raises(ValueError, match=EVENTS[event]):
                phase.enter(event)
            assert phase.state == before
            continue
        phase.enter(event)
        reading, serving = STATES[phase.state]
        # A head is read only while nothing is served.
        assert reading not in {"SILENT", "HEAD"} or serving == "FREE"
        assert reading not in {"BODY", "RAW"} or serving != "FREE"
        assert phase.reads == (reading in {"SILENT", "HEAD", "BODY"} or (reading, serving) == ("IDLE", "FREE"))
        assert phase.serves == (serving != "FREE")
        # From LAST there is no way but to DEAF, and no way from there.
        assert not was_last or serving == "LAST" or phase.state == OVER
        assert not was_deaf or reading == "DEAF"
        was_last, was_deaf = was_last or serving == "LAST", was_deaf or reading == "DEAF"
        if event == FINISHED:
            assert phase.state == OVER


@given(st.lists(EVENT, max_size=12))
def test_every_state_has_a_way_to_its_end(events: list[int]) -> None:
    phase = Phase(10)
    for event in events:
        if TABLE[phase.state][event] >= 0:
            phase.enter(event)
    phase.enter(FINISHED)
    assert phase.state == OVER


def test_every_state_can_be_reached() -> None:
    reached, fresh = {0}, {0}
    while fresh:
        fresh = {state for row in fresh for state in TABLE[row] if state >= 0} - reached
        reached |= fresh
    assert reached == set(range(len(STATES)))


def test_a_deadline_belongs_to_the_state_it_was_set_for() -> None:
    phase = Phase(10)
    assert phase.deadline == 10
    phase.enter(BEGUN, deadline=20)
    assert phase.deadline == 20
    phase.enter(ASKED)
    assert phase.deadline == NEVER
