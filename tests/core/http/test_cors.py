"""What the browser of a page on another origin is told."""

import re
from typing import Any, Literal

import pytest

from gateway.core.config.cors import Cors
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.section import Seconds
from gateway.core.http.cors import CrossOrigin, compile_cors, parse_origin, requested_method

APP = "https://app.example.com"
VARY = (b"Vary", b"Origin")


def compiled(**settings: Any) -> CrossOrigin:
    cors = compile_cors(Cors(**{"origins": (APP,), **settings}))
    assert cors is not None
    return cors


def sent(origin: str | None = APP, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"Host", b"api"), *(() if origin is None else ((b"oRIGIN", origin.encode("latin-1")),)), *more]


def preflight(method: str = "PUT", origin: str = APP) -> list[tuple[bytes, bytes]]:
    return sent(origin, (b"Access-Control-Request-Method", method.encode()))


# Origins


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example.com", b"https://app.example.com"),
        ("HTTPS://App.Example.com:443", b"https://app.example.com"),
        ("http://app.example.com:80", b"http://app.example.com"),
        ("http://app.example.com:443", b"http://app.example.com:443"),
        ("http://localhost:5173", b"http://localhost:5173"),
        ("http://127.0.0.1:05173", b"http://127.0.0.1:5173"),
        ("http://[::1]:8000", b"http://[::1]:8000"),
        ("capacitor://localhost", b"capacitor://localhost"),
        ("chrome-extension://abcdefghijklmnop", b"chrome-extension://abcdefghijklmnop"),
    ],
)
def test_an_origin_is_compared_as_browsers_write_it(text: str, origin: bytes) -> None:
    assert parse_origin(text) == origin
    allowed = dict(compiled(origins=(text,)).response_lines(sent(origin.decode())))
    assert allowed[b"Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    "text",
    [
        "", "app.example.com", "https://", "https://app.example.com/", "https://app.example.com/path", "https://a?b",
        "https://a#b", "https://user@app.example.com", "https://app.example.com:0", "https://app.example.com:65536",
        "https://app.example.com:", "https://*", "https://*:8443", "https://app.*.com", "https://*app.example.com",
        "https://*.*.example.com", "*.example.com", "*://app.example.com", "https://münchen.example", "https://a..b",
        "https://a, https://b", "https://app.example.com\n", "null", "file:///", "https://*.com", "https://*.[::1]",
    ],
)  # fmt: skip
def test_what_no_browser_sends_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        parse_origin(text)


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("https://*.example.com", "https://app.example.com", True),
        ("https://*.example.com", "https://a-1_b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://.example.com", False),
        ("https://*.example.com", "https://a.b.example.com", False),
        ("https://*.example.com", "https://evil.com?.example.com", False),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("https://*.example.com", "https://evil.com#.example.com", False),
        ("https://*.example.com", "https://appxexample.com", False),
        ("https://*.example.com", "https://app.example.com.evil.com", False),
        ("https://*.example.com", "https://app.example.com:8443", False),
        ("https://*.example.com", "http://app.example.com", False),
        ("https://*.example.com", "https://app.example.com\n", False),
        ("https://*.example.com:8443", "https://app.example.com:8443", True),
        ("https://*.example.com:8443", "https://app.example.com", False),
    ],
)
def test_a_wildcard_is_one_label(pattern: str, origin: str, *, allowed: bool) -> None:
    assert isinstance(parse_origin(pattern), re.Pattern)
    lines = dict(compiled(origins=("https://other.example", pattern)).response_lines(sent(origin)))
    assert lines.get(b"Access-Control-Allow-Origin") == (origin.encode() if allowed else None)


@pytest.mark.parametrize(
    "headers",
    [
        sent(None), sent("null"), sent(""), sent("https://app.example.com/"), sent("https://APP.example.com"),
        sent("https://app.example.com.evil"), sent("https://evil"), sent("http://app.example.com"),
        sent(f"{APP} {APP}"), sent(APP, (b"Origin", APP.encode())),
    ],
)  # fmt: skip
def test_another_origin_is_told_nothing_but_that_the_response_varies(headers: list[tuple[bytes, bytes]]) -> None:
    assert compiled().response_lines(headers) == (VARY,)
    assert compiled().preflight_lines(headers, method="PUT") == (VARY,)


