"""A token in a cookie: read in one spelling, taken out in all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.http.cookies import take_cookies

NAMES = (b"__Host-token",)


@pytest.mark.parametrize(
    ("value", "left", "token"),
    [
        (b"__Host-token=abc", None, b"abc"),
        (b"__Host-token=abc; b=2", b"b=2", b"abc"),
        (b"a=1; __Host-token=abc; b=2", b"a=1; b=2", b"abc"),
        (b"a=1;__Host-token = abc ;b=2", b"a=1;b=2", b"abc"),
        (b"a=1; __Host-token=abc", b"a=1", b"abc"),
        (b"__Host-token=a=b", None, b"a=b"),
        (b"__Host-token", None, b""),
        (b"__Host-token=", None, b""),
        (b'__Host-token="abc"', None, b'"abc"'),
        (b"__Host-token=abc,def", None, b"abc,def"),
    ],
)
def test_a_cookie_is_taken_out_and_the_others_stay(value: bytes, left: bytes | None, token: bytes) -> None:
    assert take_cookies(value, NAMES) == (left, [(b"__Host-token", token)])


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b"__host-token=abc", None),
        (b"__%48ost-token=abc; a=1", b"a=1"),
        (b"a=1,__Host-token=abc; b=2", b"a=1; b=2"),
        (b'"__Host-token"=abc', None),
        # Python's http.cookies ends a cookie at a blank.
        (b"a=1 __Host-token=abc", b"a=1"),
        (b'a="1"\t__Host-token=abc b=2; c=3', b'a="1" b=2; c=3'),
        (b"a=1; b=2 , __host-token=abc", b"a=1; b=2"),
        # PHP's underscores, arrays and ends.
        (b"a=1; ..Host-token=abc", b"a=1"),
        (b"__Host-token[]=abc; a=1", b"a=1"),
        (b"__Host-token%5B1%5D=abc; a=1", b"a=1"),
        (b"__Host-token%00x=abc; a=1", b"a=1"),
        (b"__%2548ost-token=abc; a=1", b"a=1"),
    ],
)
def test_another_spelling_is_not_read_and_is_taken_out_too(value: bytes, left: bytes | None) -> None:
    assert take_cookies(value, NAMES) == (left, [])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a=1",
        b"a=1; b=__Host-token",
        b"__Host-token2=1",
        b"; ;",
        b"a=1,2; b",
        b"a=1  2 3=4; b = c",
        b"a;  ;b",
        b"__%25252548ost-token=abc",
    ],
)
def test_other_cookies_stay_as_they_are(value: bytes) -> None:
    assert take_cookies(value, NAMES) == (value, [])


def test_each_is_found() -> None:
    assert take_cookies(b"t=1; a; __Host-token=2; t=3", (b"t", *NAMES)) == (
        b"a",
        [(b"t", b"1"), (b"__Host-token", b"2"), (b"t", b"3")],
    )


@given(
    st.lists(
        st.binary(max_size=6)
        | st.sampled_from([b"__Host-token", b"=", b";", b",", b" ", b'"', b"__host-TOKEN", b"%48"]),
        max_size=12,
    ).map(b"".join)
)
def test_nothing_of_the_name_is_left_whatever_the_value(value: bytes) -> None:
    left, _ = take_cookies(value, NAMES)
    assert left is None or take_cookies(left, NAMES) == (left, [])
