"""Which of the hosts in a file a request is for."""

import time

import pytest

from gateway.core.http.hosts import HostNames, host_of, is_host_within, is_odd, names_all_hosts

NAMES = HostNames(("API.example.com", "*.example.com", "*.eu.example.com", "[::1]", "dotted.test.", "*.Dotted.test."))


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (None, ()),
        ("", ()),
        ("api.example.com", ("api.example.com", "*.example.com")),
        ("a.example.com", ("*.example.com",)),
        ("a.b.c.example.com", ("*.example.com",)),
        ("a.eu.example.com", ("*.eu.example.com", "*.example.com")),
        ("eu.example.com", ("*.example.com",)),
        ("example.com", ()),
        ("xexample.com", ()),
        ("example.com.evil", ()),
        ("a.example.comx", ()),
        ("com", ()),
        ("[::1]", ("[::1]",)),
        ("dotted.test", ("dotted.test",)),
        ("a.dotted.test", ("*.dotted.test",)),
    ],
)
def test_a_host_is_its_own_name_and_what_wildcards_name_it(host: str | None, found: tuple[str, ...]) -> None:
    assert NAMES.find(host) == found
    assert NAMES.has(host) == bool(found)


def test_without_wildcards_only_whole_names_count() -> None:
    assert HostNames(("a.test",)).find("b.a.test") == ()
    assert HostNames(("a.test",)).find("a.test") == ("a.test",)
    assert repr(HostNames(("B.test", "*.a.test"))) == "HostNames(*.a.test, b.test)"


def test_a_host_of_dots_alone_costs_nothing() -> None:
    host = "a." * 4000 + "example.com"
    started = time.process_time()
    for _ in range(200):
        assert NAMES.find(host) == ()
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("one", "other", "within"),
    [
        ("a.test", "a.test", True),
        ("a.test", "*.test", True),
        ("a.test", "*.a.test", False),
        ("*.a.test", "*.a.test", True),
        ("*.b.a.test", "*.a.test", True),
        ("*.a.test", "*.b.a.test", False),
        ("*.a.test", "a.test", False),
        ("xa.test", "*.a.test", False),
    ],
)
def test_a_wildcard_names_all_below(one: str, other: str, *, within: bool) -> None:
    assert is_host_within(one, other) == within


@pytest.mark.parametrize(("authority", "odd"), [(b"a.test", False), (b"a%2e", True), (b"a..b", True), (b".a", True), (b"a.", False)])  # fmt: skip
def test_what_may_be_read_as_another_host_is_odd(authority: bytes, *, odd: bool) -> None:
    assert is_odd(authority) == odd
    assert host_of(authority) is not None


@pytest.mark.parametrize(
    ("hosts", "others", "all_"),
    [
        ((), (), True),
        ((), ("a",), True),
        (("a",), (), False),
        (("A.test.", "b"), ("a.test",), True),
        (("*.test",), ("a.test", "*.b.test"), True),
        (("*.test",), ("a.test", "test"), False),
    ],
)
def test_hosts_name_all_of_others(hosts: tuple[str, ...], others: tuple[str, ...], *, all_: bool) -> None:
    assert names_all_hosts(hosts, others) == all_
