"""The list in memory: what is found, forgotten, lifted and counted, and how large it may be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.revocation.entry import KINDS, Entry
from gateway.core.revocation.revoked import AT_ONCE, ListFull, Revoked
from gateway.core.token.handles import Handles, handles_of

ISS = "https://i.example"
DIGEST = bytes(32)
VALUES: dict[str, str] = {
    "token": DIGEST.hex(), "jti": "t1", "sid": "s1", "subject": "alice", "sessionless": "alice", "client": "app",
    "issuer": "",
}  # fmt: skip


def entry(kind: Any = "subject", value: str | None = None, **changes: Any) -> Entry:
    issuer = "" if kind == "token" else ISS
    return Entry(kind, issuer, VALUES[kind] if value is None else value, **{"until": 100.0, **changes})


def handles(*, subject: str = "alice", **claims: Any) -> Handles:
    claims = {"iat": 50, "jti": "t1", "sid": "s1", **claims}
    return handles_of(claims, issuer=ISS, subject=subject, client="app", digest=DIGEST)


def holding(*entries: Entry, **settings: Any) -> Revoked:
    held = Revoked(**settings)
    for one in entries:
        held.add(one)
    return held


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sessionless"])
def test_a_token_is_found_by_each_of_its_handles(kind: Any) -> None:
    held = holding(entry(kind))
    assert held.find(handles()) == entry(kind)
    other = handles_of({"iat": 1}, issuer="https://j.example", subject="bob", client="x", digest=bytes(31) + b"1")
    assert held.find(other) is None
    assert held.counts[kind] == len(held) == sum(held.counts.values()) == 1


def test_a_logout_of_one_session_leaves_the_others() -> None:
    held = holding(entry("sid"), entry("sessionless"))
    assert held.find(handles()) is not None
    assert held.find(handles(sid=None)) is not None
    assert held.find(handles(sid="s2")) is None


def test_nothing_is_looked_up_where_there_is_nothing() -> None:
    assert holding().find(handles()) is None
    assert holding(entry()).find(None) is None


def test_a_token_that_was_issued_later_is_not_meant_and_the_next_handle_is_looked_at() -> None:
    held = holding(entry("jti", before=10.0), entry("client", before=50.0))
    found = held.find(handles())
    assert found is not None
    assert found.kind == "client"
    assert held.find(handles(iat=51)) is None
    assert held.find(handles(iat=None)) is not None


def test_what_was_lifted_is_not_found_and_not_brought_back() -> None:
    held = holding(entry())
    lifted = held.add(entry(until=5.0, lifted=True))
    assert lifted == entry(lifted=True)
    assert held.find(handles()) is None
    assert (len(held), held.entries(), held.entries(lifted=True)) == (0, (), (lifted,))
    assert held.counts["subject"] == 0
    assert held.add(entry(lifted=True)) is None
    assert held.get(entry().index) == lifted
    assert held.add(entry()) == entry()
    assert held.find(handles()) is not None
    assert repr(held) == "Revoked(1, and 0 lifted)"


def test_what_has_ended_is_forgotten_and_what_was_prolonged_is_not() -> None:
    held = holding(entry("jti", until=10.0), entry("sid", until=10.0), entry("client", until=30.0))
    held.add(entry("sid", until=20.0))
    assert held.expire(9.9) == 0
    assert held.expire(10.0) == 1
    assert held.find(handles(sid=None)) == entry("client", until=30.0)
    held.add(entry("sid", until=20.0, lifted=True))
    assert held.expire(50.0) == 2
    assert (len(held), held.entries(lifted=True)) == (0, ())


def test_of_much_that_ends_at_once_some_is_forgotten_at_a_time() -> None:
    held = holding(*(entry("jti", str(number), until=10.0) for number in range(AT_ONCE + 1)))
    assert held.expire(10.0) == AT_ONCE
    assert (held.expire(10.0), held.expire(10.0), held.count) == (1, 0, 0)


def test_all_that_is_held_can_be_asked_for_bit_by_bit() -> None:
    held = holding(entry("jti"), entry("sid", lifted=True))
    assert held.indexes() == [entry("jti").index, entry("sid").index]


def test_an_entry_that_is_prolonged_again_and_again_takes_no_more_room() -> None:
    held = Revoked()
    for until in range(5000):
        held.add(entry(until=float(until)))
        held.add(entry("jti", until=1e6, lifted=until % 2 == 1))
    assert len(held._ends) < 1100
    assert held.expire(4998.5) == 0
    assert held.expire(4999.0) == 1


def test_a_full_list_takes_nothing_new_and_says_how_full() -> None:
    held = holding(entry(), entry("jti", lifted=True), max_entries=2)
    assert held.room == 0
    with pytest.raises(ListFull, match="has 2 entries"):
        held.add(entry("sid"))
    assert held.add(entry(until=200.0)) == entry(until=200.0)
    with pytest.raises(ListFull):
        held.replace([entry(), entry("jti"), entry("sid")])
    assert held.entries() == (entry(until=200.0),)
    held.replace([entry("sid")])
    assert (held.entries(lifted=True), held.counts["sid"], held.counts["subject"]) == ((entry("sid"),), 1, 0)


def test_what_others_have_confirmed_is_taken_beyond_that_but_not_without_end() -> None:
    held = holding(*(entry("jti", str(number)) for number in range(8)), max_entries=8)
    assert held.room == 0
    assert held.add(entry("sid")) is not None
    assert held.room == -1
    with pytest.raises(ListFull):
        held.add(entry("client"))


@given(
    st.lists(
        st.builds(
            entry,
            st.sampled_from(["jti", "sid", "subject"]),
            st.sampled_from("ab"),
            until=st.floats(0, 10),
            before=st.none() | st.floats(0, 100),
            lifted=st.booleans(),
        ),
        max_size=20,
    ),
    st.floats(0, 10),
)
def test_the_list_counts_what_it_holds(entries: list[Entry], now: float) -> None:
    held = holding(*entries)
    held.expire(now)
    assert len(held) == len(held.entries()) == sum(held.counts.values())
    assert all(one.until > now for one in held.entries(lifted=True))
    assert {one.index for one in held.entries()}.isdisjoint(
        one.index for one in held.entries(lifted=True) if one.lifted
    )
