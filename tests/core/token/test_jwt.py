"""Every way a JWT can be refused before its key is asked for, and what passes."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import (
    AlgorithmNotAllowed,
    ClientNotAllowed,
    CriticalHeader,
    IdToken,
    InvalidToken,
    LogoutToken,
    MissingAudience,
    MissingClaim,
    OtherToken,
    RefreshToken,
    Refusal,
    TokenEncrypted,
    TokenExpired,
    TokenFromTheFuture,
    TokenLifetimeTooLong,
    TokenMalformed,
    TokenNotYetValid,
    UnclassifiedToken,
    UnknownIssuer,
    WrongAudience,
)
from gateway.core.token.jwt import (
    HEADER_KEPT,
    MAX_KID,
    MAX_TIME,
    _decode,
    check_token,
    find_signer,
    find_unread,
    parse_token,
)
from gateway.core.token.known import KnownIssuers
from gateway.core.token.rules import Candidate, rules_of
from gateway.core.trail import Step, Trail
from tests.signer import (
    AUDIENCE,
    ISSUER,
    NOW,
    base64url,
    compact,
    issuer,
    key,
    public_jwk,
    sign,
    some_claims,
    some_header,
)

HEADER = json.dumps(some_header()).encode()
GOOD = compact(some_header(), some_claims())
PUBLIC_KEY = key("rsa-2048-a").public.as_pem(private=False)


def check(
    claims: Mapping[str, Any],
    *,
    now: float = NOW,
    header: Mapping[str, Any] | None = None,
    trail: Trail | None = None,
    **settings: Any,
) -> Candidate:
    rules = rules_of(issuer(**settings))
    return check_token(
        parse_token(compact(header or some_header(), claims)), KnownIssuers([rules]), now=now, trail=trail or Trail()
    )


def refusal_of(claims: Mapping[str, Any], *, now: float = NOW, **settings: Any) -> type[Refusal]:
    with pytest.raises(InvalidToken) as caught:
        check(claims, now=now, **settings)
    assert caught.value.evidence.isascii()
    assert caught.value.evidence.isprintable()
    return type(caught.value)


# Form


def test_a_token_is_taken_apart() -> None:
    raw = sign()
    token = parse_token(raw)
    assert (token.alg, token.kid) == ("RS256", "rsa-a")
    assert token.header == some_header()
    assert token.claims == some_claims()
    assert token.signing_input + b"." + base64url(token.signature) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b".",
        b"..",
        b"...",
        b"opaque",
        GOOD.rsplit(b".", 1)[0],
        GOOD + b".",
        GOOD + b".AAAA",
        b"." + GOOD.split(b".", 1)[1],
        GOOD.rsplit(b".", 1)[0] + b".",
        base64url(HEADER) + b"..AAAA",
        GOOD + b"=",
        GOOD.replace(b".", b"=.", 1),
        GOOD + b"==",
        GOOD + b" ",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD[:-1] + b"+",
        GOOD[:-1] + b"/",
        GOOD + b"\xff",
        GOOD + "é".encode(),
        base64url(HEADER) + b".A." + base64url(b"s"),
        base64url(HEADER) + b".AAAAA." + base64url(b"s"),
        compact(HEADER, b"[]"),
        compact(HEADER, b'"text"'),
        compact(HEADER, b"null"),
        compact(HEADER, b"7"),
        compact(HEADER, b"{"),
        compact(HEADER, b"\x00"),
        compact(b"[]", some_claims()),
        compact(b"null", some_claims()),
        compact(b'{"alg":"RS256","alg":"none"}', some_claims()),
        compact(HEADER, b'{"sub":"alice","sub":"bob"}'),
        compact(HEADER, b'{"sub":"alice","\\u0073ub":"bob"}'),
        compact(HEADER, json.dumps(some_claims()).encode("utf-16")),
        compact(HEADER, json.dumps(some_claims()).encode("utf-16-be")),
        compact(json.dumps(some_header()).encode("utf-16"), some_claims()),
        compact(HEADER, b"\xef\xbb\xbf{}"),
        compact(HEADER, b'{"sub":"\xff"}'),
        compact(HEADER, b'{"sub":"\\ud800"}'),
        compact(HEADER, b'{"\\udc00":1}'),
        compact(HEADER, b'{"sub":"\xed\xa0\x80"}'),
        compact(HEADER, b'{"a":' * 3_000 + b"1" + b"}" * 3_000),
        compact(HEADER, b"[" * 10_000),
        compact(b'{"alg":"RS256","a":' + b"[" * 40 + b"]" * 40 + b"}", some_claims()),
        compact(HEADER, b'{"exp":NaN}'),
        compact(HEADER, b'{"exp":Infinity}'),
        compact(HEADER, b'{"exp":1e400}'),
        compact(HEADER, b'{"exp":-1e400}'),
        compact(HEADER, b'{"exp":' + b"9" * 5_000 + b"}"),
    ],
)
def test_what_is_not_a_strict_jwt_is_malformed(raw: bytes) -> None:
    with pytest.raises(TokenMalformed):
        parse_token(raw)


def test_five_segments_are_an_encrypted_token() -> None:
    for raw in (b"a.b.c.d.e", b"....", b".".join([base64url(b'{"alg":"RSA-OAEP"}'), b"", b"A", b"B", b"C"])):
        with pytest.raises(TokenEncrypted):
            parse_token(raw)


@pytest.mark.parametrize(
    "alg",
    [
        *("none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "rs256", "RS256 ", "RS1", "ES256K", "Ed448"),
        *("A128GCMKW", "RSA-OAEP", "dir", "../RS256", "RS256\x00", "ü"),
    ],
)
def test_an_algorithm_that_is_not_asymmetric_and_known_is_not_allowed(alg: str) -> None:
    with pytest.raises(AlgorithmNotAllowed):
        parse_token(compact(some_header(alg=alg), some_claims()))


@pytest.mark.parametrize("alg", ["none", "HS512", "RS1"])
def test_a_kind_that_the_payload_shows_goes_before_an_algorithm_that_is_not_allowed(alg: str) -> None:
    with pytest.raises(RefreshToken) as caught:
        parse_token(compact(some_header(alg=alg), some_claims(typ="Refresh")))
    assert caught.value.evidence == f'payload typ is "Refresh"; alg is {alg!r}'
    # A header type that nobody documents says nothing here.
    with pytest.raises(AlgorithmNotAllowed):
        parse_token(compact(some_header(alg=alg, typ="dpop+jwt"), some_claims()))


def test_a_kind_goes_before_an_algorithm_that_is_not_configured_and_its_step_is_the_class() -> None:
    for claims, refusal, step in (({"typ": "Refresh"}, RefreshToken, "class"), ({}, AlgorithmNotAllowed, "issuer")):
        trail = Trail()
        with pytest.raises(refusal):
            check(some_claims(**claims), algorithms=("ES256",), trail=trail)
        assert trail.step == step


@pytest.mark.parametrize("alg", [..., None, True, 256, ["RS256"], {"RS256": 1}])
def test_an_alg_that_is_no_string_is_malformed(alg: Any) -> None:
    with pytest.raises(TokenMalformed):
        parse_token(compact(some_header(alg=alg), some_claims()))


@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": None},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"b64": None},
    ],
)
def test_an_extension_that_must_be_understood_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(CriticalHeader):
        parse_token(compact(some_header(**members), some_claims()))


@pytest.mark.parametrize("kid", [None, 7, True, ["rsa-a"], {"a": 1}, "x" * (MAX_KID + 1), "x" * 10_000])
def test_a_kid_that_is_no_short_string_is_malformed(kid: Any) -> None:
    with pytest.raises(TokenMalformed) as caught:
        parse_token(compact(some_header(kid=kid), some_claims()))
    assert "xx" not in caught.value.evidence


@pytest.mark.parametrize(
    "kid", ["", "x" * MAX_KID, "../../etc/passwd", "' OR 1=1 --", "http://evil.example/", "\x00\r\n", "ü"]
)
def test_a_kid_is_opaque(kid: str) -> None:
    assert parse_token(compact(some_header(kid=kid), some_claims())).kid == kid


def test_a_token_without_a_kid_has_none() -> None:
    assert parse_token(compact(some_header(kid=...), some_claims())).kid is None


def test_private_header_members_and_a_long_header_are_fine() -> None:
    header = some_header(nonce="n", **{"pi.atm": "1", "x5t": "abc", "org.example": ["a"] * 500})
    assert parse_token(compact(header, some_claims())).header["pi.atm"] == "1"


def test_a_header_is_read_once_and_the_payload_each_time() -> None:
    first, second = (parse_token(compact(some_header(), some_claims(sub=sub))) for sub in ("alice", "bob"))
    assert first.header is second.header
    assert (first.claims["sub"], second.claims["sub"]) == ("alice", "bob")
    other = parse_token(compact(some_header(kid="another"), some_claims()))
    assert (first.kid, other.kid) == (some_header()["kid"], "another")


def test_a_long_header_and_one_that_cannot_be_read_are_not_remembered() -> None:
    token = compact(some_header(x="y" * HEADER_KEPT), some_claims())
    assert parse_token(token).header is not parse_token(token).header
    rest = GOOD.partition(b".")[2]
    for _ in range(2):
        with pytest.raises(TokenMalformed, match="header"):
            parse_token(base64url(b"[]") + b"." + rest)
        with pytest.raises(CriticalHeader):
            parse_token(compact(some_header(crit=["x"]), some_claims()))


# Signature


def test_the_signer_is_found_among_the_keys() -> None:
    token = parse_token(sign(name="p-256"))
    assert find_signer(token, [key("p-384"), key("rsa-2048-a"), key("p-256")]) is key("p-256")
    assert find_signer(token, []) is None


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_secret_for_hmac(alg: str) -> None:
    unsigned = compact(some_header(alg=alg), some_claims()).rsplit(b".", 1)[0]
    forged = hmac.new(PUBLIC_KEY, unsigned, getattr(hashlib, f"sha{alg[2:]}")).digest()
    with pytest.raises(AlgorithmNotAllowed):
        parse_token(unsigned + b"." + base64url(forged))
    # Relabelled as RS256, the code is no RSA signature either.
    as_rsa = parse_token(compact(some_header(), some_claims(), forged))
    assert find_signer(as_rsa, [key("rsa-2048-a")]) is None


@pytest.mark.parametrize(
    "members",
    [
        {"jwk": public_jwk("rsa-2048-b")},
        {"jwk": public_jwk("rsa-2048-b", kid="rsa-a"), "kid": "rsa-a"},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": None, "x5c": 7, "jku": {"a": 1}},
    ],
)
def test_a_key_that_the_token_brings_along_is_never_used(members: dict[str, Any]) -> None:
    forged = parse_token(sign(name="rsa-2048-b", header=members))
    assert find_signer(forged, [key("rsa-2048-a")]) is None
    honest = parse_token(sign(name="rsa-2048-a", header=members))
    assert find_signer(honest, [key("rsa-2048-a")]) is key("rsa-2048-a")


def test_the_payload_cannot_be_exchanged_under_a_signature() -> None:
    header, _, signature = sign().split(b".")
    swapped = b".".join((header, base64url(json.dumps(some_claims(sub="root")).encode()), signature))
    assert find_signer(parse_token(swapped), [key("rsa-2048-a")]) is None


# Issuer and algorithm


def test_what_passes_says_who_and_until_when() -> None:
    candidate = check(some_claims(nbf=NOW - 5))
    assert candidate.rules.name == "local"
    assert candidate.verdict.kind == "access"
    assert (candidate.expires_at, candidate.not_before) == (NOW + 300, NOW - 5)
    assert (candidate.subject, candidate.client) == ("alice", "app")
    assert candidate.scopes == ("read:orders", "write:orders")


@pytest.mark.parametrize(
    "iss",
    [
        *(
            ...,
            None,
            "",
            7,
            True,
            [ISSUER],
            {"iss": ISSUER},
            f"{ISSUER}/",
            ISSUER.upper(),
            f" {ISSUER}",
            f"{ISSUER}\x00",
        ),
        *("https://evil.example", f"{ISSUER}.evil.example", "x" * 1_000, "ü\r\n"),
    ],
)
def test_an_issuer_that_is_not_exactly_the_configured_one_is_unknown(iss: Any) -> None:
    assert refusal_of(some_claims(iss=iss)) is UnknownIssuer


def test_a_token_is_judged_by_the_rules_of_its_own_issuer() -> None:
    one = rules_of(issuer(audience="one"))
    other = rules_of(issuer(issuer="https://other.example", name="other", audience="two"))
    rules = KnownIssuers([one, other])
    token = parse_token(compact(some_header(), some_claims(iss="https://other.example", aud="two")))
    assert check_token(token, rules, now=NOW, trail=Trail()).rules is other
    with pytest.raises(WrongAudience):
        check_token(parse_token(compact(some_header(), some_claims(aud="two"))), rules, now=NOW, trail=Trail())


def test_an_algorithm_that_the_issuer_is_not_configured_for_is_refused() -> None:
    assert refusal_of(some_claims(), algorithms=("ES256",)) is AlgorithmNotAllowed
    assert check(some_claims(), algorithms=("RS256",)).rules.algorithms == {"RS256"}


# Class


@pytest.mark.parametrize(
    ("header", "claims", "refusal"),
    [
        ({"typ": "JWT"}, {"at_hash": "abc"}, IdToken),
        ({"typ": "at+jwt"}, {"typ": "ID"}, IdToken),
        ({"typ": "JWT"}, {"typ": "Refresh"}, RefreshToken),
        ({"typ": "logout+jwt"}, {}, LogoutToken),
        ({"typ": "JWT"}, {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, LogoutToken),
        ({"typ": "dpop+jwt"}, {}, OtherToken),
        ({"typ": "JWT"}, {"scope": ...}, UnclassifiedToken),
        ({"typ": ["at+jwt"]}, {}, OtherToken),
    ],
)
def test_what_is_not_an_access_token_is_refused_whatever_else_is_right(
    header: dict[str, Any], claims: dict[str, Any], refusal: type[Refusal]
) -> None:
    assert refusal_of(some_claims(**claims), header=some_header(**header)) is refusal


def test_rules_of_an_issuer_reach_the_class_verdict() -> None:
    plain = some_header(typ="JWT")
    unmarked = some_claims(scope=...)
    assert check(unmarked, header=plain, allow_unclassified=True).verdict.kind == "unclassified"
    assert refusal_of(some_claims(), header=plain, require_typ=True) is UnclassifiedToken
    assert check(some_claims(), require_typ=True).verdict.kind == "access"
    assert refusal_of(some_claims(), preset="google") is IdToken


def test_a_preset_says_where_client_and_scopes_stand() -> None:
    claims = some_claims(cid="okta-app", scp=["a", "b"], client_id="other", scope="c")
    candidate = check(claims, preset="okta")
    assert (candidate.client, candidate.scopes) == ("okta-app", ("a", "b", "c"))
    assert check(claims, preset="okta", scope_claims=("scope",)).scopes == ("c",)


# Times


@pytest.mark.parametrize(
    "value",
    [
        "1800000300",
        "",
        "soon",
        True,
        False,
        None,
        -1,
        -0.5,
        MAX_TIME + 1,
        1e300,
        -1e300,
        10**300,
        [NOW + 300],
        {"a": 1},
    ],
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_that_is_no_sensible_number_is_malformed(name: str, value: Any) -> None:
    assert refusal_of(some_claims(**{name: value})) is TokenMalformed


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e400", b"9" * 5_000])
def test_a_time_that_is_no_json_number_is_malformed(value: bytes) -> None:
    raw = json.dumps(some_claims(exp="@")).encode().replace(b'"@"', value)
    with pytest.raises(TokenMalformed):
        parse_token(compact(HEADER, raw))


def test_the_last_moment_of_the_year_9999_is_a_time() -> None:
    assert check(some_claims(exp=MAX_TIME)).expires_at == MAX_TIME == 253_402_300_799
    assert check(some_claims(exp=NOW + 0.5)).expires_at == NOW + 0.5


@pytest.mark.parametrize(
    ("changes", "now", "refusal"),
    [
        ({}, NOW + 329.999, None),
        ({}, NOW + 330, TokenExpired),
        ({}, NOW + 10**9, TokenExpired),
        ({"exp": 0}, NOW, TokenExpired),
        ({"exp": ...}, NOW, MissingClaim),
        ({"nbf": NOW + 30}, NOW, None),
        ({"nbf": NOW + 30.001}, NOW, TokenNotYetValid),
        ({"nbf": MAX_TIME}, NOW, TokenNotYetValid),
        ({"nbf": 0}, NOW, None),
        ({"iat": NOW + 30}, NOW, None),
        ({"iat": NOW + 30.001}, NOW, TokenFromTheFuture),
        ({"iat": MAX_TIME}, NOW, TokenFromTheFuture),
        ({"iat": ...}, NOW, None),
        ({"iat": 0}, NOW, None),
    ],
)
def test_leeway_ends_exactly_where_it_says(changes: dict[str, Any], now: float, refusal: type[Refusal] | None) -> None:
    if refusal is None:
        check(some_claims(**changes), now=now)
    else:
        assert refusal_of(some_claims(**changes), now=now) is refusal


def test_without_leeway_a_token_ends_with_its_exp() -> None:
    check(some_claims(nbf=NOW), now=NOW + 299.999, leeway=0)
    assert refusal_of(some_claims(), now=NOW + 300, leeway=0) is TokenExpired
    assert refusal_of(some_claims(iat=NOW - 9, nbf=NOW + 0.001), leeway=0) is TokenNotYetValid


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"exp": NOW + 3600}, None),
        ({"exp": NOW + 3600.5}, TokenLifetimeTooLong),
        ({"iat": NOW - 3301}, TokenLifetimeTooLong),
        ({"iat": ...}, MissingClaim),
        ({"iat": NOW + 20, "exp": NOW + 10}, None),
    ],
)
def test_max_lifetime_is_from_iat_to_exp(changes: dict[str, Any], refusal: type[Refusal] | None) -> None:
    if refusal is None:
        check(some_claims(**changes), max_lifetime=3600)
    else:
        assert refusal_of(some_claims(**changes), max_lifetime=3600) is refusal


# Audience


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE], [AUDIENCE, AUDIENCE], ["b"]])
def test_one_audience_of_ours_is_enough(aud: Any) -> None:
    check(some_claims(aud=aud), audience=(AUDIENCE, "b"))


@pytest.mark.parametrize(
    ("aud", "refusal"),
    [
        ("other", WrongAudience),
        ("", WrongAudience),
        (f"{AUDIENCE}/", WrongAudience),
        (AUDIENCE.upper(), WrongAudience),
        (f"{AUDIENCE} other", WrongAudience),
        (["other"], WrongAudience),
        ([], WrongAudience),
        ([""], WrongAudience),
        (["x"] * 3_000, WrongAudience),
        (..., MissingAudience),
        (None, TokenMalformed),
        (7, TokenMalformed),
        (True, TokenMalformed),
        ({AUDIENCE: 1}, TokenMalformed),
        ({}, TokenMalformed),
        ([7], TokenMalformed),
        ([AUDIENCE, 7], TokenMalformed),
        ([AUDIENCE, None], TokenMalformed),
        ([[AUDIENCE]], TokenMalformed),
        ([{"aud": AUDIENCE}], TokenMalformed),
    ],
)
def test_an_audience_that_is_not_ours_is_refused(aud: Any, refusal: type[Refusal]) -> None:
    assert refusal_of(some_claims(aud=aud)) is refusal


def test_an_audience_list_without_ours_is_refused() -> None:
    assert refusal_of(some_claims(aud=["one", "two"])) is WrongAudience


def test_whoever_sends_a_token_without_an_audience_is_told_what_to_ask_for() -> None:
    # The same as for a wrong one: without it only the log would say what to do.
    for changes in ({"aud": ...}, {"aud": "other"}):
        with pytest.raises(InvalidToken) as caught:
            check(some_claims(**changes))
        assert caught.value.public.endswith(": ask the provider for one with this API as audience.")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"aud": ..., "client_id": AUDIENCE}, None),
        ({"aud": AUDIENCE, "client_id": "other"}, None),
        ({"aud": "other", "client_id": AUDIENCE}, WrongAudience),
        ({"aud": [], "client_id": AUDIENCE}, WrongAudience),
        ({"aud": None, "client_id": AUDIENCE}, TokenMalformed),
        ({"aud": ..., "client_id": ..., "x": {"y": AUDIENCE}}, None),
        ({"aud": ..., "client_id": ..., "x": {}}, MissingAudience),
    ],
)
def test_the_first_audience_claim_that_is_present_decides(
    changes: dict[str, Any], refusal: type[Refusal] | None
) -> None:
    settings: dict[str, Any] = {"audience_claims": ("aud", "client_id", "/x/y")}
    if refusal is None:
        check(some_claims(**changes), **settings)
    else:
        assert refusal_of(some_claims(**changes), **settings) is refusal


def test_the_claim_that_decided_is_seen_as_it_is_also_where_it_is_nested() -> None:
    trail = Trail()
    claims = some_claims(aud=..., resource={"aud": ["other", AUDIENCE]})
    check(claims, trail=trail, audience_claims=("/resource/aud", "aud"))
    assert trail.values(Step.AUDIENCE) == {
        "claim": "/resource/aud",
        "value": ["other", AUDIENCE],
        "expected": frozenset({AUDIENCE}),
    }


# Subject and client


@pytest.mark.parametrize(
    ("changes", "parties"),
    [
        ({}, ("alice", "app")),
        ({"client_id": ...}, ("alice", None)),
        ({"sub": ...}, (None, "app")),
        ({"sub": None}, (None, "app")),
        ({"sub": ""}, (None, "app")),
        ({"client_id": ..., "azp": "web"}, ("alice", "web")),
        ({"client_id": ..., "cid": "web", "appid": "x"}, ("alice", "web")),
        ({"client_id": None, "azp": "web"}, ("alice", None)),
        ({"client_id": 7, "azp": "web"}, ("alice", None)),
        ({"client_id": "", "azp": "web"}, ("alice", None)),
        ({"sub": ..., "client_id": ...}, None),
        ({"sub": None, "client_id": ...}, None),
        ({"sub": "", "client_id": ...}, None),
        ({"sub": "", "client_id": ["app"]}, None),
        ({"sub": 7}, None),
        ({"sub": 7, "client_id": ...}, None),
        ({"sub": True}, None),
        ({"sub": ["alice"]}, None),
        ({"sub": {"id": "alice"}}, None),
    ],
)
def test_a_token_speaks_of_a_subject_or_a_client(
    changes: dict[str, Any], parties: tuple[str | None, str | None] | None
) -> None:
    if parties is None:
        assert refusal_of(some_claims(**changes)) is MissingClaim
    else:
        candidate = check(some_claims(**changes))
        assert (candidate.subject, candidate.client) == parties


@pytest.mark.parametrize(
    ("changes", "admitted"),
    [
        ({"client_id": "app"}, True),
        ({"client_id": ..., "azp": "web"}, True),
        ({"client_id": "evil"}, False),
        ({"client_id": "evil", "azp": "app"}, False),
        ({"client_id": None, "azp": "app"}, False),
        ({"client_id": ["app"]}, False),
        ({"client_id": "APP"}, False),
        ({"client_id": ...}, False),
    ],
)
def test_only_listed_clients_may_call(changes: dict[str, Any], *, admitted: bool) -> None:
    if admitted:
        check(some_claims(**changes), clients=("app", "web"))
    else:
        assert refusal_of(some_claims(**changes), clients=("app", "web")) is ClientNotAllowed


@pytest.mark.parametrize(
    ("settings", "evidence"),
    [
        ({"clients": ("web", "app")}, "the client is 'evil'; configured: ['app', 'web']"),
        (
            {"algorithms": ("PS256", "ES256")},
            "alg is RS256, which is not configured for local; configured: ES256, PS256",
        ),
    ],
)
def test_evidence_has_what_is_configured_beside_what_the_token_says(settings: dict[str, Any], evidence: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        check(some_claims(client_id="evil"), **settings)
    assert caught.value.evidence == evidence


def test_checks_come_in_the_documented_order() -> None:
    wrong: list[tuple[str, Any, type[Refusal], Step]] = [
        ("iss", "https://evil.example", UnknownIssuer, Step.ISSUER),
        ("at_hash", "abc", IdToken, Step.CLASS),
        ("exp", NOW - 900, TokenExpired, Step.TIME),
        ("nbf", NOW + 900, TokenNotYetValid, Step.TIME),
        ("iat", NOW + 900, TokenFromTheFuture, Step.TIME),
        ("aud", "other", WrongAudience, Step.AUDIENCE),
        ("sub", 7, MissingClaim, Step.SUBJECT),
    ]
    claims = some_claims() | {name: value for name, value, *_ in wrong}
    for name, _, refusal, step in wrong:
        trail = Trail()
        assert refusal_of(claims, trail=trail) is refusal
        assert trail.step is step
        if name in some_claims():
            claims[name] = some_claims()[name]
        else:
            del claims[name]
    check(claims)


def test_a_segment_has_one_spelling() -> None:
    raw = sign()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(raw[-1:])
    respelled = raw[:-1] + alphabet[last + 1 : last + 2]
    with pytest.raises(TokenMalformed, match="stray bits"):
        parse_token(respelled)


@pytest.mark.parametrize(("size", "spellings"), [(1, 4), (2, 16), (3, 64)])
def test_only_the_spelling_whose_last_bits_are_zero_is_taken(size: int, spellings: int) -> None:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    signed = GOOD.rsplit(b".", 1)[0] + b"."
    start = base64url(b"\xff" * size)[:-1]
    taken = set()
    for byte in range(256):
        try:
            token = parse_token(signed + start + bytes([byte]))
        except TokenMalformed as refusal:
            assert ("stray bits" in refusal.evidence) == (byte in alphabet)  # noqa: PT017 -- of most bytes
        else:
            assert base64url(token.signature) == start + bytes([byte])
            taken.add(byte)
    assert len(taken) == spellings


@pytest.mark.parametrize("foreign", sorted(set(range(256)) - set(base64url(bytes(range(256))))))
def test_a_byte_that_base64url_does_not_have_is_refused_wherever_it_stands(foreign: int) -> None:
    signed, signature = GOOD.rsplit(b".", 1)[0], b"AAAAAA"
    for place in range(len(signature)):
        spoilt = signature[:place] + bytes([foreign]) + signature[place + 1 :]
        with pytest.raises(InvalidToken):
            parse_token(signed + b"." + spoilt)


def by_the_standard_library(segment: bytes) -> bytes | None:
    """RFC 7515 section 2 and RFC 4648 section 3.5, without a word of ours: None: it is not base64url, or empty."""
    try:
        decoded = urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except ValueError:
        return None
    return decoded if decoded and base64url(decoded) == segment else None


@given(
    st.binary(max_size=9).map(base64url)
    | st.lists(st.sampled_from(b'AQgwZz09-_+/="\\!. \n\0\xff'), max_size=9).map(bytes)
    | st.tuples(st.binary(max_size=6).map(base64url), st.sampled_from(b'AQgwZ-_=/"\\')).map(
        lambda of: of[0] + bytes([of[1]])
    )
)
def test_base64url_is_read_as_the_standard_library_reads_it_where_it_is_written_in_the_one_way(segment: bytes) -> None:
    try:
        decoded = _decode(segment, "signature")
    except TokenMalformed:
        assert by_the_standard_library(segment) is None
    else:
        assert decoded == by_the_standard_library(segment)


# What evidence says


def evidence_of(claims: Mapping[str, Any], **settings: Any) -> str:
    with pytest.raises(InvalidToken) as caught:
        check(claims, **settings)
    assert caught.value.evidence.isascii()
    assert caught.value.evidence.isprintable()
    return caught.value.evidence


ASK = "ask the provider to put this API into aud"


@pytest.mark.parametrize(
    ("changes", "settings", "evidence"),
    [
        ({"aud": "other"}, {}, f"aud is 'other'; expected ['{AUDIENCE}']; {ASK}"),
        ({"aud": ...}, {}, f"there is no aud; {ASK}"),
        (
            {"aud": "account"},
            {"preset": "keycloak"},
            f"aud is 'account'; expected ['{AUDIENCE}']; {ASK} (the client, or a client scope of it, needs an audience mapper)",
        ),
        (
            {"aud": ...},
            {"audience_claims": ("azp", "client")},
            "there is no azp or client; ask the provider to put this API into azp",
        ),
        ({"exp": None}, {}, "exp is not a time: it is null"),
        (
            {"exp": int(NOW) * 1000},
            {},
            "exp is not a time: 1800000000000 looks like milliseconds, and times in a JWT are seconds",
        ),
        ({"iat": 10**18}, {}, "iat is not a time: 1000000000000000000"),
        ({"iss": ...}, {}, f"there is no iss; configured: '{ISSUER}'"),
        ({"iss": "x"}, {}, f"iss is 'x'; configured: '{ISSUER}'"),
        (
            {"iss": f"{ISSUER}/"},
            {},
            f"iss is '{ISSUER}/'; configured: '{ISSUER}'; they differ by the slash at the end",
        ),
        (
            {"aud": [f"{AUDIENCE}/"]},
            {},
            f"aud is ['{AUDIENCE}/']; expected ['{AUDIENCE}']; they differ by the slash at the end; {ASK}",
        ),
    ],
)
def test_evidence_says_what_is_expected_and_what_to_do(
    changes: dict[str, Any], settings: dict[str, Any], evidence: str
) -> None:
    assert evidence_of(some_claims(**changes), **settings) == evidence


def test_a_provider_that_a_preset_would_fit_is_known_by_its_url_for_advice() -> None:
    url = "https://login.example/realms/staff"
    assert "audience mapper" in evidence_of(some_claims(iss=url, aud="account"), issuer=url)


def test_evidence_lists_a_few_issuers_and_counts_the_others() -> None:
    known = KnownIssuers(rules_of(issuer(issuer=f"https://{number}.example")) for number in range(7))
    with pytest.raises(UnknownIssuer) as caught:
        check_token(parse_token(compact(some_header(), some_claims())), known, now=NOW, trail=Trail())
    assert caught.value.evidence.endswith("'https://3.example', 'https://4.example' and 2 more")
    with pytest.raises(UnknownIssuer, match="configured: none"):
        check_token(parse_token(compact(some_header(), some_claims())), KnownIssuers(()), now=NOW, trail=Trail())


def test_roles_that_the_suggested_preset_would_read_are_seen() -> None:
    url = "https://login.example/realms/staff"
    claims = {"realm_access": {"roles": ["a"]}, "resource_access": {AUDIENCE: {"roles": ["b"]}, "x": {"roles": ["c"]}}}
    unread = find_unread(claims, rules_of(issuer(issuer=url)))
    assert unread == f"/realm_access/roles, /resource_access/{AUDIENCE}/roles would count with preset keycloak"
    assert find_unread({}, rules_of(issuer(issuer=url))) == ""
    for settings in ({}, {"issuer": url, "preset": "keycloak"}, {"issuer": url, "scope_claims": ("scope",)}):
        assert find_unread(claims, rules_of(issuer(**settings))) == ""


def test_the_trail_says_of_which_tenant_a_token_is() -> None:
    template = rules_of(issuer(issuer="https://login.example/{tid}", tenants=("a",)))
    trail = Trail()
    token = parse_token(compact(some_header(), some_claims(iss="https://login.example/a", tid="a")))
    candidate = check_token(token, KnownIssuers([template]), now=NOW, trail=trail)
    assert trail.values(Step.ISSUER) == {"name": "local", "iss": "https://login.example/a", "tenant": "a"}
    assert (candidate.rules.tenant, candidate.rules.signers) == ("a", "https://login.example/a")
