"""Which pages may use a cookie."""

from typing import Any

import pytest

from gateway.core.config.cors import Cors
from gateway.core.config.file import Config
from gateway.core.errors import BadRequest, CrossSiteRequest
from gateway.core.http.cors import compile_cors
from gateway.core.http.cross_site import CrossSite
from gateway.core.http.facts import HeaderLine
from tests.memory import facts
from tests.signer import issuer

OURS = "https://api.example.com"
PAGES = "https://app.example.org"
CORS = Cors(origins=(PAGES, "https://*.example.net"), credentials=True)


def site(value: str) -> HeaderLine:
    return (b"Sec-Fetch-Site", value.encode())


def origin(value: str) -> HeaderLine:
    return (b"Origin", value.encode())


LINK = ((b"Sec-Fetch-Mode", b"navigate"), (b"Sec-Fetch-Dest", b"document"))
FRAME = ((b"Sec-Fetch-Mode", b"navigate"), (b"Sec-Fetch-Dest", b"iframe"))


def is_admitted(*lines: HeaderLine, external: Any = OURS, cors: Any = CORS, **settings: Any) -> bool:
    rules = CrossSite.of(Config(issuers=(issuer(),), external_url=external))
    try:
        rules.check(facts(None, *lines, **settings), compile_cors(cors))
    except CrossSiteRequest:
        return False
    return True


@pytest.mark.parametrize(
    "request_", [{"method": "POST"}, {"method": "DELETE"}, {"is_websocket": True}, {"method": "QUERY"}]
)
@pytest.mark.parametrize(
    ("lines", "admitted"),
    [
        ([site("same-origin")], True),
        ([site("none")], True),
        ([site("same-site")], False),
        ([site("cross-site")], False),
        ([site("Same-Origin")], False),
        ([site("")], False),
        ([site("same-origin"), site("same-origin")], False),
        ([site("cross-site"), site("same-origin")], False),
        ([origin(OURS)], True),
        ([origin(OURS), origin(OURS)], False),
        ([origin(OURS + ":443")], False),
        ([origin("http://api.example.com")], False),
        ([origin("https://api.example.com.evil.example")], False),
        ([origin(PAGES)], True),
        ([origin("https://a.example.net")], True),
        ([origin("https://evil.example")], False),
        ([origin("null")], False),
        ([origin("")], False),
        ([], False),
        ([site("cross-site"), origin(PAGES)], True),
        ([site("same-site"), origin(OURS)], True),
        ([site("cross-site"), origin("https://evil.example")], False),
        ([site("cross-site"), *LINK], False),
        ([site("same-origin"), origin("null")], True),
    ],
)
def test_what_changes_something_comes_from_a_page_of_ours(
    request_: dict[str, Any], lines: list[HeaderLine], *, admitted: bool
) -> None:
    assert is_admitted(*lines, **request_) is admitted


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    ("lines", "admitted"),
    [
        ([], True),
        ([site("same-origin")], True),
        ([site("same-site")], True),
        ([site("none"), *LINK], True),
        ([site("cross-site"), *LINK], True),
        ([site("cross-site"), *FRAME], False),
        ([site("cross-site"), LINK[0]], False),
        ([site("cross-site"), LINK[1]], False),
        ([site("cross-site"), *LINK, LINK[1]], False),
        ([site("cross-site"), (b"Sec-Fetch-Mode", b"no-cors"), (b"Sec-Fetch-Dest", b"image")], False),
        ([site("cross-site")], False),
        ([site("cross-site"), origin(PAGES)], True),
        ([site("cross-site"), origin("null")], False),
        ([site("cross-site"), site("same-origin")], False),
        ([origin("https://evil.example")], True),
    ],
)
def test_what_reads_does_not_come_from_another_site_but_by_a_link(
    method: str, lines: list[HeaderLine], *, admitted: bool
) -> None:
    assert is_admitted(*lines, method=method) is admitted


def test_every_origin_is_none_that_is_named() -> None:
    post = {"method": "POST"}
    assert not is_admitted(origin(PAGES), cors=Cors(origins=("*",)), **post)
    assert not is_admitted(origin(PAGES), cors="upstream", **post)
    assert not is_admitted(origin(PAGES), cors=None, **post)
    assert is_admitted(origin(OURS), cors=None, **post)


def test_an_origin_is_ours_where_something_confirms_the_url() -> None:
    post = {"method": "POST"}
    assert not is_admitted(origin(OURS), external=None, **post)
    several = ("https://a.example", "https://b.example")
    assert is_admitted(origin("https://b.example"), external=several, host=b"b.example", **post)
    assert not is_admitted(origin("https://a.example"), external=several, host=b"b.example", **post)
    assert not is_admitted(origin("https://c.example"), external=several, host=b"c.example", **post)
    forwarded = (b"X-Forwarded-Host", b"a.example, b.example")
    with pytest.raises(BadRequest):
        is_admitted(origin("https://a.example"), forwarded, external=several, trusted=True, **post)


def test_a_proxy_that_asks_does_not_tell_of_an_upgrade() -> None:
    key = (b"Sec-WebSocket-Key", b"x")
    assert is_admitted(key, method="GET")
    assert not is_admitted(key, method="GET", is_question=True)
    assert is_admitted(key, site("same-origin"), method="GET", is_question=True)
