"""Whose tokens are accepted: of an issuer by its exact URL, of a tenant by the URL and the claim that it is filled with."""

from typing import Any

import pytest

from gateway.core.errors import AlgorithmNotAllowed, OtherToken, UnknownIssuer
from gateway.core.token.jwt import parse_token
from gateway.core.token.known import MAX_REMEMBERED, KnownIssuers
from gateway.core.token.presets import PRESETS
from gateway.core.token.rules import rules_of
from tests.signer import compact, issuer, some_claims, some_header

URL = "https://login.example/{tid}/v2.0"
KEYS = "https://login.example/keys"


def known(*configured: dict[str, Any]) -> KnownIssuers:
    return KnownIssuers(rules_of(issuer(**one)) for one in configured)


def of(tenant: str) -> str:
    return f"https://login.example/{tenant}/v2.0"


LISTED = known({"issuer": URL, "tenants": ("a", "b"), "jwks_url": KEYS})
ANY = known({"issuer": URL, "tenants": "any", "jwks_url": KEYS})


@pytest.mark.parametrize("issuers", [LISTED, ANY])
def test_the_rules_of_a_tenant_are_those_of_the_template_for_its_own_issuer(issuers: KnownIssuers) -> None:
    rules = issuers.find({"iss": of("a"), "tid": "a"})
    assert (rules.name, rules.issuer, rules.tenant, rules.signers) == ("local", of("a"), "a", "local")
    assert rules.key_issuers == frozenset((of("a"), of("{tenantid}")))
    assert rules.template is None
    assert issuers.find({"iss": of("a"), "tid": "a"}) is rules
    assert issuers.find({"iss": of("b"), "tid": "b"}).issuer == of("b")


def test_what_is_known_of_a_provider_counts_for_a_token_that_names_it_whatever_is_wrong_with_that() -> None:
    issuers = known({"issuer": "https://a.example", "preset": "keycloak"}, {"issuer": "https://b.example"})
    found = [issuers.find_preset({"iss": f"https://{one}.example"}) for one in "abc"]
    assert found == [PRESETS["keycloak"], None, None]
    header = some_header(alg="HS512", typ="JWT")
    for iss, refusal in (("https://a.example", OtherToken), ("https://b.example", AlgorithmNotAllowed)):
        with pytest.raises(refusal):
            parse_token(compact(header, some_claims(iss=iss, typ="ext-magic-link")), issuers)


def test_a_tenant_with_keys_of_its_own_is_known_to_whoever_has_them_by_its_issuer() -> None:
    assert known({"issuer": URL, "tenants": ("a",)}).find({"iss": of("a"), "tid": "a"}).signers == of("a")


@pytest.mark.parametrize(
    ("claims", "evidence"),
    [
        ({"iss": of("c"), "tid": "c"}, "'c' is none of the tenants of local"),
        ({"iss": of("c"), "tid": "a"}, "'c' is none of the tenants of local"),
        ({"iss": of("a"), "tid": "b"}, "the token has another tid"),
        ({"iss": of("a"), "tid": ["a"]}, "the token has another tid"),
        ({"iss": of("a"), "tid": None}, "the token has another tid"),
        ({"iss": of("a"), "tid": "A"}, "the token has another tid"),
        ({"iss": of("a")}, "the token has no tid"),
        ({"iss": of("A"), "tid": "a"}, "'A' is none of the tenants of local"),
        ({"iss": of("{tid}"), "tid": "{tid}"}, ""),
        ({"iss": URL, "tid": "a"}, ""),
        ({"iss": [of("a")], "tid": "a"}, ""),
        ({"tid": "a"}, "there is no iss"),
        ({}, "there is no iss"),
    ],
)
def test_a_token_of_no_tenant_that_counts_is_of_no_issuer_of_ours(claims: dict[str, Any], evidence: str) -> None:
    with pytest.raises(UnknownIssuer) as caught:
        LISTED.find(claims)
    assert evidence in caught.value.evidence
    token = parse_token(compact(some_header(), some_claims(**{"iss": ..., **claims})))
    assert LISTED.suspect(token, "0").issuer is None


