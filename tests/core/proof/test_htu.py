"""Two URLs are one exactly when RFC 3986 says so."""

import pytest

from gateway.core.proof.htu import parse_http_url


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://api.example.com/orders", "https://api.example.com/orders"),
        ("HTTPS://API.Example.COM/Orders", "https://api.example.com/Orders"),
        ("https://api.example.com:443/orders", "https://api.example.com/orders"),
        ("https://api.example.com:/orders", "https://api.example.com/orders"),
        ("http://api.example.com:80", "http://api.example.com/"),
        ("https://api.example.com:80/", "https://api.example.com:80/"),
        ("https://api.example.com:8443/", "https://api.example.com:8443/"),
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com?a=b", "https://api.example.com/"),
        ("https://api.example.com#a", "https://api.example.com/"),
        ("https://api.example.com/a?b=/c#/d", "https://api.example.com/a"),
        ("https://[::1]:443/", "https://[::1]/"),
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://h/%7Ea%2fb%C3%bc", "https://h/~a%2Fb%C3%BC"),
        ("https://h/a/./b/../c", "https://h/a/c"),
        ("https://h/a/..", "https://h/"),
        ("https://h/a/b/.", "https://h/a/b/"),
        ("https://h/../../a", "https://h/a"),
        ("https://h/a/%2E%2e/b", "https://h/b"),
        ("https://h/a//b", "https://h/a//b"),
        ("https://h/a;b=1/{c}|d", "https://h/a;b=1/{c}|d"),
    ],
)
def test_a_url_has_one_normal_form(text: str, normal: str) -> None:
    url = parse_http_url(text)
    assert str(url) == normal
    assert str(parse_http_url(normal)) == normal
    assert url.find_difference(parse_http_url(normal)) is None
    assert repr(url) == f"HttpUrl({normal})"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/orders",
        "//api.example.com/orders",
        "api.example.com/orders",
        "https:/api.example.com/",
        "https:///orders",
        "https://",
        "ftp://h/",
        "wss://h/",
        "file:///etc/passwd",
        "https://user@h/",
        "https://api.example.com@evil.example/",
        "https://api.example.com\\@evil.example/",
        "https://h\\a/",
        "https://h/a\\b",
        "https://h:port/",
        "https://h:4431111/",
        "https://h:-1/",
        "https://[::1/",
        "https://::1/",
        "https://h%65/",
        "https://h/%",
        "https://h/%7",
        "https://h/%zz",
        "https://h/a b",
        " https://h/",
        "https://h/ ",
        "https://h/\n",
        "https://h/\x00",
        "https://h/ü",
        "https://h/\u017f",
        "https://\u212aube/",
        "http\u017f://h/",
        "https://bücher.example/",
        "https://h/a?b c",
    ],
)
def test_what_is_no_url_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        parse_http_url(text)


@pytest.mark.parametrize(
    ("one", "other", "part"),
    [
        ("http://h/", "https://h/", "scheme"),
        ("http://h:443/", "https://h/", "scheme"),
        ("https://h/", "https://i/", "host or port"),
        ("https://h./", "https://h/", "host or port"),
        ("https://h:444/", "https://h/", "host or port"),
        ("https://h:0443/", "https://h/", "host or port"),
        ("https://h/a", "https://h/A", "path"),
        ("https://h/a", "https://h/a/", "path"),
        ("https://h/a%2Fb", "https://h/a/b", "path"),
        ("https://h//a", "https://h/a", "path"),
        ("https://h/a;x", "https://h/a", "path"),
        ("https://h/a%3Fb", "https://h/a?b", "path"),
    ],
)
def test_the_part_that_differs_is_named(one: str, other: str, part: str) -> None:
    assert parse_http_url(one).find_difference(parse_http_url(other)) == part
    assert parse_http_url(other).find_difference(parse_http_url(one)) == part
