"""By what a token can be revoked: one index value for each thing it names, and another for everything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.token.handles import Handles, fixed_part, handles_of, index_value

DIGEST = bytes(range(32))
TEXTS = st.text(max_size=8)


def made(claims: dict[str, Any], *, subject: str | None = "alice", client: str | None = "app") -> Handles:
    return handles_of(claims, issuer="https://i.example", subject=subject, client=client, digest=DIGEST)


def test_a_token_is_found_by_all_that_it_names() -> None:
    handles = made({"iat": 5, "jti": "t1", "sid": "s1"})
    assert (handles.issued_at, handles.jti, handles.sid) == (5.0, "t1", "s1")
    assert set(handles.index) == {
        index_value("token", DIGEST.hex()),
        index_value("issuer", "https://i.example"),
        index_value("jti", "https://i.example", "t1"),
        index_value("sid", "https://i.example", "s1"),
        index_value("subject", "https://i.example", "alice"),
        index_value("client", "https://i.example", "app"),
    }
    assert repr(handles) == "Handles(6, issued at 5.0)"


def test_a_token_without_session_is_one_that_a_logout_cannot_tell_apart() -> None:
    assert index_value("sessionless", "https://i.example", "alice") in made({}).index
    assert index_value("sessionless", "https://i.example", "alice") not in made({"sid": "s"}).index
    assert len(made({}, subject=None).index) == 3


@pytest.mark.parametrize("value", [None, "", 5, ["x"], {}])
def test_what_is_no_text_names_nothing(value: object) -> None:
    handles = made({"jti": value, "sid": value}, subject=None, client=None)
    assert (handles.jti, handles.sid, len(handles.index)) == (None, None, 2)


@pytest.mark.parametrize("value", [None, "5", True])
def test_without_a_time_it_was_issued_before_everything(value: object) -> None:
    assert made({"iat": value}).issued_at is None


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3), TEXTS, TEXTS)
def test_other_parts_have_another_value(one: list[str], other: list[str], kind: str, another: str) -> None:
    assert (index_value(kind, *one) == index_value(another, *other)) == ((kind, one) == (another, other))


def test_a_lone_surrogate_is_no_reason_to_fail() -> None:
    assert len(index_value("subject", "i", "\ud800")) == 16


@pytest.mark.parametrize(
    ("token", "fixed"),
    [
        (b"eyJhIjoxfQ.b.c", b"eyJhIjoxfQ.b"),
        (b"eyJhIjoxfQ.b.c.d.e", b"eyJhIjoxfQ.b.c.d.e"),
        # What is no JWT has no signature, whatever dots it has: its issuer is asked about all of it.
        (b"opaque==", b"opaque"),
        *((opaque, opaque) for opaque in (b"opaque", b"a.b", b"a.b.c", b"v2.local.secret", b"ory_at_a.b.c")),
    ],
)
def test_of_a_signed_token_all_but_the_signature_is_fixed(token: bytes, fixed: bytes) -> None:
    assert fixed_part(token) == fixed
