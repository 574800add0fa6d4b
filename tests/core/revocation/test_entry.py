"""One entry: whom it is about, what counts of two, how long, and that what is written is read as it was."""

import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.revocation.entry import (
    CLOCKS,
    KINDS,
    Entry,
    checked,
    following,
    lifting,
    merged,
    parse_entry,
    revoking,
    until_of,
    written,
)
from gateway.core.token.handles import index_value

ISS = "https://i.example"
DIGEST = "ab" * 32
TIMES = st.floats(0, 4e9)


def entry(kind: Any = "subject", **changes: Any) -> Entry:
    values: dict[str, Any] = {"issuer": ISS, "value": "alice", "until": 100.0}
    if kind == "token":
        values |= {"issuer": "", "value": DIGEST}
    if kind == "issuer":
        values["value"] = ""
    return Entry(kind, **{**values, **changes})


ENTRIES = st.builds(
    lambda kind, value, **others: entry(kind, **({} if kind in {"token", "issuer"} else {"value": value}), **others),
    st.sampled_from(KINDS),
    st.text(min_size=1, max_size=20),
    until=TIMES,
    before=st.none() | TIMES,
    at=TIMES,
    reason=st.text(max_size=20).filter(str.isprintable),
    who=st.text(max_size=20).filter(str.isprintable),
    lifted=st.booleans(),
)


@pytest.mark.parametrize(
    ("before", "issued_at", "meant"),
    [(None, 5.0, True), (None, None, True), (5.0, 5.0, True), (5.0, 5.1, False), (5.0, 4.9, True), (5.0, None, True)],
)
def test_tokens_that_were_issued_until_then_are_meant(
    before: float | None, issued_at: float | None, *, meant: bool
) -> None:
    assert entry(before=before).is_about(issued_at) is meant


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_has_the_index_value_of_what_it_is_about(kind: Any) -> None:
    parts = {"token": (DIGEST,), "issuer": (ISS,)}.get(kind, (ISS, "alice"))
    assert entry(kind).index == index_value(kind, *parts)


@given(ENTRIES)
def test_what_was_written_is_read_as_it_was(one: Entry) -> None:
    text = written(one)
    assert b"\n" not in text
    assert parse_entry(text) == one


@settings(max_examples=50)
@given(ENTRIES, ENTRIES)
def test_of_two_entries_counts_what_either_is_about(one: Entry, other: Entry) -> None:
    both, other = merged(one, following(one, other)), following(one, other)
    assert both.lifted == other.lifted
    for issued_at in (None, 0.0, one.before, other.before, 4e9):
        meant = (not one.lifted and one.is_about(issued_at)) or other.is_about(issued_at)
        assert other.lifted or both.is_about(issued_at) == meant
    assert both.until >= other.until
    assert merged(both, other) is both
    assert one.lifted == other.lifted or merged(both, one) is both


def test_what_adds_nothing_changes_nothing() -> None:
    old = entry(before=50.0)
    assert merged(old, entry(before=40.0, until=90.0, reason="again")) is old
    assert merged(None, old) is old
    assert merged(old, entry(before=60.0, until=90.0)).until == 100.0


def test_of_one_that_was_lifted_and_one_that_was_not_the_later_counts() -> None:
    revoked, lifted = entry(at=5.0), entry(at=6.0, lifted=True)
    assert merged(revoked, lifted) == merged(lifted, revoked) == lifted
    again = following(lifted, entry(at=5.5))
    assert again.at > 6.0
    assert merged(lifted, again) is again
    assert following(None, revoked) is following(revoked, revoked) is revoked
    assert following(revoked, lifted) is lifted


def test_a_lifted_entry_stands_for_as_long_as_what_it_lifts() -> None:
    lifting = entry(until=10.0, lifted=True)
    assert merged(entry(), lifting) == entry(until=100.0, lifted=True)
    assert merged(lifting, entry(until=5.0)) == entry(until=5.0)


