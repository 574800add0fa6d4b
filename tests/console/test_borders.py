"""Pages of other sites, names that lead here all of a sudden, and proxies that nobody named get nowhere."""

import pytest
from multidict import CIMultiDict

from gateway.console.borders import Borders, Foreign

HOST = ("Host", "127.0.0.1:9091")
JSON = ("Content-Type", "application/json; charset=utf-8")


def status(
    *lines: tuple[str, str], method: str = "GET", path: str = "/api/status", borders: Borders | None = None
) -> int:
    try:
        (borders or Borders(hosts=["ops.example"])).check(method, path, CIMultiDict(lines))
    except Foreign as foreign:
        return foreign.status
    return 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1:1", "localhost:9091", "LOCALHOST", "[::1]:9091", "ops.example:9"]
)
def test_loopback_and_hosts_are_ours(host: str) -> None:
    assert status(("Host", host)) == 200


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["evil.example"],
        ["127.0.0.1.evil.example"],
        ["localhost.evil.example:9091"],
        ["10.0.0.1"],
        ["[::2]"],
        ["127.0.0.1@evil.example"],
        ["evil.example#127.0.0.1"],
        ["127.0.0.1", "127.0.0.1"],
        [""],
        ["127.0.0.1:x"],
        ["löcalhost"],
        ["[::1"],
    ],
)
def test_no_other_name_is(hosts: list[str]) -> None:
    assert status(*(("Host", host) for host in hosts)) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:9091", 200),
        ("https://127.0.0.1:9091", 403),
        ("http://127.0.0.1:9092", 403),
        ("http://localhost:9091", 403),
        ("null", 403),
        ("http://evil.example", 403),
        ("", 403),
    ],
)
def test_a_page_that_asks_is_ours(origin: str, expected: int) -> None:
    assert status(HOST, ("Origin", origin)) == expected
    assert status(HOST, ("Origin", origin), path="/") == expected


@pytest.mark.parametrize(
    ("site", "expected"), [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)]
)
def test_a_browser_says_from_where_it_was_asked_to(site: str, expected: int) -> None:
    assert status(HOST, ("Sec-Fetch-Site", site)) == expected
    assert status(HOST, ("Sec-Fetch-Site", site), path="/") == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "x-forwarded-proto", "Forwarded", "Via", "X-Real-IP"])
def test_a_proxy_may_only_stand_between_where_operators_are_configured(name: str) -> None:
    assert status(HOST, (name, "x")) == 403
    assert status(HOST, (name, "x"), borders=Borders(proxies=True)) == 200


def test_behind_a_proxy_a_page_may_have_come_by_tls() -> None:
    behind = Borders(hosts=["ops.example"], proxies=True)
    assert status(("Host", "ops.example"), ("Origin", "https://ops.example"), borders=behind) == 200
    secure = Borders(hosts=["ops.example"], scheme="https")
    assert status(("Host", "ops.example"), ("Origin", "http://ops.example"), borders=secure) == 403


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_change_is_asked_for_as_no_form_can(method: str) -> None:
    assert status(HOST, JSON, method=method) == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert status(HOST, ("Content-Type", kind), method=method) == 415
    assert status(HOST, method=method) == 415
    assert status(HOST, JSON, JSON, method=method) == 415
