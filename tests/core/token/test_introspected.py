"""What becomes of what issuers say: of real ones, and of each odd one."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.keys_of import KeysOf
from gateway.core.config.section import Seconds
from gateway.core.errors import Refusal
from gateway.core.token.confirmation import parse_confirmation
from gateway.core.token.introspected import (
    Introspected,
    IntrospectionResponse,
    believe_response,
    end_of,
    judge_jwt,
    judge_opaque,
    parse_response,
    parse_signed_response,
    recall_response,
)
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.known import KnownIssuers
from gateway.core.token.rules import IssuerRules, rules_of
from gateway.core.trail import Step, Trail
from tests.signer import AUDIENCE, ISSUER, NOW, compact, issuer, some_claims, some_header

DATA = Path(__file__).parents[2] / "data" / "introspection"


def rules(section: dict[str, Any] | None = None, **settings: Any) -> IssuerRules:
    return rules_of(issuer(introspection=Introspection(**(section or {})), **settings))


def said(**changes: Any) -> dict[str, Any]:
    """A response on an opaque access token that passes; a change to Ellipsis leaves the member out."""
    members = {
        "active": True,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "app",
        "scope": "read:orders",
        "token_type": "Bearer",
        "exp": NOW + 300,
    }
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}


def opaque(members: dict[str, Any], by: IssuerRules | None = None, *, trail: Trail | None = None) -> Introspected:
    return judge_opaque(members, by or rules(), now=NOW, until=NOW + 60, trail=trail or Trail())


def outcome(members: dict[str, Any], by: IssuerRules | None = None) -> str:
    """`admitted`, or the reason of the refusal and the step that it stands at."""
    trail = Trail()
    try:
        opaque(members, by, trail=trail)
    except Refusal as refusal:
        return f"{refusal.reason} at {trail.step}"
    return "admitted"


def test_what_passes_is_what_the_issuer_says() -> None:
    trail = Trail()
    judged = opaque(said(username="Alice", nbf=NOW - 1), trail=trail)
    assert "active" not in judged.claims
    assert "username" not in judged.claims
    candidate = judged.candidate
    assert (candidate.subject, candidate.client, candidate.scopes) == ("alice", "app", ("read:orders",))
    assert (candidate.expires_at, candidate.not_before) == (NOW + 300, NOW - 1)
    assert candidate.verdict.evidence == "the issuer says that token_type is Bearer"
    assert trail.steps == [Step.REQUEST, Step.ISSUER, Step.CLASS, Step.TIME, Step.AUDIENCE, Step.SUBJECT]
    assert trail.values(Step.SUBJECT) == {"sub": "alice", "client": "app"}


def test_where_it_says_no_end_that_of_the_response_stands_in() -> None:
    assert opaque(said(exp=...)).candidate.expires_at == NOW + 60
    never = judge_opaque(said(exp=...), rules(leeway=Seconds(0)), now=NOW, until=NOW, trail=Trail())
    assert never.candidate.expires_at == NOW + 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": ...}, "admitted"),
        ({"token_type": "DPoP"}, "admitted"),
        ({"token_type": "N_A"}, "admitted"),
        ({"token_type": "bearer"}, "admitted"),
        ({"token_type": ..., "typ": "Bearer"}, "admitted"),
        ({"token_type": "access_token"}, "admitted"),
        ({"iss": "https://other.example"}, "unknown_issuer at issuer"),
        ({"iss": None}, "unknown_issuer at issuer"),
        # Issuers write Bearer whatever it is: what names another kind counts beside it.
        ({"token_use": "refresh_token"}, "refresh_token at class"),
        ({"token_use": "id_token"}, "id_token at class"),
        ({"typ": "Refresh"}, "refresh_token at class"),
        ({"typ": "Offline"}, "refresh_token at class"),
        ({"typ": "ID"}, "id_token at class"),
        ({"typ": "RefreshToken"}, "refresh_token at class"),
        ({"token_type": "Refresh"}, "refresh_token at class"),
        ({"token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "refresh_token at class"),
        ({"token_type": "urn:ietf:params:oauth:token-type:id_token"}, "id_token at class"),
        ({"token_use": ["Bearer", "refresh-token"]}, "refresh_token at class"),
        ({"at_hash": "x"}, "id_token at class"),
        ({"nonce": "n"}, "id_token at class"),
        ({"events": {"x": {}}}, "logout_token at class"),
        # Nothing that a refresh token does not have as well.
        ({"token_type": ...}, "unclassified_token at class"),
        ({"token_type": ..., "scp": ["read:orders"], "permissions": ["a"]}, "unclassified_token at class"),
        ({"token_type": ..., "authorization_details": [{}], "gty": "password"}, "unclassified_token at class"),
        ({"token_type": 1}, "unclassified_token at class"),
        ({"token_type": ["Bearer"]}, "admitted"),
        ({"exp": NOW - 31}, "token_expired at time"),
        ({"exp": "soon"}, "token_malformed at time"),
        ({"exp": True}, "token_malformed at time"),
        ({"exp": None}, "token_malformed at time"),
        ({"nbf": NOW + 31}, "token_not_yet_valid at time"),
        ({"iat": NOW + 31}, "token_from_the_future at time"),
        ({"aud": "https://other.example"}, "wrong_audience at audience"),
        ({"aud": ...}, "missing_claim at audience"),
        ({"aud": 1}, "token_malformed at audience"),
        ({"sub": ..., "client_id": ...}, "missing_claim at subject"),
        ({"sub": 1}, "missing_claim at subject"),
    ],
)
def test_a_response_is_judged_like_a_payload(changes: dict[str, Any], expected: str) -> None:
    assert outcome(said(**changes)) == expected


def test_what_the_configuration_loosens_is_loosened_and_no_more() -> None:
    lenient = rules({"require_audience": False})
    assert outcome(said(aud=...), lenient) == "admitted"
    assert outcome(said(aud="https://other.example"), lenient) == "wrong_audience at audience"
    assert outcome(said(token_type=...), rules(allow_unclassified=True)) == "admitted"
    assert outcome(said(token_type="Refresh"), rules(allow_unclassified=True)) == "refresh_token at class"
    # There is no header that could say typ: at+jwt.
    assert outcome(said(), rules(require_typ=True)) == "admitted"
    assert outcome(said(), rules(clients=("other",))) == "client_not_allowed at subject"
    assert outcome(said(), rules(preset="google")) == "id_token at class"


@pytest.mark.parametrize(
    "changes",
    [
        *({"token_type": "DPoP"}, {"token_type": ["dpop"]}, {"token_type": ["Bearer", "DPoP"]}),
        *({"typ": "DPoP"}, {"token_type": ..., "typ": "DPoP"}, {"token_use": " dpop "}),
    ],
)
def test_a_token_that_is_to_be_proven_is_bound_also_where_it_does_not_say_to_what(changes: dict[str, Any]) -> None:
    bound = parse_confirmation(opaque(said(**changes)).claims)
    assert bound is not None
    assert bound.methods == {}
    bound = parse_confirmation(jwt(said(**changes)).claims)
    assert bound is not None
    assert bound.methods == {}


def test_to_what_a_token_is_bound_is_what_its_issuer_says() -> None:
    bound = parse_confirmation(opaque(said(token_type="DPoP", cnf={"jkt": "k"})).claims)
    assert bound is not None
    assert bound.methods == {"jkt": "k"}
    assert parse_confirmation(opaque(said()).claims) is None


#: file: the audience and the preset of the issuer, and what becomes of it
REAL = {
    "introspection-active": ("https://api.example.com", "keycloak", "admitted"),
    "introspection-lightweight": ("https://api.example.com", "keycloak", "admitted"),
    "introspection-light-accept-jwt-enabled": ("https://api.example.com", "keycloak", "admitted"),
    "introspection-client-credentials-without-audience-check": ("https://api.example.com", "keycloak", "admitted"),
    "introspection-refresh-token-by-owner": ("https://api.example.com", "keycloak", "refresh_token at class"),
    # It has no iss and names nobody.
    "introspection-rpt": ("orders-api", "keycloak", "missing_claim at subject"),
    "hydra-introspection-refresh-token-is-active": ("https://api.example.com", None, "refresh_token at class"),
    "spring-introspection-active": ("web", None, "admitted"),
    "spring-introspection-client-credentials": ("web", None, "admitted"),
    "spring-introspection-id-token": ("web", None, "unclassified_token at class"),
    "spring-introspection-refresh-token": ("web", None, "unclassified_token at class"),
}


def real(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", REAL)
def test_responses_of_real_providers(name: str) -> None:
    audience, preset, expected = REAL[name]
    members = parse_response(json.dumps(real(name)["json"]).encode())
    by = rules_of(
        Issuer(
            issuer=members.get("iss", "https://i.example"),
            audience=audience,
            preset=preset,
            introspection=Introspection(),
        )
    )
    trail, found = Trail(), "admitted"
    try:
        judge_opaque(members, by, now=members["iat"], until=members["iat"] + 60, trail=trail)
    except Refusal as refusal:
        found = f"{refusal.reason} at {trail.step}"
    assert found == expected


def test_every_response_that_says_active_has_its_row() -> None:
    active = {path.stem for path in DATA.glob("*.json") if real(path.stem).get("json", {}).get("active") is True}
    assert active == set(REAL)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b'{"active": 1}',
        b'{"active": "true"}',
        b'{"active": null}',
        b'{"active":true,"active":false}',
    ],
)
def test_what_does_not_say_whether_a_token_is_active_is_no_response(body: bytes) -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse_response(body)


def test_a_response_shows_when_it_ends_and_nothing_of_what_it_says() -> None:
    assert parse_response(b'{"active": false}') == {"active": False}
    assert repr(IntrospectionResponse(said(), asked_at=1, until=61)) == "IntrospectionResponse(asked at 1, until 61)"
    assert end_of({"exp": 5}) == 5
    assert end_of({}) == end_of({"exp": True}) == end_of({"exp": "5"}) == float("inf")


def test_a_response_is_kept_until_the_token_ends_and_no_longer_than_it_is_believed() -> None:
    response, packed = believe_response(said(exp=NOW + 200), asked_at=NOW, lifetime=60)
    assert (response.asked_at, response.until, response.size) == (NOW, NOW + 60, len(packed))
    known = recall_response(packed, lifetime=300, now=NOW + 199)
    assert known is not None
    assert (known.members, known.asked_at, known.until) == (said(exp=NOW + 200), NOW, NOW + 200)
    assert recall_response(packed, lifetime=300, now=NOW + 200) is None
    # A clock that is ahead gives it no longer life.
    early = recall_response(packed, lifetime=60, now=NOW - 30)
    assert early is not None
    assert (early.asked_at, early.until) == (NOW - 30, NOW + 30)


@pytest.mark.parametrize(
    "packed",
    [
        *(b"", b"{}", b"1", b"1 ", b"1 []", b"1 {}", b"\xff {}", b'1 {"active":1}', b'1 {"active":false}'),
        *(b'nan {"active":true}', b'-inf {"active":true}', b'true {"active":true}', b'{"at":1,"members":{}}'),
    ],
)
def test_what_nobody_kept_is_nothing(packed: bytes) -> None:
    assert recall_response(packed, lifetime=300, now=2.0) is None


def jwt(
    members: dict[str, Any], header: dict[str, Any] | None = None, by: IssuerRules | None = None, **changes: Any
) -> Introspected:
    """A JWT with these claims that passed by itself, and what its issuer says of it."""
    by = by or rules({"tokens": "all"})
    token = parse_token(compact(some_header(**(header or {})), some_claims(**changes)))
    candidate = check_token(token, KnownIssuers([by]), now=NOW, trail=Trail())
    return judge_jwt(members, token, candidate, now=NOW)


def reason(members: dict[str, Any], **changes: Any) -> str:
    try:
        jwt(members, **changes)
    except Refusal as refusal:
        return refusal.reason
    return "admitted"


def test_the_response_adds_to_a_jwt_and_its_claims_come_first() -> None:
    judged = jwt(
        said(email="alice@example.com", scope="write:orders", exp=NOW + 200, nbf=NOW - 9), email="old", other=1
    )
    assert judged.claims["email"] == "alice@example.com"
    assert judged.claims["other"] == 1
    candidate = judged.candidate
    assert candidate.scopes == ("write:orders",)
    assert (candidate.expires_at, candidate.not_before) == (NOW + 200, NOW - 9)
    assert candidate.verdict.evidence == 'header typ is "at+jwt"'
    # The earlier end counts, the later beginning, and scopes of the token where the response is silent.
    candidate = jwt(said(exp=NOW + 900, scope=...), nbf=NOW - 5).candidate
    assert (candidate.expires_at, candidate.not_before) == (NOW + 300, NOW - 5)
    assert candidate.scopes == ("read:orders", "write:orders")
    # None at all is less than those of the token.
    assert jwt(said(scope="")).candidate.scopes == ()
    # It is the same token to whoever revokes it, however its signature is spelled.
    assert compact(some_header(), some_claims()).startswith(jwt(said()).candidate.signed + b".")


@pytest.mark.parametrize(
    ("own", "response", "counts"), [(0, 5, 0), (5, 0, 0), (..., 5, 5), (5, ..., 5), (..., ..., None)]
)
def test_of_two_times_of_issue_the_earlier_counts(own: Any, response: Any, counts: int | None) -> None:
    # Else a token that was revoked, with all that were issued before now, would be young again.
    def time(since: Any) -> Any:
        return since if since is ... else NOW - 30 + since

    judged = jwt(said(iat=time(response)), iat=time(own))
    assert judged.claims.get("iat") == (None if counts is None else NOW - 30 + counts)


def test_scopes_that_stand_deeper_are_the_response_s_where_it_has_the_claim_they_stand_in() -> None:
    by = rules({"tokens": "all"}, scope_claims=("/realm/roles", "/a~1b"))
    assert jwt(said(realm={"roles": ["x"]}), by=by, realm={"roles": ["x", "y"]}).candidate.scopes == ("x",)
    assert jwt(said(), by=by, realm={"roles": ["x", "y"]}).candidate.scopes == ("x", "y")
    assert jwt(said(**{"a/b": "z"}), by=by).candidate.scopes == ("z",)
    keycloak = rules({"tokens": "all"}, preset="keycloak")
    judged = jwt(said(realm_access={"roles": ["x"]}), by=keycloak, realm_access={"roles": ["x", "y"]})
    assert "y" not in judged.candidate.scopes
    roles = {AUDIENCE: {"roles": ["x"]}}
    judged = jwt(said(scope=..., resource_access=roles), by=keycloak)
    assert judged.candidate.scopes == ("x",)


@pytest.mark.parametrize(
    ("members", "changes", "expected"),
    [
        (said(), {}, "admitted"),
        ({"active": True}, {}, "admitted"),
        (said(token_type="N_A"), {}, "admitted"),
        (said(iss="https://other.example"), {}, "unknown_issuer"),
        (said(sub="bob"), {}, "token_inactive"),
        (said(client_id="other"), {}, "token_inactive"),
        (said(azp="other", client_id=...), {}, "token_inactive"),
        (said(cnf={"jkt": "a"}), {"cnf": {"jkt": "b"}}, "token_inactive"),
        (said(cnf={"jkt": "a"}), {"cnf": {"jkt": "a"}}, "admitted"),
        (said(cnf={"jkt": "a"}), {}, "admitted"),
        (said(aud="https://other.example"), {}, "wrong_audience"),
        (said(aud=...), {}, "admitted"),
        # Lightweight tokens: the response says whom they are of and for.
        (said(), {"aud": ..., "sub": ..., "client_id": ...}, "admitted"),
        (said(aud=...), {"aud": ...}, "missing_claim"),
        (said(sub=..., client_id=...), {"sub": ..., "client_id": ...}, "missing_claim"),
        (said(exp=NOW - 31), {}, "token_expired"),
        (said(typ="Refresh"), {}, "refresh_token"),
        (said(token_use="id_token"), {}, "id_token"),
        (said(at_hash="x"), {}, "id_token"),
        (said(), {"aud": "https://other.example"}, "wrong_audience"),
        # token_type of a response is no evidence for a JWT.
        (said(), {"header": {"typ": "JWT"}, "scope": ...}, "unclassified_token"),
        (said(), {"header": {"typ": "JWT"}, "nonce": "n"}, "id_token"),
    ],
)
def test_a_jwt_and_what_its_issuer_says_must_agree(
    members: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert reason(members, **changes) == expected


@pytest.mark.parametrize(
    ("said_of_it", "in_it", "expected"),
    [
        (AUDIENCE, AUDIENCE, (AUDIENCE,)),
        ([AUDIENCE, "a", "b"], [AUDIENCE, "b", "c"], (AUDIENCE, "b")),
        ([AUDIENCE, "a"], ..., (AUDIENCE, "a")),
        (..., [AUDIENCE, "c"], (AUDIENCE, "c")),
    ],
)
def test_a_jwt_is_for_those_alone_that_it_and_its_issuer_name(
    said_of_it: Any, in_it: Any, expected: tuple[str, ...]
) -> None:
    assert jwt(said(aud=said_of_it), aud=in_it).candidate.audience == expected
    if said_of_it is not ...:
        names = (said_of_it,) if isinstance(said_of_it, str) else tuple(said_of_it)
        assert opaque(said(aud=said_of_it)).candidate.audience == names


def test_where_no_audience_is_needed_neither_has_to_name_one() -> None:
    by = rules({"tokens": "all", "require_audience": False})
    assert jwt(said(aud=...), by=by, aud=...).candidate.subject == "alice"


def test_a_real_lightweight_token_and_what_its_issuer_says_of_it() -> None:
    found = real("introspection-lightweight")
    payload, members = found["token_payload"], found["json"]
    by = rules_of(
        Issuer(
            issuer=payload["iss"],
            audience="https://api.example.com",
            preset="keycloak",
            clients=("light",),
            introspection=Introspection(tokens="all"),
        )
    )
    token = parse_token(compact({"alg": "RS256", "typ": "JWT", "kid": "k"}, payload))
    candidate = check_token(token, KnownIssuers([by]), now=payload["iat"], trail=Trail())
    assert (candidate.subject, candidate.client) == (None, "light")
    judged = judge_jwt(members, token, candidate, now=payload["iat"])
    assert judged.candidate.subject == members["sub"]
    assert judged.claims["email"] == "alice@example.com"
    assert "orders-reader" in judged.candidate.scopes


def test_a_client_that_only_its_issuer_names_must_be_allowed() -> None:
    by = rules({"tokens": "all"}, clients=("app",))
    assert jwt(said(), by=by, client_id=...).candidate.client == "app"
    with pytest.raises(Refusal, match="the client is 'other'"):
        jwt(said(client_id="other"), by=by, client_id=...)
    with pytest.raises(Refusal, match="the client is 'other'"):
        jwt(said(client_id="other"), by=by, client_id="other")


def signed(header: dict[str, Any] | None = None, **changes: Any) -> bytes:
    claims = {"iss": ISSUER, "aud": "gateway", "iat": NOW, "token_introspection": said(), **changes}
    head = {"typ": "token-introspection+jwt", "alg": "RS256", **(header or {})}
    return compact(head, {name: value for name, value in claims.items() if value is not ...})


def parse_signed(raw: bytes, **settings: Any) -> dict[str, Any]:
    return parse_signed_response(raw, rules(**settings), client_id="gateway", now=NOW)[1]


def test_a_signed_response_has_its_members_in_a_claim() -> None:
    assert parse_signed(signed()) == said()
    assert parse_signed(signed({"typ": "application/Token-Introspection+JWT"}, aud=["other", "gateway"], iat=NOW - 90))
    assert parse_signed(signed(token_introspection={"active": False})) == {"active": False}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"{}", "is no signed JWT"),
        (signed({"alg": "none"}), "is no signed JWT"),
        (signed({"alg": "ES256"}), "is signed with ES256, which is not configured"),
        (signed({"typ": "JWT"}), "header typ of the response"),
        (signed({"typ": 1}), "header typ of the response"),
        (signed(iss="https://other.example"), "of another issuer"),
        (signed(aud="other"), "for another client"),
        (signed(aud=...), "for another client"),
        (signed(iat=NOW - 91), "was not issued now"),
        (signed(iat=NOW + 31), "was not issued now"),
        (signed(iat=...), "was not issued now"),
        (signed(iat=True), "was not issued now"),
        (signed(token_introspection=...), "no JSON object that says"),
        (signed(token_introspection={"active": "true"}), "no JSON object that says"),
    ],
)
def test_what_is_not_signed_for_us_by_the_issuer_now_is_no_response(raw: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_signed(raw, algorithms=("RS256",))


def test_roles_that_are_keys_of_an_object_are_read_of_what_the_issuer_says() -> None:
    by = rules_of(issuer(scope_claims=(KeysOf(keys_of="/realm/roles"),), introspection=Introspection(tokens="all")))
    token = parse_token(compact(some_header(), some_claims(realm={"roles": {"own": 1}})))
    candidate = check_token(token, KnownIssuers([by]), now=NOW, trail=Trail())
    assert candidate.scopes == ("own",)
    said = {"active": True, "realm": {"roles": {"said": 1}}}
    assert judge_jwt(said, token, candidate, now=NOW).candidate.scopes == ("said",)
    assert judge_jwt({"active": True}, token, candidate, now=NOW).candidate.scopes == ("own",)
