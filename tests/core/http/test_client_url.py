"""The URL that a client used: confirmed by `external_url` or `hosts`, or by nobody."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.errors import BadRequest
from gateway.core.http.client_url import (
    ClientUrl,
    ClientUrls,
    client_urls_of,
    normalised,
    normalised_authority,
    parse_external,
)
from gateway.core.http.facts import HeaderLine
from tests.memory import facts
from tests.signer import issuer

TARGET = b"/orders/7?page=2"


def url_of(
    *lines: HeaderLine,
    external: str | tuple[str, ...] | None = None,
    hosts: tuple[str, ...] = (),
    listen: str = ":8080",
    **settings: Any,
) -> str | None:
    urls = client_urls_of(Config(issuers=(issuer(),), external_url=external, hosts=hosts, listen=listen))
    assert urls is not None
    found = urls.of(facts(None, *lines, **({"target": TARGET, "scheme": "http", "trusted": True} | settings)))
    return None if found is None else found.url(settings.get("target", TARGET))


def test_nothing_confirms_a_url_unless_it_is_configured() -> None:
    assert client_urls_of(Config(issuers=(issuer(),))) is None


@pytest.mark.parametrize(
    ("external", "lines", "host", "url"),
    [
        # One: whatever the request says.
        ("https://api.example.com", (), b"evil.example", "https://api.example.com/orders/7"),
        ("https://api.example.com", (), None, "https://api.example.com/orders/7"),
        ("https://api.example.com/v1/", (), b"10.0.0.1:8080", "https://api.example.com/v1/orders/7"),
        ("HTTPS://API.example.com:443", (), b"x", "https://api.example.com/orders/7"),
        ("http://localhost:8080", (), b"x", "http://localhost:8080/orders/7"),
        ("https://[2001:DB8::1]:8443", (), b"x", "https://[2001:db8::1]:8443/orders/7"),
        ("https://a.example", ((b"X-Forwarded-Proto", b"http, https"),), b"x", "https://a.example/orders/7"),
        # Several: by host, then scheme, then prefix.
        (("https://a.example", "https://b.example"), (), b"B.example:443", "https://b.example/orders/7"),
        (("https://a.example", "https://b.example"), (), b"evil.example", None),
        (("https://a.example", "https://b.example"), (), b"b.example:444", None),
        (("https://a.example", "https://b.example"), (), None, None),
        (
            ("https://a.example", "https://b.example"),
            ((b"Accept", b"*/*"), (b"X-Other", b"1, 2"), (b"X-Forwarded-Host", b"b.example")),
            b"internal:8080",
            "https://b.example/orders/7",
        ),
        (("http://a.example", "https://a.example"), (), b"a.example", "http://a.example/orders/7"),
        (
            ("http://a.example", "https://a.example"),
            ((b"X-Forwarded-Proto", b"WSS"),),
            b"a.example",
            "https://a.example/orders/7",
        ),
        (("https://a.example/v1", "https://b.example"), (), b"a.example", "https://a.example/v1/orders/7"),
        (("https://a.example/v1", "https://a.example/v2"), (), b"a.example", None),
        (("https://a.example/v1", "https://a.example"), (), b"a.example", "https://a.example/orders/7"),
        (
            ("https://a.example/v1", "https://a.example/v2"),
            ((b"x-forwarded-prefix", b"/v2/"),),
            b"a.example",
            "https://a.example/v2/orders/7",
        ),
        (
            ("https://a.example/v1", "https://b.example"),
            ((b"X-Forwarded-Prefix", b"/other"),),
            b"a.example",
            None,
        ),
    ],
)
def test_an_external_url_is_chosen(
    external: str | tuple[str, ...], lines: tuple[HeaderLine, ...], host: bytes | None, url: str | None
) -> None:
    assert url_of(*lines, external=external, host=host) == url


@pytest.mark.parametrize(
    ("lines", "host", "url"),
    [
        ((), b"api.example.com", "http://api.example.com/orders/7"),
        ((), b"API.example.com.", "http://api.example.com./orders/7"),
        ((), b"api.example.com:80", "http://api.example.com/orders/7"),
        ((), b"api.example.com:", "http://api.example.com/orders/7"),
        ((), b"api.example.com:8080", "http://api.example.com:8080/orders/7"),
        # Another port is another server: who says that it is ours?
        ((), b"api.example.com:8081", None),
        ((), b"api.example.com:0", None),
        ((), b"api.example.com:99999", None),
        ((), b"evil.example", None),
        ((), b"example.com", None),
        ((), b"evil-api.example.com", None),
        ((), b"shop.example.org", "http://shop.example.org/orders/7"),
        ((), b"a.b.example.org", "http://a.b.example.org/orders/7"),
        ((), b"example.org", None),
        ((), b"badexample.org", None),
        ((), b"[::1]:8080", "http://[::1]:8080/orders/7"),
        ((), b"[0:0::1]", "http://[::1]/orders/7"),
        ((), b"[1::1::1]", None),
        ((), b"%zz.example.org", None),
        ((), b"a b.example.org", None),
        ((), None, None),
        (((b"X-Forwarded-Proto", b"https"),), b"api.example.com", "https://api.example.com/orders/7"),
        (((b"X-Forwarded-Proto", b"https"),), b"api.example.com:80", None),
        (((b"X-Forwarded-Host", b"evil.example"),), b"api.example.com", None),
        (
            ((b"X-Forwarded-Host", b"api.example.com"), (b"X-Forwarded-Prefix", b"/shop")),
            b"10.0.0.1:8080",
            "http://api.example.com/shop/orders/7",
        ),
    ],
)
def test_a_host_counts_where_hosts_have_it(lines: tuple[HeaderLine, ...], host: bytes | None, url: str | None) -> None:
    assert url_of(*lines, hosts=("api.Example.com", "*.example.org", "[::1]"), host=host) == url


@pytest.mark.parametrize("listen", [":0", "unix:/run/gateway.sock", "nonsense"])
def test_any_port_counts_where_nobody_knows_it(listen: str) -> None:
    assert url_of(hosts=("localhost",), host=b"localhost:4711", listen=listen) == "http://localhost:4711/orders/7"


@pytest.mark.parametrize(
    "lines",
    [
        ((b"X-Forwarded-Host", b"api.example.com"), (b"x-forwarded-host", b"api.example.com")),
        ((b"X-Forwarded-Host", b"api.example.com, api.example.com"),),
        ((b"X-Forwarded-Host", b""),),
        ((b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-Proto", b"http")),
        ((b"X-Forwarded-Proto", b"https,http"),),
        ((b"X-Forwarded-Proto", b"gopher"),),
        ((b"X-Forwarded-Prefix", b"/a"), (b"X-Forwarded-Prefix", b"/b")),
        ((b"X-Forwarded-Prefix", b"/a,/b"),),
        ((b"X-Forwarded-Prefix", b"a"),),
        ((b"X-Forwarded-Prefix", b"/a?b"),),
        ((b"X-Forwarded-Prefix", b"/\xc3\xa4"),),
    ],
)
@pytest.mark.parametrize("external", [None, ("https://api.example.com", "https://b.example")])
def test_what_a_trusted_proxy_says_twice_is_no_url(
    lines: tuple[HeaderLine, ...], external: tuple[str, ...] | None
) -> None:
    with pytest.raises(BadRequest):
        url_of(*lines, hosts=("api.example.com",), external=external)
    # From anybody else it is not even read, and a question of a proxy was read before.
    assert url_of(*lines, hosts=("api.example.com",), external=external, trusted=False) is not None
    assert url_of(*lines, hosts=("api.example.com",), external=external, is_question=True) is not None


def test_a_target_is_written_as_a_url_has_it() -> None:
    url = ClientUrl("https", "api.example.com", "/v1")
    assert url.url(b"/a%20b/*?x=1?2") == "https://api.example.com/v1/a%20b/*"
    assert url.url(b"/a#b\xc3\xa4 ?") == "https://api.example.com/v1/a%23b%C3%A4%20"
    assert url.url(b"*") == "https://api.example.com/v1"
    assert url.origin == b"https://api.example.com"
    assert repr(url) == "ClientUrl(https://api.example.com/v1)"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.com/a", "HTTPS://EXAMPLE.com:443/a"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com:/a", "https://example.com/a"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("https://example.com/%7Euser/%c3%a4", "https://example.com/~user/%C3%A4"),
        ("https://example.com/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com/../..", "https://example.com/"),
        ("https://example.com/a/%2E%2e/b", "https://example.com/b"),
        ("https://example.com/a/b/..", "https://example.com/a/"),
        ("https://example.com/a?b#c", "https://example.com/a"),
        ("https://example.com?b", "https://example.com/#c"),
        ("https://ex%61mple.com/", "https://example.com/"),
        ("https://[0:0:0:0:0:0:0:1]/", "https://[::1]/"),
    ],
)
def test_urls_that_are_the_same(one: str, other: str) -> None:
    assert normalised(one) is not None
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.com/a", "http://example.com/a"),
        ("https://example.com/a", "https://example.com/A"),
        ("https://example.com/a", "https://example.com/a/"),
        ("https://example.com/a", "https://example.com//a"),
        ("https://example.com/a%2Fb", "https://example.com/a/b"),
        ("https://example.com:8443/a", "https://example.com/a"),
        ("https://example.com/a", "https://example.com./a"),
        ("https://example.com/.well-known", "https://example.com/well-known"),
    ],
)
def test_urls_that_differ(one: str, other: str) -> None:
    assert None not in {normalised(one), normalised(other)}
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "example.com/a",
        "wss://example.com/a",
        "ftp://example.com/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https:///a",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:999999/",
        "https://example.com:8o/",
        "https://example.com/%zz",
        "https://example.com/%",
        "https://ex%zzample.com/",
        "https://example.com/ a",
        " https://example.com/",
        "https://example.com/\n",
        "https://exämple.com/",
        "https://example.com/ä",
        "https://[::1",
        "https://[1::1::1]/",
        "https://[fe80::1%25eth0]/",
        "https:\\\\example.com/",
    ],
)
def test_what_is_no_url_of_a_request(url: str) -> None:
    assert normalised(url) is None


@given(st.text(max_size=60) | st.text(alphabet="htps:/.%2e[]@?#aA:0 ", max_size=60).map("https://".__add__))
def test_normalising_never_raises_and_is_done_once(text: str) -> None:
    found = normalised(text)
    if found is not None:
        scheme, host, port, path = found
        again = normalised(f"{scheme}://{host}:{port}{path}")
        assert again is not None
        # An escape of a percent sign stays one: what it escapes is not undone as well.
        assert again[:3] == found[:3]
        assert "/../" not in path


@given(st.binary(max_size=40), st.sampled_from(["http", "https"]))
def test_an_authority_is_one_or_none(authority: bytes, scheme: str) -> None:
    found = normalised_authority(authority, scheme)
    assert found is None or normalised_authority(found.encode(), scheme) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.example.com",
        "https://api.example.com/?",
        "https://api.example.com/a?b",
        "https://a.example/%41",
        "https://a.example/a/../b",
        "https://a.example/a//b",
        "https://u@a.example",
        "https://a.example/#x",
    ],
)
def test_what_is_no_external_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust "):
        parse_external(text)


@pytest.mark.parametrize(
    ("host", "is_one"), [(b"a.example.com", True), (b".example.com", False), (b"example.com", False)]
)
def test_a_wildcard_of_hosts_confirms_what_is_below_it(host: bytes, *, is_one: bool) -> None:
    urls = ClientUrls((), hosts=("*.example.com",))
    assert (urls.of(facts(host=host)) is not None) == is_one
