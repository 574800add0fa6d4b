"""Each kind of error the parser raises has its refusal, and what it quotes stays with it."""

import asyncio
from typing import Any

import pytest
from aiohttp import http_parser
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, BadStatusLine, LineTooLong
from aiohttp.web_protocol import RequestPayloadError

from gateway.core.errors import Refusal, RequestTimeout
from gateway.relay.parser_errors import parser_refusal


def parse_error(raw: bytes, **limits: Any) -> BaseException:
    loop = asyncio.new_event_loop()
    try:
        parser = http_parser.HttpRequestParser(
            BaseProtocol(loop), loop, 2**16, payload_exception=RequestPayloadError, **limits
        )
        with pytest.raises(BadHttpMessage) as raised:
            parser.feed_data(raw)
        return raised.value
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("raw", "error", "reason"),
    [
        (b"FOO / HTTP/1.1\r\n\r\n", BadHttpMethod, "method_not_implemented"),
        (b"GET / HTTP/1.2\r\n\r\n", BadStatusLine, "version_not_supported"),
        (b"GET / HTTP/1.10\r\n\r\n", BadStatusLine, "bad_request"),
        (b"GET / XTTP/1.1\r\n\r\n", BadStatusLine, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BadHttpMessage, "version_not_supported"),
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n\r\n", LineTooLong, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 200 + b"\r\n\r\n", LineTooLong, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5 + b"\r\n", BadHttpMessage, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nX y\r\n\r\n", BadHttpMessage, "bad_request"),
    ],
)
def test_the_parser_says_what_it_does_not_take_as_it_did(raw: bytes, error: type[BaseException], reason: str) -> None:
    found = parse_error(raw, max_line_size=50, max_field_size=100, max_headers=4)
    assert isinstance(found, error)
    refusal = parser_refusal(found, limits_line=50)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert "aaaa" not in refusal.evidence


def test_our_own_refusals_are_themselves() -> None:
    refusal = RequestTimeout()
    assert parser_refusal(refusal, limits_line=1) is refusal
