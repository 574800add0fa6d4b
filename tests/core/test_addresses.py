from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.addresses import (
    Address,
    Origin,
    is_authority,
    is_fetchable,
    is_loopback,
    is_wildcard,
    parse_address,
    parse_ip,
    parse_networks,
    parse_upstream,
    parse_url,
    same_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:8080", Address("0.0.0.0", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::]:8080", Address("::", 8080)),
        ("[0:0::1]:65535", Address("::1", 65535)),
        (":0", Address("", 0)),
        (":8080", Address("", 8080)),
        ("LocalHost:80", Address("localhost", 80)),
        ("unix:/run/gateway.sock", Address("", 0, "/run/gateway.sock")),
        ("unix:/s?mode=0660&group=www-data", Address("", 0, "/s", 0o660, "www-data")),
        ("unix:/s?group=33", Address("", 0, "/s", 0o660, "33")),
        ("unix:/s?mode=600", Address("", 0, "/s", 0o600)),
    ],
)
def test_an_address_to_listen_on_is_host_and_port_or_a_socket(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *((text, "must be address:port") for text in ("", "8080", "localhost", "0.0.0.0:", "0.0.0.0:65536", "h:http", "h:-1", "h: 1", "h:٣", "[::1]", "h:1\n")),
        ("*:8080", "0.0.0.0:8080"),
        ("::1:8080", "in brackets"),
        ("[::g]:80", "IPv6 address between"),
        ("256.0.0.1:80", "valid IPv4"),
        ("0.0.0:80", "valid IPv4"),
        ("http://h:80", "in brackets"),
        ("a b:80", "valid host name"),
        ("-a:80", "valid host name"),
        (f"{'a' * 64}:80", "valid host name"),
        (f"{'a.' * 127}a:80", "valid host name"),
        *((text, "absolute path") for text in ("unix:", "unix:run", "unix:/run/", "unix:@gateway", "unix:/a\0b")),
        (f"unix:/{'a' * 107}", "107 bytes"),
        ("unix:?mode=0660", "absolute path"),
        *((f"unix:/s?{more}", "nothing but mode and group") for more in ("", "user=a", "mode=0660&", "Mode=0660", "mode=0660&?group=a")),
        ("unix:/s?mode=0660&mode=0600", "mode twice"),
        ("unix:/s?group=a&group=a", "group twice"),
        *((f"unix:/s?mode={mode}", "three octal digits") for mode in ("", "66", "0880", "rw", "02660", "4755", "0o660", "06600", " 660")),
        *((f"unix:/s?group={group}", "name or the number of a group") for group in ("", "-a", "a b", "1a", "a%20b", "0" * 10)),
    ],
)  # fmt: skip
def test_anything_else_is_no_address(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://127.0.0.1:3000", Origin("http", "127.0.0.1", 3000)),
        ("http://Api.Example", Origin("http", "api.example", 80)),
        ("https://api.example/", Origin("https", "api.example", 443)),
        ("http://[::1]:3000", Origin("http", "::1", 3000)),
        ("http://my_service:3000", Origin("http", "my_service", 3000)),
        ("unix:/run/api.sock", Origin("unix", "", 0, "/run/api.sock")),
    ],
)
def test_an_upstream_is_an_origin_or_a_socket(text: str, origin: Origin) -> None:
    assert parse_upstream(text) == origin


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must not be empty"),
        ("127.0.0.1:3000", "must begin with http"),
        ("http://h:3000/api", "must end after the port"),
        ("http://h:3000/?a=1", "must end after the port"),
        ("http://h:3000?a=1", "must end after the port"),
        ("ftp://h", "begins with https"),
        ("http://user:secret@h", "user or a password"),
        ("http://h/#", "fragment"),
        ("http://", "valid host"),
        ("http://h:0", "valid host"),
        ("http://h:65536", "valid host"),
        ("http://[::1", "valid host"),
        ("http://[fe80::1%25eth0]:80", "valid host"),
        ("http://a%41/", "valid host"),
        ("http://h\\@evil", "user or a password"),
        ("http://h\\evil", "valid host"),
        ("http://h\t/", "blanks"),
        ("http://hö", "ASCII"),
        ("http://a,b", "valid host name"),
        ("unix:relative", "absolute path"),
    ],
)
def test_anything_else_is_no_upstream(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        parse_upstream(text)
    assert "secret" not in str(raised.value)


def test_a_url_of_an_issuer_may_have_a_path_and_a_query() -> None:
    url = parse_url("https://login.example/tenant/keys?p=policy")
    assert (url.scheme, url.host, url.port, url.path, url.query) == (
        "https",
        "login.example",
        443,
        "/tenant/keys",
        "p=policy",
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("LOCALHOST", True), ("127.8.9.1", True), ("::1", True), ("10.0.0.1", False), ("::", False), ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_loopback_is_what_surely_is_this_machine(host: str, expected: object) -> None:
    assert is_loopback(host) is expected


def test_every_interface_has_three_spellings() -> None:
    assert [host for host in ("", "0.0.0.0", "::", "::1", "localhost") if is_wildcard(host)] == ["", "0.0.0.0", "::"]


@pytest.mark.parametrize(
    ("url", "issuer", "allow_http", "expected"),
    [
        ("https://a.example/k", "https://a.example", False, True),
        ("http://a.example/k", "https://a.example", False, False),
        ("http://a.example/k", "https://a.example", True, True),
        ("http://localhost:1/k", "http://127.0.0.1:1", False, True),
        ("http://localhost:1/k", "https://a.example", False, False),
        ("http://a.example/k", "http://localhost", False, False),
        ("http://localhost:1/k", "just a name", False, False),
        ("ftp://a.example/k", "https://a.example", True, False),
    ],
)
def test_http_is_for_loopback_only_unless_it_is_allowed(
    url: str, issuer: str, allow_http: Any, expected: object
) -> None:
    assert is_fetchable(url, issuer=issuer, allow_http=allow_http) is expected


@given(st.text() | st.from_regex(r"(http|https|unix)://?[ -~]*", fullmatch=True))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    for parse in (parse_address, parse_upstream, parse_url):
        sentence = "must "
        try:
            parse(text)
        except ValueError as error:
            sentence = str(error)
        assert sentence.startswith("must ")


@pytest.mark.parametrize(
    "text", [b"a", b"api.example.com:8443", b"[::1]:80", b"[::1]", b"10.0.0.1", b"a:", b"a:65535", b"a" * 300 + b":1"]
)
def test_an_authority_is_a_host_with_an_optional_port(text: bytes) -> None:
    assert is_authority(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a b",
        b"a,b",
        b"a/b",
        b"u@a",
        b":80",
        b"a:b",
        b"a\n",
        b"\xe9",
        b"a:65536",
        b"[::1]:99999",
        b"a:000080",
        b"[1.2.3.4]",
        b"[]",
        b"a" * 300 + b":99999",
    ],
)
def test_anything_else_is_no_authority(text: bytes) -> None:
    assert not is_authority(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_ip_address_is_read_without_its_zone_and_unmapped(text: str, address: str) -> None:
    assert str(parse_ip(text)) == address


@pytest.mark.parametrize("text", ["", "unix", "192.0.2", "192.0.2.1:80", "[2001:db8::1]", "010.0.0.1"])
def test_anything_else_is_no_ip_address(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        parse_ip(text)


def test_networks_are_those_of_trusted_proxies_without_unix() -> None:
    assert [str(network) for network in parse_networks(("10.0.0.0/8", "unix", "192.0.2.1", "2001:db8::/32"))] == [
        "10.0.0.0/8",
        "192.0.2.1/32",
        "2001:db8::/32",
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", ":80", True),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        (":0", ":0", False),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
        ("unix:/a", ":80", False),
    ],
)
def test_two_listeners_stand_in_each_others_way_on_one_port_of_one_host(one: str, other: str, same: object) -> None:
    assert same_address(parse_address(one), parse_address(other)) is same