@pytest.mark.parametrize(
    ("kind", "before", "expires_at", "until"),
    [
        ("token", None, 50.0, 50.0 + CLOCKS),
        ("jti", None, 50.0, 50.0 + CLOCKS),
        # A clock that is ahead, and then one that is behind.
        ("jti", None, None, 10.0 + CLOCKS + 1000.0 + CLOCKS),
        ("subject", None, 50.0, 10.0 + CLOCKS + 1000.0 + CLOCKS),
        ("subject", 20.0, None, 20.0 + 1000.0 + CLOCKS),
        ("subject", 5.0, None, 5.0 + 1000.0 + CLOCKS),
    ],
)
def test_an_entry_stays_until_no_token_can_be_meant_any_more(
    kind: Any, before: float | None, expires_at: float | None, until: float
) -> None:
    assert until_of(kind, now=10.0, before=before, keep=1000.0, expires_at=expires_at) == until


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (b"", "JSON"),
        (b"[]", "it is no entry"),
        (b'{"kind":"subject","x":1}', "it is no entry"),
        (b"{}", "it is of no known kind"),
        (b'{"kind":["x"]}', "it is of no known kind"),
        (b'{"kind":"subject","issuer":5}', "issuer is no text of at most 16384 characters"),
        (b'{"kind":"subject","issuer":"i","value":"v"}', "until is no time"),
        (b'{"kind":"subject","issuer":"i","value":"v","until":true}', "until is no time"),
        (b'{"kind":"subject","issuer":"i","value":"v","until":-1}', "until is no time"),
        (b'{"kind":"subject","issuer":"i","value":"v","until":1,"before":"x"}', "before is no time"),
        (b'{"kind":"subject","issuer":"i","value":"v","until":1e300}', "until is no time"),
        (b'{"kind":"subject","issuer":"i","until":1}', "a value belongs to every kind but an issuer"),
        (b'{"kind":"issuer","issuer":"i","value":"v","until":1}', "a value belongs to every kind but an issuer"),
        (b'{"kind":"subject","value":"v","until":1}', "an issuer belongs to every kind but a token"),
        (b'{"kind":"token","issuer":"i","value":"v","until":1}', "an issuer belongs to every kind but a token"),
        (b'{"kind":"token","value":"%s","until":1}' % (b"A" * 64), "a token is named by the 64 digits of its SHA-256"),
        (b'{"kind":"token","value":"ab","until":1}', "a token is named by the 64 digits of its SHA-256"),
    ],
)
def test_what_is_no_entry_is_said_to_be_none(text: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_entry(text)


@pytest.mark.parametrize(
    "changes", [{"value": "x" * 16385}, {"issuer": "x" * 16385}, {"reason": "x" * 257}, {"who": "x" * 257}]
)
def test_what_is_too_long_is_no_entry(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has at most"):
        checked(entry(**changes))
    with pytest.raises(ValueError, match="of at most"):
        parse_entry(written(entry(**changes)))


@pytest.mark.parametrize("changes", [{"reason": "a\nb"}, {"who": "\x1b[2J"}])
def test_a_reason_is_one_line_that_a_log_may_have(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a reason is one line of text"):
        parse_entry(written(entry(**changes)))


@pytest.mark.parametrize(
    ("kind", "given", "before", "until"),
    [
        ("subject", {}, 15.0, 15.0 + 1000 + CLOCKS),
        ("client", {"before": 7.0}, 7.0, 7.0 + 1000 + CLOCKS),
        ("sid", {}, 15.0, 15.0 + 1000 + CLOCKS),
        ("jti", {"expires_at": 20.0}, None, 20.0 + CLOCKS),
        ("jti", {"expires_at": 9999.0}, None, 1010.0 + CLOCKS + CLOCKS),
    ],
)
def test_what_revokes_now_leaves_what_is_issued_later(
    kind: Any, given: dict[str, float], before: float | None, until: float
) -> None:
    made = revoking(kind, issuer=ISS, value="x", now=10.0, keep=1000.0, reason="lost", **given)
    assert made == Entry(kind, ISS, "x", until=until, before=before, at=10.0, reason="lost")
    assert lifting(made, at=11.0, who="me") == Entry(kind, ISS, "x", until=until, at=11.0, who="me", lifted=True)


def test_nothing_is_revoked_that_names_nothing() -> None:
    with pytest.raises(ValueError, match="a value belongs to every kind"):
        revoking("subject", issuer=ISS, now=1.0, keep=1.0)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"before": 99_999_999_999_999.0}, "a time is between"),
        ({"before": -62_135_596_800.0}, "a time is between"),
        ({"now": float("inf")}, "a time is between"),
        ({"now": float("nan")}, "a time is between"),
        ({"value": "caf\udce9"}, "a value is text in UTF-8"),
    ],
)
def test_nothing_is_revoked_that_others_could_not_read(changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        revoking("subject", **{"issuer": ISS, "value": "alice", "now": 100.0, "keep": 50.0, **changes})
    revoking("subject", issuer=ISS, value="caf\u00e9", now=100.0, keep=50.0)


def test_an_entry_tells_a_log_nothing_of_whom_it_is_about() -> None:
    assert repr(entry()) == "Entry(subject, until 100)"
    assert repr(entry(lifted=True)) == "Entry(subject, until 100, lifted)"


def test_the_collector_of_cycles_has_nothing_to_look_at() -> None:
    """Of 250,000 it would look at each, for some 300 ms in which nobody is served."""
    assert not gc.is_tracked(Entry("jti", "https://issuer.example", "1", until=2.0, at=1.0, reason="lost"))
