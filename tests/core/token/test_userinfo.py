"""What a UserInfo response says: a value, or a sentence about why it is not believed."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.userinfo import UserInfoSection
from gateway.core.token.jwt import find_signer
from gateway.core.token.keys import parse_key_set
from gateway.core.token.rules import Token
from gateway.core.token.userinfo import (
    MAX_BYTES,
    Obtained,
    UserInfoInvalid,
    UserInfoRules,
    check_signed,
    judge_userinfo,
    pack,
    parse_userinfo,
    unpack,
)
from tests.signer import AUDIENCE, ISSUER, NOW, compact, issuer, sign, some_claims, some_header

RESPONSES = Path(__file__).parents[2] / "data" / "responses"
RULES = UserInfoRules.of(issuer(userinfo=UserInfoSection(claims=("email", "groups"))))
KEYCLOAK = UserInfoRules.of(
    issuer(issuer="http://127.0.0.1:28080/realms/demo", userinfo=UserInfoSection(claims=("email", "groups")))
)
ALICE = "79197256-e530-4ee7-b833-c54aee8d71ac"
SAID = {"email": "alice@example.com", "groups": ["/Büro/Köln", "/Büro/a/b"]}


def recorded(name: str) -> tuple[int, str, bytes, dict[str, Any]]:
    """Status, media type, body and all of a response in tests/data/responses."""
    whole = json.loads((RESPONSES / name).read_text())
    headers = {name.lower(): value for name, value in whole["headers"]}
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    body = whole.get("jwt") or whole.get("text", "")
    return whole["status"], media_type, json.dumps(whole["json"]).encode() if "json" in whole else body.encode(), whole


def judged(claims: Any, *, rules: UserInfoRules = RULES, client: str | None = "app") -> dict[str, Any]:
    return judge_userinfo(claims, rules, subject="alice", client=client, now=NOW)


@pytest.mark.parametrize("name", ["userinfo-json.json", "userinfo-post.json"])
def test_what_keycloak_says_of_alice(name: str) -> None:
    status, media_type, body, _ = recorded(name)
    claims = parse_userinfo(media_type, body)
    assert status == 200
    assert not isinstance(claims, Token)
    assert judge_userinfo(claims, KEYCLOAK, subject=ALICE, client="web", now=NOW) == SAID


@pytest.mark.parametrize("name", ["userinfo-signed-jwt.json", "userinfo-signed-jwt-accept-json.json"])
def test_what_keycloak_signs_is_verified_with_its_keys(name: str) -> None:
    _, media_type, body, _ = recorded(name)
    token = parse_userinfo(media_type, body)
    assert isinstance(token, Token)
    check_signed(token, KEYCLOAK)
    keys = parse_key_set(recorded("jwks.json")[3]["json"])
    assert find_signer(token, keys.find(alg=token.alg, kid=token.kid)) is not None
    assert judge_userinfo(token.claims, KEYCLOAK, subject=ALICE, client="web", now=NOW) == SAID
    with pytest.raises(UserInfoInvalid, match="for another client"):
        judge_userinfo(token.claims, KEYCLOAK, subject=ALICE, client="app", now=NOW)
    with pytest.raises(UserInfoInvalid, match="of another issuer"):
        judge_userinfo(token.claims, RULES, subject=ALICE, client="web", now=NOW)


def test_of_whom_spring_knows_nothing_else_nothing_else_is_known() -> None:
    _, media_type, body, _ = recorded("spring-userinfo.json")
    claims = parse_userinfo(media_type, body)
    assert not isinstance(claims, Token)
    assert judged(claims) == {}


@pytest.mark.parametrize("path", sorted(RESPONSES.glob("*userinfo*.json")), ids=lambda path: path.name)
def test_no_refusal_of_a_provider_is_taken_for_claims(path: Path) -> None:
    status, media_type, body, _ = recorded(path.name)
    if status == 200:
        return
    with pytest.raises(UserInfoInvalid):
        judged(parse_userinfo(media_type, body))


@pytest.mark.parametrize(
    ("media_type", "body", "sentence"),
    [
        ("text/html", b"<p>log in</p>", "the response is 'text/html', neither JSON nor a JWT"),
        ("application/json", b"", "the response cannot be read: the text is not JSON"),
        ("", b'{"sub": NaN}', "the response cannot be read: the JSON has NaN or Infinity"),
        ("application/json", b'{"sub": "a", "sub": "b"}', "the response cannot be read: the JSON has a member twice"),
        ("application/userinfo+json", b'["alice"]', "the response is not a JSON object"),
        ("application/jwt", b"a.b.c.d.e", "the response is no JWT that can be verified: five segments: a JWE"),
        ("application/jwt", b"opaque", "the response is no JWT that can be verified: 1 segments, where a signed JWT has three"),
        (
            "application/jwt",
            compact(some_header(alg="none"), some_claims()),
            "the response is no JWT that can be verified: alg is 'none'",
        ),
        (
            "application/jwt",
            compact(some_header(alg="HS256"), some_claims()),
            "the response is no JWT that can be verified: alg is 'HS256'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(media_type: str, body: bytes, sentence: str) -> None:
    with pytest.raises(UserInfoInvalid) as caught:
        parse_userinfo(media_type, body)
    assert str(caught.value) == sentence


def test_a_type_of_its_own_or_none_at_all_is_json_too() -> None:
    for media_type in ("", "application/json", "application/userinfo+json"):
        assert parse_userinfo(media_type, b'{"sub": "alice"}') == {"sub": "alice"}


def test_an_algorithm_that_is_not_configured_is_not_taken() -> None:
    narrow = UserInfoRules.of(issuer(algorithms=("ES256",), userinfo=UserInfoSection(claims=("email",))))
    token = parse_userinfo("application/jwt", sign() + b"\n")
    assert isinstance(token, Token)
    check_signed(token, RULES)
    with pytest.raises(UserInfoInvalid, match="signed with RS256, which is not configured"):
        check_signed(token, narrow)


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({"email": "a@b"}, {"email": "a@b"}),
        ({}, {}),
        ({"email": None, "groups": []}, {"groups": []}),
        ({"email": {"a": [1]}, "name": "Alice", "exp": NOW}, {"email": {"a": [1]}}),
        ({"iss": ISSUER, "aud": "app", "exp": NOW - 29, "email": 1}, {"email": 1}),
        ({"aud": ["x", "app"]}, {}),
        ({"aud": [AUDIENCE]}, {}),
    ],
)
def test_the_named_claims_are_taken_and_nothing_else(claims: dict[str, Any], found: dict[str, Any]) -> None:
    assert judged({"sub": "alice", **claims}) == found


def test_a_token_without_client_leaves_no_audience_to_compare() -> None:
    assert judged({"sub": "alice", "aud": "web"}, client=None) == {}


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"sub": ...}, "the response has no sub"),
        ({"sub": "bob"}, "the response is about another sub than the token's"),
        ({"sub": None}, "the response is about another sub than the token's"),
        ({"sub": ["alice"]}, "the response is about another sub than the token's"),
        ({"iss": ISSUER + "/"}, "the response is of another issuer"),
        ({"iss": None}, "the response is of another issuer"),
        ({"aud": "web"}, "the response is for another client than the token's"),
        ({"aud": []}, "the response is for another client than the token's"),
        ({"aud": 1}, "aud of the response is neither a string nor an array of strings"),
        ({"aud": ["app", 1]}, "aud of the response is neither a string nor an array of strings"),
        ({"exp": NOW - 30}, "the response has expired"),
        ({"exp": "soon"}, "exp of the response is not a time"),
        ({"exp": True}, "exp of the response is not a time"),
        ({"email": "x" * MAX_BYTES}, "the named claims are larger than 16 KiB"),
    ],
)
def test_what_is_not_about_this_subject_of_this_issuer_is_not_used(claims: dict[str, Any], sentence: str) -> None:
    whole = {name: value for name, value in {"sub": "alice", **claims}.items() if value is not ...}
    with pytest.raises(UserInfoInvalid) as caught:
        judged(whole)
    assert str(caught.value) == sentence
    assert "bob" not in sentence


def test_what_was_obtained_has_a_size() -> None:
    assert Obtained({}, NOW).size == 2
    assert Obtained({"email": "a@b"}, NOW).size == len('{"email": "a@b"}')


def test_what_is_packed_is_unpacked_until_it_is_too_old() -> None:
    packed = pack({"email": "a@b", "name": "Alice"}, at=NOW)
    assert unpack(packed, RULES, lifetime=300, now=NOW + 299) == Obtained({"email": "a@b"}, NOW + 300)
    assert unpack(packed, RULES, lifetime=300, now=NOW + 300) is None
    nested: object = "deep"
    for _ in range(31):
        nested = [nested]
    assert unpack(pack({"email": nested}, at=NOW), RULES, lifetime=300, now=NOW) == Obtained(
        {"email": nested}, NOW + 300
    )
    # A clock that is ahead gives it no longer life.
    assert unpack(packed, RULES, lifetime=300, now=NOW - 60) == Obtained({"email": "a@b"}, NOW + 240)


@pytest.mark.parametrize(
    "packed", [b"", b"[]", b"{", b"{}", b"1 1", b"1 {", b"true {}", b"nan {}", b"-inf {}", b'{"at": 1, "claims": {}}']
)
def test_what_nobody_packed_is_nothing(packed: bytes) -> None:
    assert unpack(packed, RULES, lifetime=300, now=2.0) is None
