"""A token in one of its places, as `explain` is asked about it."""

import pytest

from gateway.core.http.facts import HeaderLine
from gateway.explaining.asked import UPGRADE, parse_header, parse_place, with_token


@pytest.mark.parametrize(
    ("place", "target", "lines"),
    [
        ("authorization", b"/a?b=1", ((b"Authorization", b"Bearer a.b"),)),
        ("header:X-Access-Token", b"/a?b=1", ((b"X-Access-Token", b"a.b"),)),
        ("query:access_token", b"/a?b=1&access_token=a.b", ()),
        ("cookie:__Host-token", b"/a?b=1", ((b"Cookie", b"__Host-token=a.b"),)),
        ("websocket:bearer", b"/a?b=1", (*UPGRADE, (b"Sec-WebSocket-Protocol", b"bearer, a.b"))),
    ],
)
def test_a_token_is_put_into_its_place(place: str, target: bytes, lines: tuple[HeaderLine, ...]) -> None:
    assert with_token(b"/a?b=1", b"a.b", parse_place(place)) == (target, lines)
    assert with_token(b"/a?b=1", b"", parse_place(place)) == (b"/a?b=1", ())


def test_a_query_may_be_the_first_and_a_protocol_may_need_other_characters() -> None:
    assert with_token(b"/a", b"t", parse_place("query:q")) == (b"/a?q=t", ())
    _, lines = with_token(b"/a", b"a/b", parse_place("websocket:bearer"))
    assert lines[-1] == (b"Sec-WebSocket-Protocol", b"base64url.bearer.YS9i")


@pytest.mark.parametrize("text", ["", "header", "header:", "body:x", "Authorization", "query"])
def test_a_place_is_spelled_as_in_the_file(text: str) -> None:
    with pytest.raises(ValueError, match="header:NAME"):
        parse_place(text)


def test_a_header_is_a_line() -> None:
    assert parse_header("Origin:  https://a.example ") == (b"Origin", b"https://a.example")
    for text in ("", "Origin", "Or igin: x", ": x", "A: b\r\nC: d"):
        with pytest.raises(ValueError, match="header line"):
            parse_header(text)
