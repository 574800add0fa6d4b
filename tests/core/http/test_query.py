"""A token in the query: read in one spelling, taken out in all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.http.query import take_parameters

NAMES = (b"access_token",)


@pytest.mark.parametrize(
    ("target", "left", "value"),
    [
        (b"/a?access_token=abc", b"/a", b"abc"),
        (b"/a?access_token=abc&b=1", b"/a?b=1", b"abc"),
        (b"/a?b=1&access_token=abc", b"/a?b=1", b"abc"),
        (b"/a?b=1&access_token=abc&c=%20+;x", b"/a?b=1&c=%20+;x", b"abc"),
        (b"/a?b&&access_token=abc&", b"/a?b&&", b"abc"),
        (b"/a?&access_token=abc", b"/a?", b"abc"),
        (b"/a?access_token=a=b", b"/a", b"a=b"),
        (b"/a?access_token", b"/a", b""),
        (b"/a?access_token=", b"/a", b""),
        (b"/%61ccess_token=x?access_token=%61", b"/%61ccess_token=x", b"%61"),
    ],
)
def test_a_parameter_is_taken_out_and_every_other_byte_stays(target: bytes, left: bytes, value: bytes) -> None:
    assert take_parameters(target, NAMES) == (left, [(b"access_token", value, None)])


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"access%5Ftoken=abc", b""),
        (b"access%5ftoken=abc&b=1", b"b=1"),
        (b"%61ccess_token=abc", b""),
        (b"access%255Ftoken=abc", b""),
        (b"access%25255Ftoken=abc", b""),
        (b"Access_Token=abc", b""),
        (b"access.token=abc", b""),
        (b"access+token=abc", b""),
        (b"access%20token=abc", b""),
        (b"+access_token=abc", b""),
        (b"%20access_token=abc", b""),
        (b"access_token%00=abc", b""),
        (b"access_token[]=abc", b""),
        (b"access_token%5B0%5D=abc", b""),
        (b"access_token%3Dabc", b""),
        (b"b=1;access_token=abc", b"b=1"),
        (b"access_token=abc;b=1", b"b=1"),
        (b"b=1?access_token=abc", b"b=1"),
        (b"access_token=abc#x", b"x"),
        # qs
        (b"[access_token]=abc&a=1", b"a=1"),
        (b"%5Baccess_token%5D[]=abc&a=1", b"a=1"),
        (b"access_token%255B%255D=abc&a=1", b"a=1"),
        # PHP
        (b"access[token=abc&a=1", b"a=1"),
        (b"access_token%00x=abc&a=1", b"a=1"),
        (b"access_token%253Dabc&a=1", b"a=1"),
    ],
)
def test_another_spelling_is_no_token_and_is_taken_out_too(query: bytes, left: bytes) -> None:
    target, (found,) = take_parameters(b"/a?" + query, NAMES)
    assert target == (b"/a?" + left if left else b"/a")
    assert (found.name, found.value) == (b"access_token", b"")
    assert found.wrong is not None


@pytest.mark.parametrize(
    "target",
    [
        b"/a",
        b"*",
        b"/a?",
        b"/a?b=access_token",
        b"/access_token=1",
        b"/a?xaccess_token=1",
        b"/a?access-token=1",
        b"/a?x[access_token]=1",
    ],
)
def test_what_is_not_of_the_name_stays(target: bytes) -> None:
    assert take_parameters(target, NAMES) == (target, [])


def test_each_of_several_is_found() -> None:
    target, found = take_parameters(b"/a?t=1&access_token=2&b&t=3", (b"access_token", b"t"))
    assert target == b"/a?b"
    assert [(one.name, one.value) for one in found] == [(b"t", b"1"), (b"access_token", b"2"), (b"t", b"3")]


@given(
    st.lists(
        st.binary(max_size=8)
        | st.sampled_from([b"access_token=", b"access%5Ftoken", b"&", b";", b"?", b"#", b"=", b"%", b"ACCESS_TOKEN"]),
        max_size=12,
    ).map(b"".join)
)
def test_nothing_of_the_name_is_left_whatever_the_query(query: bytes) -> None:
    target, found = take_parameters(b"/a?" + query, NAMES)
    if not found:
        assert target == b"/a?" + query
    assert take_parameters(target, NAMES) == (target, [])
    assert b"&access_token=" not in b"&" + target.partition(b"?")[2]
