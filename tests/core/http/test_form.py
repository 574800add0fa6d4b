"""Forms of strangers: what is one, and what is read of it."""

import pytest

from gateway.core.http.form import MAX_FIELDS, is_form, parse_form


@pytest.mark.parametrize(
    ("content_type", "says"),
    [
        (b"application/x-www-form-urlencoded", True),
        (b"Application/X-WWW-Form-Urlencoded ; charset=utf-8", True),
        (b"application/x-www-form-urlencoded-not", False),
        (b"application/json", False),
        (b"", False),
        (None, False),
    ],
)
def test_a_form_says_that_it_is_one(content_type: bytes | None, *, says: bool) -> None:
    assert is_form(content_type) is says


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"logout_token=a.b.c", {"logout_token": "a.b.c"}),
        (b"a=1&b=%C3%BC+%2B&c=", {"a": "1", "b": "ü +", "c": ""}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"&&a=1", {"a": "1"}),
        ("a=ü".encode(), {"a": "ü"}),
    ],
)
def test_its_fields_are_read(body: bytes, fields: dict[str, str]) -> None:
    assert parse_form(body) == fields


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"a=1&a=2", "twice"),
        (b"a=\xff", "UTF-8"),
        (b"a=%ff", "UTF-8"),
        (b"&".join(b"a%d=1" % number for number in range(MAX_FIELDS + 1)), "more than 64"),
    ],
)
def test_what_is_no_sound_form_is_none(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_form(body)
