"""Whatever an issuer says of a token: an identity or a refusal; and no admission that the table does not allow."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.claims import find_words
from gateway.core.config.introspection import Introspection
from gateway.core.errors import Denied
from gateway.core.token.introspected import (
    believe_response,
    judge_jwt,
    judge_opaque,
    parse_response,
    parse_signed_response,
    recall_response,
)
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.known import KnownIssuers
from gateway.core.token.rules import rules_of
from gateway.core.trail import Trail
from tests.properties.json_values import VALUES
from tests.signer import AUDIENCE, ISSUER, NOW, compact, issuer, sign

RULES = rules_of(issuer(introspection=Introspection(tokens="all")))
TOKEN = sign()
#: what providers write, and what is near it
NEAR = {
    "active": st.sampled_from([True, False, 1, "true", None]),
    "iss": st.sampled_from([ISSUER, ISSUER + "/", None, 1]),
    "aud": st.sampled_from([AUDIENCE, [AUDIENCE, "x"], ["x"], "x", [], None, [1]]),
    "sub": st.sampled_from(["alice", "bob", "", None, 1]),
    "client_id": st.sampled_from(["app", "other", "", 1]),
    "exp": st.sampled_from([NOW + 300, NOW - 300, 0, -1, 1e300, True, "soon", None]),
    "nbf": st.sampled_from([NOW, NOW + 300, "x"]),
    "iat": st.sampled_from([NOW, NOW + 300, False]),
    "scope": st.sampled_from(["read:orders", "", ["read:orders"], 1, None]),
    "token_type": st.sampled_from(["Bearer", "DPoP", "N_A", "Refresh", "refresh_token", "id_token", ["Bearer"], 1, {}]),
    "token_use": st.sampled_from(["access_token", "refresh_token", "id_token", "urn:x:refresh_token"]),
    "typ": st.sampled_from(["Bearer", "DPoP", ["Bearer", "dpop"], "Refresh", "Offline", "ID", "Logout"]),
    "cnf": st.sampled_from([{"jkt": "k"}, {}, None, "x"]),
    "nonce": st.sampled_from(["n", ""]),
    "at_hash": st.just("x"),
    "events": st.just({"x": {}}),
    "username": st.just("Alice"),
}
members = st.fixed_dictionaries({}, optional=NEAR)
anything = st.dictionaries(st.sampled_from([*NEAR, "other"]), VALUES, max_size=8)


def refresh_or_id(said: dict[str, Any]) -> bool:
    words = {str(said.get(name, "")).lower().rpartition(":")[2] for name in ("token_type", "token_use", "typ")}
    return bool(words & {"refresh", "refresh_token", "offline", "id", "id_token"}) or bool(
        str(said.get("at_hash") or "").strip() and isinstance(said["at_hash"], str)
    )


@given(st.one_of(members, anything))
def test_an_opaque_token_is_admitted_only_where_the_table_allows_it(said: dict[str, Any]) -> None:
    try:
        found = judge_opaque(said, RULES, now=NOW, until=NOW + 60, trail=Trail())
    except Denied:
        return
    candidate = found.candidate
    assert said.get("iss", ISSUER) == ISSUER
    assert AUDIENCE in ([said["aud"]] if isinstance(said["aud"], str) else said["aud"])
    assert not refresh_or_id(said)
    assert candidate.verdict.kind == "access"
    # Something says so that a refresh token does not have as well.
    assert {"token_type", "token_use", "typ"} & said.keys()
    assert candidate.expires_at > NOW - 30
    assert candidate.subject or candidate.client
    assert candidate.scopes == find_words(said, RULES.scope_claims)
    if "cnf" in said or any("dpop" in str(said.get(name)).lower() for name in ("token_type", "typ")):
        assert "cnf" in found.claims


@given(
    st.one_of(
        st.binary(max_size=60),
        st.tuples(st.one_of(st.floats(), st.text()), anything).map(
            lambda two: f"{two[0]} {json.dumps(two[1])}".encode()
        ),
    )
)
def test_what_a_cache_gives_is_a_response_that_is_not_over_or_nothing(packed: bytes) -> None:
    found = recall_response(packed, lifetime=60, now=NOW)
    if found is not None:
        assert found.members["active"] is True
        assert found.asked_at <= NOW < found.until <= NOW + 60


@given(anything, st.floats(1, NOW))
def test_what_is_believed_can_be_kept(said: dict[str, Any], at: float) -> None:
    said = {**said, "active": True}
    response, packed = believe_response(said, asked_at=at, lifetime=60)
    found = recall_response(packed, lifetime=60, now=at)
    assert (found is None) == (response.until <= at)
    assert found is None or (found.members, found.asked_at, found.until) == (said, at, response.until)


@given(st.one_of(members, anything))
def test_of_a_jwt_a_response_admits_nothing_that_the_token_did_not(said: dict[str, Any]) -> None:
    token = parse_token(TOKEN)
    own = check_token(token, KnownIssuers([RULES]), now=NOW, trail=Trail())
    try:
        found = judge_jwt(said, token, own, now=NOW)
    except Denied:
        return
    assert not refresh_or_id(said)
    assert found.candidate.expires_at <= own.expires_at
    assert (found.candidate.subject, found.candidate.client) == ("alice", "app")
    assert said.get("iss", ISSUER) == ISSUER
    assert found.candidate.verdict is own.verdict
    assert found.candidate.scopes == (
        find_words(said, ("scope", "scp")) if {"scope", "scp"} & said.keys() else own.scopes
    )


@given(
    st.one_of(
        st.binary(max_size=200),
        members.map(lambda said: json.dumps(said).encode()),
        VALUES.map(lambda said: json.dumps(said).encode()),
    )
)
def test_any_bytes_are_a_response_or_none(body: bytes) -> None:
    try:
        said = parse_response(body)
    except ValueError:
        return
    assert isinstance(said["active"], bool)


@given(st.dictionaries(st.sampled_from(["iss", "aud", "iat", "token_introspection"]), st.one_of(VALUES, members)))
def test_any_signed_response_is_one_or_none(claims: dict[str, Any]) -> None:
    raw = compact({"typ": "token-introspection+jwt", "alg": "RS256"}, {**claims, "x": 1})
    with pytest.raises(ValueError, match="the response"):
        parse_signed_response(raw, RULES, client_id="gateway", now=NOW)


@given(members)
def test_a_signed_response_of_ours_says_what_a_plain_one_would(said: dict[str, Any]) -> None:
    claims = {"iss": ISSUER, "aud": "gateway", "iat": NOW, "token_introspection": said}
    raw = compact({"typ": "token-introspection+jwt", "alg": "RS256"}, claims)
    try:
        _, found = parse_signed_response(raw, RULES, client_id="gateway", now=NOW)
    except ValueError:
        assert not isinstance(said.get("active"), bool)
        return
    assert found == said == json.loads(json.dumps(said))
