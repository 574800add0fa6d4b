"""Whose bucket a request takes out of: its issuer's, always, and never one that everybody shares."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.rates import Rate
from gateway.core.rates.gcra import Pace
from gateway.core.rates.rules import RateRule, compile_rates
from tests.memory import identity


def rate(per: Any = "subject", **settings: Any) -> Rate:
    return Rate(**{"name": f"by-{per}", "per": per, "limit": 100, **settings})


def rule(per: str, name: str = "r") -> RateRule:
    return RateRule(name, per, 1, 60, Pace(60_000_000, 1))


def key(per: str, *, sender: str | None = None, route: str = "orders", name: str = "r", **caller: Any) -> bytes | None:
    return rule(per, name).key(identity(**caller) if caller else None, sender=sender, route=route)


def test_a_rate_is_compiled_with_a_burst_of_its_limit_unless_it_says_another() -> None:
    plain, small = compile_rates((rate(),), (rate("route", window=3600.0, burst=5),), public=False)
    assert (plain.pace, plain.window) == (Pace(600_000, 100), 60)
    assert (small.pace, small.window) == (Pace(36_000_000, 5), 3600)
    assert str(plain) == "by-subject: 100 in 60s per subject"


def test_a_route_has_those_at_the_top_and_its_own_or_none_and_a_public_one_none_that_ask_who_calls() -> None:
    top = tuple(rate(per) for per in ("subject", "client", "issuer", "address", "route"))
    own = (rate("address", name="own"),)
    assert [one.name for one in compile_rates(top, own, public=False)] == [one.name for one in (*top, *own)]
    assert [one.name for one in compile_rates(top, own, public=True)] == ["by-address", "by-route", "own"]
    assert compile_rates(top, None, public=False) == ()
    assert compile_rates((), (), public=False) == ()


@pytest.mark.parametrize(
    ("per", "one", "other"),
    [
        ("subject", {"subject": "alice"}, {"subject": "bob"}),
        ("subject", {"issuer": "a"}, {"issuer": "b"}),
        ("client", {"client": "app"}, {"client": "web"}),
        ("client", {"issuer": "a"}, {"issuer": "b"}),
        ("issuer", {"issuer": "a"}, {"issuer": "b"}),
        # Tenants of one issuer are told apart, and a tenant from an issuer that is called so.
        ("subject", {"iss": "https://i/a", "tenant": "a"}, {"iss": "https://i/b", "tenant": "b"}),
        ("client", {"iss": "https://i/a", "tenant": "a"}, {"iss": "https://i/b", "tenant": "b"}),
        ("issuer", {"iss": "https://i/a", "tenant": "a"}, {"iss": "https://i/b", "tenant": "b"}),
        ("subject", {"iss": "https://i/a", "tenant": "a"}, {"issuer": "https://i/a"}),
        # Without a subject the clients of an issuer are told apart, without a client its subjects.
        ("subject", {"subject": None, "client": "app"}, {"subject": None, "client": "web"}),
        ("client", {"client": None, "subject": "alice"}, {"client": None, "subject": "bob"}),
        ("subject", {"subject": None, "issuer": "a"}, {"subject": None, "issuer": "b"}),
        # Whoever is called as a client is.
        ("subject", {"subject": "app"}, {"subject": None, "client": "app"}),
        ("client", {"client": "alice"}, {"client": None, "subject": "alice"}),
        ("address", {"sender": "192.0.2.1"}, {"sender": "192.0.2.2"}),
        ("route", {"route": "orders"}, {"route": "reports"}),
        ("route", {"route": "orders", "name": "r"}, {"route": "orders", "name": "s"}),
        # Nothing can be moved from one part into the next.
        ("subject", {"issuer": "a", "subject": "1:bc"}, {"issuer": "a1:b", "subject": "c"}),
        ("route", {"name": "r", "route": "s"}, {"name": "rs", "route": ""}),
        ("subject", {"subject": "\ud800"}, {"subject": "\udfff"}),
    ],
)
def test_who_is_told_apart(per: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(per, **one) != key(per, **other)
    assert key(per, **one) is not None


@pytest.mark.parametrize(
    ("per", "one", "other"),
    [
        ("subject", {"client": "app"}, {"client": "web"}),
        ("subject", {"route": "orders", "subject": "a"}, {"route": "reports", "subject": "a"}),
        ("client", {"subject": "alice"}, {"subject": "bob"}),
        ("issuer", {"subject": "alice", "client": "app"}, {"subject": "bob", "client": "web"}),
        ("address", {"sender": "192.0.2.1", "route": "a"}, {"sender": "192.0.2.1", "route": "b"}),
        ("route", {"subject": "alice"}, {"subject": "bob"}),
    ],
)
def test_who_is_counted_together(per: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(per, **one) == key(per, **other)


def test_where_nobody_says_whose_address_counts_there_is_no_bucket() -> None:
    assert key("address", sender=None) is None


@given(subject=st.text(), issuer=st.text(min_size=1))
def test_a_key_is_short_whatever_a_token_says(subject: str, issuer: str) -> None:
    made = key("subject", subject=subject or "x", issuer=issuer)
    assert made is not None
    assert len(made) <= 64
    assert len(key("subject", subject=subject * 50 + "x") or b"") <= 64
