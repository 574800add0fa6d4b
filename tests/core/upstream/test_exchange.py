"""What a token endpoint is asked, and what each of its responses means: a token, a refusal, or nothing to be had."""

import json
from typing import Any

import pytest

from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable, Refusal
from gateway.core.upstream.exchange import (
    MAX_TOKEN,
    UNSAID_LIFETIME,
    Granted,
    client_credentials_form,
    exchange_form,
    judge_client_credentials,
    judge_exchange,
    kept_key,
    kept_value,
    parse_kept,
)

ENDPOINT = "https://login.example.com/token"
SECRET = Secret(file="/run/secret")
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
#: a response that grants a token, as RFC 8693 section 2.3 has it
GOOD: dict[str, Any] = {
    "access_token": "a.b.c",
    "issued_token_type": ACCESS_TOKEN,
    "token_type": "Bearer",
    "expires_in": 300,
}


def exchanging(**settings: Any) -> TokenExchange:
    return TokenExchange(**{"token_endpoint": ENDPOINT, "client_id": "gateway", "client_secret": SECRET, **settings})


def written(document: object) -> bytes:
    return json.dumps(document).encode()


def changed(**changes: Any) -> bytes:
    """The good response with other members; Ellipsis leaves one out."""
    return written({name: value for name, value in {**GOOD, **changes}.items() if value is not ...})


def test_the_gateways_own_token_is_asked_for_as_rfc_6749_says() -> None:
    section = ClientCredentials(token_endpoint=ENDPOINT, client_id="gateway", client_secret=SECRET)
    assert client_credentials_form(section) == {"grant_type": "client_credentials"}
    section = ClientCredentials(token_endpoint=ENDPOINT, scope="read write", audience="orders", resource="https://o")
    assert client_credentials_form(section) == {
        "grant_type": "client_credentials",
        "audience": "orders",
        "resource": "https://o",
        "scope": "read write",
    }


def test_a_token_is_exchanged_as_rfc_8693_says() -> None:
    assert exchange_form(exchanging(audience="orders"), b"x.y.z") == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": ACCESS_TOKEN,
        "subject_token": "x.y.z",
        "subject_token_type": ACCESS_TOKEN,
        "audience": "orders",
    }


def test_a_token_is_exchanged_as_entra_says() -> None:
    assert exchange_form(exchanging(kind="on_behalf_of", scope="api://orders/.default"), b"x.y.z") == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "requested_token_use": "on_behalf_of",
        "assertion": "x.y.z",
        "scope": "api://orders/.default",
    }


#: no number of seconds, and no type that is kept
NO_SECONDS: list[Any] = [..., None, 0, -1, True, "soon", "-1", "", "9" * 11, [], {}]
NO_TYPES: list[Any] = [..., None, "DPoP", "mac", "", 1, []]


