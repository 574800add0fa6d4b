"""Which key signed a token: one that is known, or one that its issuer publishes now; never one that signs for others."""

import pytest

from gateway.core.errors import BadSignature, IssuerUnavailable, UnknownKey
from gateway.core.token.jwt import parse_token
from gateway.core.token.keys import parse_key_set
from gateway.core.token.rules import IssuerRules, rules_of
from gateway.core.trail import Trail
from gateway.signature import signer_of
from tests.memory import MemoryIssuers, key_set
from tests.signer import issuer, key, private_jwk, public_jwk, sign

URL = "https://login.example/{tid}"
RULES = rules_of(issuer())
TENANT = rules_of(issuer(issuer=URL, tenants="any", jwks_url="https://login.example/keys")).of_tenant("a")
TOKEN = parse_token(sign(name="p-256"))


async def signed(issuers: MemoryIssuers, rules: IssuerRules = RULES) -> str:
    found = await signer_of(TOKEN, issuers, rules=rules, trail=Trail())
    return found.thumbprint


async def test_a_key_that_is_known_costs_no_fetch() -> None:
    issuers = MemoryIssuers()
    assert await signed(issuers) == key("p-256").thumbprint
    assert issuers.fetches == []


async def test_one_that_is_not_is_fetched() -> None:
    issuers = MemoryIssuers(known=key_set("rsa-2048-a"), published=key_set("p-256"))
    assert await signed(issuers) == key("p-256").thumbprint


async def test_a_key_that_signs_for_another_tenant_is_none_of_this_one_s_known_or_fetched() -> None:
    theirs = key_set("p-256", issuer="https://login.example/b")
    for issuers in (MemoryIssuers(known=theirs), MemoryIssuers(known=key_set(), published=theirs)):
        with pytest.raises(BadSignature):
            await signed(issuers, TENANT)
    # An issuer that stands for itself is not asked.
    assert await signed(MemoryIssuers(known=theirs)) == key("p-256").thumbprint


async def test_a_key_for_all_tenants_is_one_of_each() -> None:
    for named in ("https://login.example/a", "https://login.example/{tenantid}", None):
        assert await signed(MemoryIssuers(known=key_set("p-256", issuer=named)), TENANT) == key("p-256").thumbprint


async def test_of_the_same_key_for_several_issuers_the_right_one_is_tried() -> None:
    both = parse_key_set({"keys": [public_jwk("p-256", issuer=f"https://login.example/{t}") for t in ("b", "a")]})
    assert await signed(MemoryIssuers(known=both), TENANT) == key("p-256").thumbprint


async def test_a_forged_token_with_the_name_of_a_key_keeps_nobody_waiting_for_an_issuer() -> None:
    other = key_set("p-384", kid=private_jwk("p-256")["kid"], alg=None)
    named = parse_key_set({"keys": [{**public_jwk("p-256"), "issuer": "https://login.example/b"}]})
    down = IssuerUnavailable("down")
    with pytest.raises(BadSignature):
        await signed(MemoryIssuers(known=named, published=down), TENANT)
    with pytest.raises(IssuerUnavailable):
        await signed(MemoryIssuers(known=other, published=down))
    with pytest.raises(UnknownKey):
        await signed(MemoryIssuers(known=key_set("rsa-2048-a")))
