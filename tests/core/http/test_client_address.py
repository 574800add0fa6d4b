"""Whose address counts: the client's, as far as somebody who is believed says which that is."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.rates import BadTokensSection
from gateway.core.http.client_address import MAX_HOPS, ClientAddresses, client_addresses_of, says_whose_address
from gateway.core.http.facts import HeaderLine
from tests.memory import facts
from tests.signer import issuer

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "unix")


def counted(
    *values: bytes,
    proxies: tuple[str, ...] = PROXIES,
    direct: bool = False,
    peer: str = "10.0.0.1",
    trusted: bool = True,
) -> str | None:
    lines: list[HeaderLine] = [(b"X-Forwarded-For", value) for value in values]
    request = facts(None, (b"Accept", b"*/*"), *lines, peer=peer, trusted=trusted)
    return ClientAddresses(proxies, direct=direct).of(request)


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ((b"203.0.113.7",), "203.0.113.7"),
        # The client wrote the first, its own proxy or a liar the second, the one that we trust the last.
        ((b"198.51.100.1, 203.0.113.7",), "203.0.113.7"),
        ((b"198.51.100.1,203.0.113.7 , 10.0.0.2,\t10.1.2.3",), "203.0.113.7"),
        ((b"198.51.100.1", b"203.0.113.7", b"10.0.0.2"), "203.0.113.7"),
        ((b"203.0.113.7", b""), "203.0.113.7"),
        ((b"203.0.113.7, ,10.0.0.2,",), "203.0.113.7"),
        # All are proxies of ours: whoever the first of them says it is.
        ((b"10.0.0.9, 10.0.0.2",), "10.0.0.9"),
        # A site of IPv6 is one.
        ((b"2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        ((b"2001:DB8:1:2::1, 2001:db8:ffff::1",), "2001:db8:1:2::/64"),
        ((b"::ffff:203.0.113.7",), "203.0.113.7"),
        ((b"fe80::1%eth0",), "fe80::/64"),
        # Some proxies add the client's port.
        ((b"203.0.113.7:4711",), "203.0.113.7"),
        ((b"[2001:db8:1:2::1]:4711",), "2001:db8:1:2::/64"),
        ((b"[2001:db8:1:2::1]",), "2001:db8:1:2::/64"),
        # Nobody's address is no reason to believe what stands before it.
        ((b"203.0.113.7, unknown",), None),
        ((b"203.0.113.7, _hidden, 10.0.0.2",), None),
        ((b"203.0.113.7, 010.0.0.1",), None),
        ((b"\xff",), None),
        ((b"9" * 20_000,), None),
        ((b"",), None),
        ((), None),
    ],
)
def test_behind_trusted_proxies_the_first_from_the_right_that_is_none_of_them_counts(
    values: tuple[bytes, ...], address: str | None
) -> None:
    assert counted(*values) == address
    assert counted(*values, peer="unix") == address


def test_whoever_is_no_trusted_proxy_is_a_client_and_not_believed() -> None:
    assert counted(b"203.0.113.7", peer="192.0.2.1", trusted=False) == "192.0.2.1"
    assert counted(peer="2001:db8:1:2::1", trusted=False) == "2001:db8:1:2::/64"


def test_without_trusted_proxies_the_peer_counts_where_that_was_said_and_nobody_where_not() -> None:
    assert counted(b"203.0.113.7", proxies=(), direct=True, peer="192.0.2.1", trusted=False) == "192.0.2.1"
    assert counted(b"203.0.113.7", proxies=(), direct=False, peer="192.0.2.1", trusted=False) is None
    assert counted(proxies=(), direct=True, peer="unix", trusted=False) is None


@given(st.lists(st.binary(max_size=80) | st.from_regex(rb"[0-9a-fA-F:.,%\[\] ]{0,60}", fullmatch=True), max_size=5))
def test_whatever_it_says_there_is_one_address_or_none(values: list[bytes]) -> None:
    found = counted(*values)
    assert found is None or ip_network(found).prefixlen == (64 if ":" in found else 32)


def test_only_so_many_proxies_are_looked_at() -> None:
    inner = b", ".join([b"10.0.0.2"] * MAX_HOPS)
    assert counted(b"203.0.113.7, " + inner) == "10.0.0.2"
    assert counted(b"203.0.113.7", *[b"10.0.0.2"] * MAX_HOPS) == "10.0.0.2"
    assert counted(b"203.0.113.7, " + inner[len(b"10.0.0.2, ") :]) == "203.0.113.7"


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"trusted_proxies": ("10.0.0.0/8",)}, "192.0.2.1"),
        ({"bad_tokens": BadTokensSection(direct=True)}, "192.0.2.1"),
        ({"bad_tokens": BadTokensSection()}, None),
        ({}, None),
    ],
)
def test_an_address_counts_where_somebody_says_whose(settings: dict[str, Any], address: str | None) -> None:
    config = Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), **settings)
    addresses = client_addresses_of(config)
    assert (None if addresses is None else addresses.of(facts(None, peer="192.0.2.1"))) == address
    assert says_whose_address(config) == (addresses is not None)
