"""An identity with claims that its token lacked: what changes, and what stays."""

import re
from typing import Any

import pytest

from gateway.core.claims import keys_of
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.errors import IdentityClaimMissing
from gateway.core.token.identity import Identity
from gateway.core.token.lacks import Lacks
from gateway.core.token.userinfo import Obtained
from gateway.core.upstream.completed import completed
from gateway.core.upstream.identity_headers import IdentityLines
from tests.memory import identity
from tests.signer import NOW

HEADERS = {
    "X-User-Id": IdentityHeader(claim="sub"),
    "X-Email": IdentityHeader(claim="email", required=True),
    "X-Role": IdentityHeader(claim="role"),
    "X-Scopes": IdentityHeader(source="scopes"),
    "X-Client-Id": IdentityHeader(source="client"),
    "X-Issuer": IdentityHeader(source="issuer"),
}
LACKS = Lacks(frozenset({"email", "groups"}), by_all=True, claims={"sub": "alice", "role": "r"}, words=("a", "b c"))
BARE = identity(lacks=LACKS, scopes=("a",), headers=((b"X-User-Id", b"alice"),), claims={"role": "r"})


def whole(**given: Any) -> Identity:
    return completed(
        BARE, LACKS, Obtained(given, NOW + 60), headers=IdentityLines(HEADERS), asked=("role", "/groups/0", "email")
    )


def test_headers_and_claims_are_made_of_both() -> None:
    made = whole(email="a@b", groups=["staff"], role="admin", sub="mallory")
    assert made.headers == (
        (b"X-User-Id", b"alice"),
        (b"X-Email", b"a@b"),
        (b"X-Role", b"r"),
        (b"X-Scopes", b"a b%20c"),
        (b"X-Client-Id", b"app"),
        (b"X-Issuer", b"local"),
    )
    assert made.claims == {"role": "r", "/groups/0": "staff", "email": "a@b"}


def test_everything_else_stays_as_the_token_says_it() -> None:
    made = whole(email="a@b")
    differs = {name for name in Identity.__slots__ if getattr(made, name) != getattr(BARE, name)}
    assert differs == {"wire", "claims", "lacks", "bare", "good_until", "_holds_until"}
    assert (made.lacks, made.bare, made.good_until) == (None, BARE, NOW + 60)
    assert made.ends_at == BARE.ends_at


def test_what_nobody_knows_may_still_be_required() -> None:
    with pytest.raises(IdentityClaimMissing):
        whole(groups=["staff"])


def test_names_that_are_keys_of_an_object_are_found_in_what_was_obtained_too() -> None:
    lacks = Lacks(frozenset({"roles"}), by_all=True, claims={}, words=(), objects=re.compile("roles"))
    made = completed(
        BARE, lacks, Obtained({"roles": {"admin": {}}}, NOW + 60), headers=IdentityLines({}), asked=("roles",)
    )
    assert made.claims == {"roles": {"admin": {}}, keys_of("roles"): ["admin"]}