@pytest.mark.parametrize(
    ("changes", "lasts"),
    [
        ({}, 290.0),
        ({"token_type": "bearer"}, 290.0),
        ({"token_type": "N_A"}, 290.0),
        ({"issued_token_type": ...}, 290.0),
        ({"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}, 290.0),
        ({"expires_in": "300"}, 290.0),
        ({"expires_in": 50}, 45.0),
        ({"expires_in": 1.5}, 1.35),
        ({"expires_in": 10**300}, 10 * 365 * 24 * 3600 - 10.0),
        # Used once.
        *(({"expires_in": value}, None) for value in NO_SECONDS),
        *(({"token_type": value}, None) for value in NO_TYPES),
    ],
)
def test_a_token_is_kept_for_as_long_as_it_says(changes: dict[str, Any], lasts: float | None) -> None:
    granted = judge_exchange(200, changed(**changes))
    assert granted.authorization == b"Bearer a.b.c"
    assert granted.lasts == (None if lasts is None else pytest.approx(lasts))
    assert "a.b.c" not in repr(granted)


#: what is no token, or none that could be sent, or of no kind that is an access token
NO_TOKENS: list[Any] = [..., None, 1, ["a"], "a" * (MAX_TOKEN + 1)]
NO_KINDS: list[Any] = [
    None,
    1,
    [],
    "",
    *(f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("refresh_token", "id_token", "saml2")),
]
NO_ERRORS: list[Any] = [None, 1, [], "", "a b", "Invalid_Grant", "eyJ.a.b", "a" * 41]


@pytest.mark.parametrize(
    ("body", "evidence"),
    [
        (b"", "did not respond with a JSON object"),
        (b"<html>", "did not respond with a JSON object"),
        (b"[]", "did not respond with a JSON object"),
        (b'{"access_token": "a", "access_token": "b"}', "did not respond with a JSON object"),
        *((changed(access_token=value), "gave no access_token that could be one") for value in NO_TOKENS),
        *((changed(access_token=value), "gave an access_token that no header can carry") for value in ("", "a b", "a\r\nX: y", "ä", "=", "a,b")),
        *((changed(issued_token_type=value), "issued a token that is no access token (issued_token_type)")
          for value in NO_KINDS),
        (written({"error": "invalid_grant"}), "gave no access_token that could be one"),
    ],
)  # fmt: skip
def test_what_grants_no_usable_token_is_nothing_to_be_had(body: bytes, evidence: str) -> None:
    for judge in (judge_exchange, judge_client_credentials):
        with pytest.raises(ExchangeUnavailable) as raised:
            judge(200, body)
        assert raised.value.evidence == f"the token endpoint {evidence}"


REFUSED = ("invalid_request", "invalid_grant", "invalid_token", "access_denied", "invalid_target", "invalid_scope", "interaction_required")  # fmt: skip
LOUD = ("invalid_client", "unauthorized_client", "unsupported_grant_type", "server_error", "temporarily_unavailable", "slow_down", "consent_required")  # fmt: skip


@pytest.mark.parametrize("error", REFUSED)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_what_is_said_of_the_callers_token_is_a_refusal(status: int, error: str) -> None:
    body = written({"error": error, "error_description": "the token eyJ.secret is bad"})
    with pytest.raises(ExchangeRefused) as raised:
        judge_exchange(status, body)
    assert raised.value.evidence == f"the token endpoint says {error}"
    # Nobody's token was at fault where the gateway asks for its own.
    with pytest.raises(ExchangeUnavailable):
        judge_client_credentials(status, body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, error) for status in (400, 401) for error in LOUD),
        *((status, error) for status in (429, 500, 502, 503) for error in ("invalid_grant", "invalid_client")),
        (302, "invalid_grant"),
        (201, "invalid_grant"),
    ],
)
def test_everything_else_is_nothing_to_be_had_and_says_which(status: int, error: str) -> None:
    for judge in (judge_exchange, judge_client_credentials):
        with pytest.raises(ExchangeUnavailable) as raised:
            judge(status, written({"error": error}))
        assert raised.value.evidence == f"the token endpoint says {error}, with status {status}"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", *(written({"error": error}) for error in NO_ERRORS)],
)  # fmt: skip
def test_an_error_in_other_words_is_not_repeated(body: bytes) -> None:
    with pytest.raises(ExchangeUnavailable) as raised:
        judge_exchange(400, body)
    assert raised.value.evidence == "the token endpoint says nothing that could be understood, with status 400"


def test_the_numbers_of_entra_are_told() -> None:
    # Microsoft's documentation of error responses of the on-behalf-of flow
    body = {
        "error": "invalid_grant",
        "error_description": "AADSTS50013: Assertion failed signature validation.",
        "error_codes": [50013, "x", True, 500131, 1, 2],
        "timestamp": "2026-11-27 11:30:00Z",
    }
    with pytest.raises(ExchangeRefused) as raised:
        judge_exchange(400, written(body))
    assert raised.value.evidence == "the token endpoint says invalid_grant (50013, 500131, 1)"
    for numbers in ([], ["x"], "50013", None):
        with pytest.raises(ExchangeRefused) as raised:
            judge_exchange(400, written({**body, "error_codes": numbers}))
        assert raised.value.evidence == "the token endpoint says invalid_grant"