def test_any_origin_gets_a_star_and_is_not_repeated() -> None:
    lines = dict(compiled(origins=("*",)).response_lines(sent("https://anybody.example")))
    assert lines[b"Access-Control-Allow-Origin"] == b"*"
    assert (b"Access-Control-Allow-Origin", b"*") in compiled(origins=("*",)).response_lines(sent("null"))


# Responses


def test_a_page_may_read_why_it_was_refused_and_when_to_come_back() -> None:
    assert compiled().response_lines(sent()) == (
        VARY,
        (b"Access-Control-Allow-Origin", APP.encode()),
        (b"Access-Control-Expose-Headers", b"WWW-Authenticate, Retry-After"),
    )


def test_further_headers_are_exposed_once() -> None:
    lines = dict(compiled(expose=("ETag", "www-authenticate", "etag", "Link")).response_lines(sent()))
    assert lines[b"Access-Control-Expose-Headers"] == b"WWW-Authenticate, Retry-After, ETag, Link"


def test_a_preflight_is_told_what_may_be_sent_and_for_how_long() -> None:
    assert compiled().preflight_lines(preflight(), method="PUT") == (
        VARY,
        (b"Access-Control-Allow-Origin", APP.encode()),
        (b"Access-Control-Allow-Methods", b"PUT"),
        (b"Access-Control-Allow-Headers", b"Authorization, Content-Type"),
        (b"Access-Control-Max-Age", b"600"),
    )


def test_a_preflight_is_told_what_is_configured() -> None:
    cors = compiled(methods=("GET", "PUT"), headers=("X-Trace", "authorization"), max_age=Seconds(90.5))
    assert cors.preflight_lines(preflight(), method="DELETE") == (
        VARY,
        (b"Access-Control-Allow-Origin", APP.encode()),
        (b"Access-Control-Allow-Methods", b"GET, PUT"),
        (b"Access-Control-Allow-Headers", b"Authorization, Content-Type, X-Trace"),
        (b"Access-Control-Max-Age", b"90"),
    )


def test_cookies_are_allowed_in_both_responses_when_configured() -> None:
    cors, line = compiled(credentials=True), (b"Access-Control-Allow-Credentials", b"true")
    assert line in cors.response_lines(sent())
    assert line in (cors.preflight_lines(preflight(), method="PUT") or ())
    assert line not in cors.response_lines(sent("https://evil"))


def test_nothing_is_said_where_the_api_says_it_or_nobody() -> None:
    upstream: Literal["upstream"] = "upstream"
    cors = compile_cors(upstream)
    assert cors is not None
    assert cors.response_lines(sent()) == ()
    assert cors.preflight_lines(preflight(), method="PUT") is None
    assert compile_cors(None) is None


# Preflights


def test_a_preflight_asks_for_a_method() -> None:
    assert requested_method("OPTIONS", preflight("PUT")) == "PUT"
    assert requested_method("OPTIONS", preflight("M-SEARCH", "null")) == "M-SEARCH"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", preflight()),
        ("OPTIONS", sent()),
        ("OPTIONS", sent(None, (b"Access-Control-Request-Method", b"PUT"))),
        ("OPTIONS", sent(APP, (b"Access_Control_Request_Method", b"PUT"))),
        ("OPTIONS", preflight("")),
        ("OPTIONS", preflight("put")),
        ("OPTIONS", preflight("PUT, GET")),
        ("OPTIONS", sent(APP, (b"Access-Control-Request-Method", b"\xdcBER"))),
        ("OPTIONS", [*preflight(), (b"access-control-request-method", b"PUT")]),
        ("OPTIONS", [*preflight(), (b"Origin", b"https://b")]),
    ],
)
def test_anything_else_is_no_preflight(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    assert requested_method(method, headers) is None


def test_pages_may_send_proofs_and_read_nonces_where_there_are_any() -> None:
    for dpop, sent_as_well, read_as_well in (
        (None, b"", b""),
        (DPoPSection(), b", DPoP", b""),
        (DPoPSection(nonce="required"), b", DPoP", b", DPoP-Nonce"),
    ):
        cors = compile_cors(Cors(origins=(APP,)), dpop=dpop, has_rates=True)
        assert cors is not None
        lines = dict(cors.preflight_lines(preflight(), method="PUT") or ())
        assert lines[b"Access-Control-Allow-Headers"] == b"Authorization, Content-Type" + sent_as_well
        exposed = dict(cors.response_lines(sent()))[b"Access-Control-Expose-Headers"]
        assert exposed == b"WWW-Authenticate, Retry-After" + read_as_well + b", RateLimit-Policy, RateLimit"
