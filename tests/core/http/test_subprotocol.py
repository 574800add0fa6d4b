"""A token among the subprotocols of a WebSocket."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UpstreamProtocolError
from gateway.core.http.facts import HeaderLine
from gateway.core.http.placed import Offer
from gateway.core.http.subprotocol import select_protocol, take_protocols

NAMES = (b"bearer", b"bearer.authorization.k8s.io")


def encoded(token: bytes, name: bytes = b"bearer") -> bytes:
    return b"base64url." + name + b"." + urlsafe_b64encode(token).rstrip(b"=")


@pytest.mark.parametrize(
    ("values", "token", "rest", "own"),
    [
        ([b"bearer, abc"], b"abc", (), b"bearer"),
        ([b"bearer,abc,chat"], b"abc", (b"chat",), b"bearer"),
        ([b"bearer", b"abc", b"chat, superchat"], b"abc", (b"chat", b"superchat"), b"bearer"),
        ([b", bearer ,\t, abc"], b"abc", (), b"bearer"),
        ([encoded(b"a/b=")], b"a/b=", (), encoded(b"a/b=")),
        ([b"chat, " + encoded(b"abc")], b"abc", (b"chat",), encoded(b"abc")),
        ([encoded(b"abc", NAMES[1]) + b", v1.k8s.io"], b"abc", (b"v1.k8s.io",), encoded(b"abc", NAMES[1])),
    ],
)
def test_a_token_is_offered(values: list[bytes], token: bytes, rest: tuple[bytes, ...], own: bytes) -> None:
    (found,), left = take_protocols(values, NAMES)
    assert (found.token, found.wrong, found.own, left) == (token, None, own, rest)
    assert found.name in NAMES


@pytest.mark.parametrize(
    "value",
    [
        b"bearer",
        b"bearer,",
        b"chat, bearer, abc",
        b"Bearer, abc",
        b"base64url.bearer.",
        b"base64url.bearer.a",
        b"base64url.bearer.a=",
        b"base64url.bearer.a.b",
        b"base64url.Bearer.YWJj",
        b"BASE64URL.bearer.YWJj",
    ],
)
def test_what_is_offered_otherwise_is_no_token_and_goes_nowhere(value: bytes) -> None:
    (found,), rest = take_protocols([value], NAMES)
    assert found.wrong is not None
    assert rest in {(), (b"chat",)}


def test_two_are_two() -> None:
    found, rest = take_protocols([b"bearer, abc, x", encoded(b"abc")], NAMES)
    assert ([one.token for one in found], rest) == ([b"abc", b"abc"], (b"x",))


@pytest.mark.parametrize("value", [b"", b"chat", b"bearerx, abc", b"base64url.other.YWJj", b"abc, chat"])
def test_other_protocols_are_left(value: bytes) -> None:
    assert take_protocols([value], NAMES)[0] == []


OFFER = Offer((b"chat", b"v1.k8s.io"), b"bearer")


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        ((), ((b"Sec-WebSocket-Protocol", b"bearer"),)),
        (((b"sec-websocket-protocol", b"chat"),), ()),
        (((b"Sec-WebSocket-Protocol", b"bearer"),), ()),
    ],
)
def test_what_was_offered_is_selected(headers: tuple[HeaderLine, ...], lines: tuple[HeaderLine, ...]) -> None:
    assert select_protocol((*headers, (b"Upgrade", b"websocket")), OFFER) == lines


@pytest.mark.parametrize("values", [[b"other"], [b""], [b"Chat"], [b"chat, v1.k8s.io"], [b"chat", b"chat"]])
def test_what_was_not_offered_is_nobodys_to_select(values: list[bytes]) -> None:
    with pytest.raises(UpstreamProtocolError):
        select_protocol([(b"Sec-WebSocket-Protocol", value) for value in values], OFFER)


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"bearer", b"bearer,", b"base64url.bearer.YQ"]), max_size=4))
def test_any_bytes_are_protocols_and_tokens(values: list[bytes]) -> None:
    found, rest = take_protocols(values, NAMES)
    assert take_protocols([b", ".join(rest)], NAMES)[0] == [] or not found
    assert all(one.name in NAMES for one in found)
