"""Every rule of OpenID Connect Back-Channel Logout 1.0 section 2.6 that needs no key, and what real providers send."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.backchannel_logout import BackchannelLogout
from gateway.core.errors import InvalidLogout, InvalidToken, LogoutToken
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.kind import classify
from gateway.core.token.known import KnownIssuers
from gateway.core.token.logout import EVENT, FRESH, MAX_NAME, LogoutRules, check_logout_token, issuer_of
from gateway.core.token.rules import rules_of
from gateway.core.trail import Trail
from tests.signer import AUDIENCE, ISSUER, NOW, compact, issuer, some_claims, some_header

KEYCLOAK = Path(__file__).parents[2] / "data" / "keycloak"
RULES = LogoutRules.of(issuer(), BackchannelLogout(client_ids=("web", "mobile")))


def logout_claims(**changes: Any) -> dict[str, Any]:
    """Those of a logout token that passes; a change to Ellipsis leaves the claim out."""
    claims = {
        "iss": ISSUER,
        "aud": "web",
        "sub": "alice",
        "sid": "s-1",
        "iat": NOW - 1,
        "exp": NOW + 120,
        "jti": "j-1",
        "events": {EVENT: {}},
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}


def logout_header(**changes: Any) -> dict[str, Any]:
    return some_header(**{"typ": "logout+jwt", **changes})


def judged(claims: dict[str, Any], header: dict[str, Any] | None = None, *, rules: LogoutRules = RULES) -> Any:
    token = parse_token(compact(logout_header() if header is None else header, claims))
    return check_logout_token(token, rules, now=NOW)


@pytest.mark.parametrize("typ", [..., "JWT", "jwt", "logout+jwt", "Logout+JWT", "application/logout+jwt"])
@pytest.mark.parametrize("aud", ["web", ["other", "mobile"]])
def test_a_logout_token_names_who_has_logged_out(typ: Any, aud: Any) -> None:
    logout = judged(logout_claims(aud=aud), logout_header(typ=typ))
    assert (logout.subject, logout.sid, logout.issued_at) == ("alice", "s-1", NOW - 1)
    assert "alice" not in repr(logout)
    assert "s-1" not in repr(logout)


@pytest.mark.parametrize(("missing", "left"), [("sid", ("alice", None)), ("sub", (None, "s-1"))])
def test_one_of_subject_and_session_is_enough(missing: str, left: tuple[str | None, str | None]) -> None:
    logout = judged(logout_claims(**{missing: ...}))
    assert (logout.subject, logout.sid) == left


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": ...},
        {"unknown": {"deep": [1]}},
        {"events": {EVENT: {"reason": "timeout"}, "https://other.example": None}},
        # Times: leeway is 30 s.
        {"exp": NOW - 29},
        {"iat": NOW + 29},
        {"exp": ..., "iat": NOW - FRESH - 29},
        {"exp": NOW + 1, "iat": NOW - 86400},
        {"iat": NOW - 0.5},
        {"iat": 0},
        {"sub": "x" * MAX_NAME},
    ],
)
def test_what_else_is_there_or_not_does_not_matter(changes: dict[str, Any]) -> None:
    judged(logout_claims(**changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://other.example"}, "iss is 'https://other.example'"),
        ({"iss": ...}, "iss is None"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"aud": ...}, "aud is neither"),
        ({"aud": ["web", 1]}, "aud is neither"),
        ({"aud": []}, "aud is \\[\\]"),
        ({"aud": AUDIENCE}, "client_ids are"),
        ({"events": ...}, "events"),
        ({"events": [EVENT]}, "events"),
        ({"events": {}}, "events"),
        ({"events": {EVENT: None}}, "events"),
        ({"events": {EVENT: []}}, "events"),
        ({"events": {"https://other.example": {}}}, "events"),
        ({"nonce": "n"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": ..., "sid": ...}, "neither a sub nor a sid"),
        ({"sub": ""}, "sub is not a string"),
        ({"sub": None}, "sub is not a string"),
        ({"sid": 7}, "sid is not a string"),
        ({"sid": "x" * (MAX_NAME + 1)}, "sid is not a string"),
        ({"iat": ...}, "no iat"),
        ({"iat": None}, "iat is not a time"),
        ({"iat": True}, "iat is not a time"),
        ({"iat": "1"}, "iat is not a time"),
        ({"iat": -1}, "iat is not a time"),
        ({"iat": NOW + 31}, "issued in 31 s"),
        ({"exp": NOW - 30}, "expired 30 s ago"),
        ({"exp": None}, "exp is not a time"),
        ({"exp": 1e300}, "exp is not a time"),
        ({"exp": ..., "iat": NOW - FRESH - 31}, "there is no exp, and it was issued 331 s ago"),
    ],
)
def test_a_claim_that_breaks_a_rule_refuses_it(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidLogout, match=why):
        judged(logout_claims(**changes))


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "", 7, ["JWT"], "application/application/jwt"])
def test_a_type_of_other_tokens_refuses_it(typ: Any) -> None:
    with pytest.raises(InvalidLogout, match="header typ"):
        judged(logout_claims(), logout_header(typ=typ))


def test_only_the_issuers_algorithms_sign_it() -> None:
    rules = LogoutRules.of(issuer(algorithms=("ES256",)), BackchannelLogout(client_ids=("web",)))
    with pytest.raises(InvalidLogout, match="alg is RS256"):
        judged(logout_claims(), rules=rules)
    with pytest.raises(InvalidToken):
        judged(logout_claims(), logout_header(alg="none"))


def test_no_access_token_is_taken_for_one() -> None:
    with pytest.raises(InvalidLogout):
        judged(some_claims(aud="web"), some_header())
    with pytest.raises(InvalidLogout):
        judged(some_claims(aud="web"), some_header(typ="JWT"))


@pytest.mark.parametrize("typ", [..., "JWT", "logout+jwt"])
def test_it_is_taken_for_no_access_token_even_where_it_looks_like_one(typ: Any) -> None:
    claims = {**some_claims(), **logout_claims(aud=AUDIENCE), "scope": "read:orders", "client_id": "app"}
    token = parse_token(compact(logout_header(typ=typ), claims))
    with pytest.raises(LogoutToken):
        check_token(token, KnownIssuers([rules_of(issuer(allow_unclassified=True))]), now=NOW, trail=Trail())


@pytest.mark.parametrize("name", ["backchannel-logout.json", "token-logout-token.json"])
def test_what_keycloak_sends_passes(name: str) -> None:
    document = json.loads((KEYCLOAK / name).read_text("utf-8"))
    header, claims = (document.get(key) or document[f"jwt_{key}"] for key in ("header", "payload"))
    rules = LogoutRules.of(issuer(issuer=claims["iss"]), BackchannelLogout(client_ids=("web",)))
    token = parse_token(compact(header, claims))
    logout = check_logout_token(token, rules, now=claims["iat"] + 1)
    assert (logout.subject, logout.sid, logout.issued_at) == (claims["sub"], claims["sid"], claims["iat"])
    assert classify(header, claims).kind == "logout"


@pytest.mark.parametrize(
    ("claims", "tenant"),
    [
        ({"iss": "https://login.example/a"}, "a"),
        ({"iss": "https://login.example/a", "tid": "a"}, "a"),
        ({"iss": "https://login.example/a", "tid": "b"}, None),
        ({"iss": "https://login.example/a", "tid": None}, None),
        ({"iss": "https://login.example/c"}, None),
        ({"iss": "https://login.example/{tid}"}, None),
        ({"iss": ["https://login.example/a"]}, None),
    ],
)
def test_a_logout_is_of_the_tenant_that_says_so(claims: dict[str, Any], tenant: str | None) -> None:
    many = issuer(issuer="https://login.example/{tid}", tenants=("a", "b"))
    rules = LogoutRules.of(many, BackchannelLogout(client_ids=("web",)))
    if tenant is None:
        with pytest.raises(InvalidLogout, match="not the issuer whose logouts are heard here"):
            judged(logout_claims(**claims), rules=rules)
        return
    judged(logout_claims(**claims), rules=rules)
    token = parse_token(compact(logout_header(), logout_claims(**claims)))
    assert issuer_of(token, rules).issuer == "https://login.example/a"