def test_any_tenant_counts_where_that_is_said_and_the_claim_still_has_to_agree() -> None:
    assert ANY.find({"iss": of("whoever-1"), "tid": "whoever-1"}).tenant == "whoever-1"
    with pytest.raises(UnknownIssuer):
        ANY.find({"iss": of("whoever-1"), "tid": "a"})


def test_an_issuer_that_stands_for_itself_comes_before_those_that_stand_for_many() -> None:
    issuers = known(
        {"issuer": URL, "tenants": "any", "jwks_url": KEYS},
        {"issuer": of("a"), "name": "special", "audience": "other"},
    )
    assert issuers.find({"iss": of("a")}).name == "special"
    assert issuers.find({"iss": of("b"), "tid": "b"}).name == "local"


def test_of_several_lists_the_one_with_the_tenant_counts() -> None:
    issuers = known(
        {"issuer": URL, "tenants": ("a",), "jwks_url": KEYS},
        {"issuer": "https://login.example/{org}/v2.0", "name": "other", "tenants": ("b",), "jwks_url": KEYS},
        {"issuer": "https://else.example/{org}", "name": "else", "tenants": ("b",), "jwks_url": KEYS},
    )
    assert issuers.find({"iss": of("b"), "org": "b"}).name == "other"
    assert repr(issuers) == "KnownIssuers(0, 3 for many)"


def test_the_same_issuer_again_only_adds_keys_to_the_first() -> None:
    issuers = known({"jwks_url": KEYS}, {"name": "more", "jwks_url": f"{KEYS}/more"})
    assert issuers.find({"iss": issuer().issuer}).name == "local"
    twice = known({"issuer": URL, "tenants": ("a",), "jwks_url": KEYS}, {"issuer": URL, "name": "b", "tenants": ("a",)})
    assert repr(twice) == "KnownIssuers(0, 1 for many)"


def test_what_is_remembered_of_tenants_has_a_bound() -> None:
    issuers = known({"issuer": URL, "tenants": "any", "jwks_url": KEYS})
    first = issuers.find({"iss": of("0"), "tid": "0"})
    for number in range(MAX_REMEMBERED + 1):
        issuers.find({"iss": of(str(number)), "tid": str(number)})
    assert issuers.find({"iss": of("0"), "tid": "0"}) is not first


def test_a_log_may_name_the_tenant_of_a_token_that_was_refused() -> None:
    token = parse_token(compact(some_header(kid="k"), some_claims(iss=of("a"), tid="a")))
    suspect = LISTED.suspect(token, "0123")
    assert (suspect.token_id, suspect.kid, suspect.issuer, suspect.tenant) == ("0123", "k", "local", "a")
    nameless = parse_token(compact(some_header(kid=...), some_claims(iss="https://else.example")))
    assert LISTED.suspect(nameless, "0").kid is None


@pytest.mark.parametrize(
    ("claims", "is_id", "client"),
    [
        ({"client_id": "spa", "azp": "other"}, False, "spa"),
        ({"azp": "spa", "client_id": None}, False, "spa"),
        ({"azp": ["x"], "client_id": None}, False, "x"),
        ({"azp": 7, "client_id": "", "aud": "api"}, False, None),
        ({"client_id": None, "aud": "spa"}, True, "spa"),
        ({"client_id": None, "aud": ["spa"]}, True, "spa"),
        ({"client_id": None, "aud": ["spa", "other"]}, True, None),
        ({"client_id": "a\nb"}, False, "a\\nb"),
        ({"client_id": "x" * 200}, False, "x" * 79 + "..."),
    ],
)
@pytest.mark.parametrize("iss", ["https://login.example/a/v2.0", "https://elsewhere.example"])
def test_a_client_is_shown_as_a_token_names_it(
    claims: dict[str, Any], is_id: Any, client: str | None, iss: str
) -> None:
    token = parse_token(compact(some_header(), {**some_claims(iss=iss, tid="a"), "azp": None, **claims}))
    assert LISTED.suspect(token, "0123", is_id=is_id).client == client