@pytest.mark.parametrize(
    ("status", "body", "kind", "evidence"),
    [
        # As Keycloak 26.7 and Ory Hydra 2.3 respond
        (401, {"error": "invalid_client", "error_description": "Invalid client or Invalid client credentials"}, ExchangeUnavailable, "invalid_client, with status 401"),
        (400, {"error": "invalid_grant", "error_description": "Invalid user credentials"}, ExchangeRefused, "invalid_grant"),
        (400, {"error": "invalid_request", "error_description": "DPoP proof is missing"}, ExchangeRefused, "invalid_request"),
        (401, {"error": "invalid_client", "error_description": "Client authentication failed (e.g., unknown client, no client authentication included, or unsupported authentication method)."}, ExchangeUnavailable, "invalid_client, with status 401"),
    ],
)  # fmt: skip
def test_real_providers_are_understood(status: int, body: object, kind: type[Refusal], evidence: str) -> None:
    with pytest.raises(kind) as raised:
        judge_exchange(status, written(body))
    assert raised.value.evidence == f"the token endpoint says {evidence}"


def test_the_gateways_own_token_always_ends_and_is_a_bearer_token() -> None:
    assert judge_client_credentials(200, changed()).lasts == 290.0
    assert judge_client_credentials(200, changed(expires_in=...)).lasts == UNSAID_LIFETIME
    for kind in (..., "DPoP", 1):
        with pytest.raises(ExchangeUnavailable) as raised:
            judge_client_credentials(200, changed(token_type=kind))
        assert raised.value.evidence == "the token endpoint gave a token of another type than Bearer (token_type)"


def test_whatever_differs_is_kept_apart() -> None:
    one: dict[str, Any] = {"issuer": "a", "token": b"t", "upstream": "u", "section": exchanging()}
    others: list[dict[str, Any]] = [
        {},
        {"issuer": "b"},
        {"token": b"u"},
        {"upstream": "v"},
        {"issuer": "a,u"},
        *({"section": exchanging(**change)} for change in (
            {"token_endpoint": "https://other"}, {"client_id": "other"}, {"audience": "a"}, {"resource": "a"},
            {"scope": "a"}, {"kind": "on_behalf_of", "scope": "a"},
        )),
    ]  # fmt: skip
    assert len({kept_key(**{**one, **other}) for other in others}) == len(others)
    # How long it is kept and how the gateway shows who it is change nothing about the result.
    same = ({"cache": Seconds(1)}, {"client_secret": Secret(env="A")}, {"timeout": Seconds(1)})
    assert len({kept_key(**{**one, "section": exchanging(**change)}) for change in same}) == 1


def test_what_is_kept_is_read_again_until_its_end() -> None:
    value = kept_value(Granted(b"Bearer a.b.c", 60.0), until=1_000.5)
    assert parse_kept(value, now=1_000.0, longest=60.0) == (b"Bearer a.b.c", 1_000.5)
    assert parse_kept(value, now=1_000.5, longest=60.0) is None
    # An end that is too far off is none of ours.
    assert parse_kept(value, now=100.0, longest=60.0) == (b"Bearer a.b.c", 160.0)


@pytest.mark.parametrize(
    "value",
    [b"", b"1000", b"1000 ", b"x Bearer a", b"nan Bearer a", b"-inf Bearer a", b"1000 Basic YTpi", b"1000 abc", b"1000 Bearer a\r\nX: y", b"1000 Bearer \xff", b"1000 bearer a"],
)  # fmt: skip
def test_what_nobody_wrote_so_is_not_used(value: bytes) -> None:
    assert parse_kept(value, now=1.0, longest=60.0) is None
