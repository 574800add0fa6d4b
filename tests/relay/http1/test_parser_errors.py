"""Each kind of error the parser raises has its refusal."""

import pytest
from httptools import HttpParserError, HttpRequestParser

from gateway.core.errors import Refusal
from gateway.relay.http1.parser_errors import parser_refusal


class _Ears:
    def on_message_begin(self) -> None:
        pass

    def on_message_complete(self) -> None:
        pass


def parse_error(raw: bytes) -> HttpParserError:
    with pytest.raises(HttpParserError) as raised:
        HttpRequestParser(_Ears()).feed_data(raw)
    return raised.value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"FOO / HTTP/1.1\r\n\r\n", "method_not_implemented"),
        (b"\x16\x03\x01", "method_not_implemented"),
        (b"GET / HTTP/1.2\r\n\r\n", "version_not_supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version_not_supported"),
        (b"GET / HTTP/1.10\r\n\r\n", "bad_request"),
        (b"GET / XTTP/1.1\r\n\r\n", "bad_request"),
        (b"GET \xff HTTP/1.1\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nX secret\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nX: secret\x00\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nContent-Length: secret\r\n\r\n", "bad_request"),
    ],
)
def test_the_parser_says_what_it_does_not_take_as_it_did(raw: bytes, reason: str) -> None:
    refusal = parser_refusal(parse_error(raw))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert refusal.evidence
    assert "secret" not in refusal.evidence
