"""A refusal as a response: constants only."""

import json
from http import HTTPStatus

import pytest

from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.errors import (
    Asked,
    BadRequest,
    ClaimMismatch,
    DPoPProofElsewhere,
    IdToken,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidLogout,
    IssuerUnavailable,
    MalformedCredential,
    MethodNotAllowed,
    MissingCredential,
    NonceRequired,
    Overloaded,
    ProofReplayed,
    Refusal,
    TokenExpired,
    reasons,
)
from gateway.core.http.challenge import Challenges, compose_refusal

ANSWERED = {
    reason: refusal
    for reason, refusal in reasons().items()
    if reason != "client_disconnected" and refusal.oauth_error is None
}


def headers(refusal: Refusal) -> dict[str, str]:
    return {
        name.decode(): value.decode() for name, value in compose_refusal(refusal, challenges=Challenges("api")).headers
    }


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (MissingCredential(), 'Bearer realm="api"'),
        (
            IdToken(),
            'Bearer realm="api", error="invalid_token", error_description="This is an ID token. An API needs an access token: ask the provider for one with this API as audience."',
        ),
        (
            MalformedCredential(),
            'Bearer realm="api", error="invalid_request", error_description="The Authorization header must be the word Bearer, one space and one token."',
        ),
        (
            InsufficientScope(scope=("read:orders", "write:orders")),
            'Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope that this request needs.", scope="read:orders write:orders"',
        ),
        (
            InsufficientScope(),
            'Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope that this request needs."',
        ),
    ],
)
def test_a_challenge_is_as_rfc_6750_writes_it(refusal: Refusal, expected: str) -> None:
    assert Challenges("api").values(refusal)[0] == expected
    assert headers(refusal)["WWW-Authenticate"] == expected


def test_the_realm_is_the_configured_one() -> None:
    assert Challenges("orders").values(MissingCredential())[0] == 'Bearer realm="orders"'


@pytest.mark.parametrize("refusal", ANSWERED.values(), ids=ANSWERED)
def test_every_refusal_is_a_problem_document(refusal: type[Refusal]) -> None:
    response = compose_refusal(refusal("secret evidence"), challenges=Challenges("api"))
    # RFC 9110 sections 15.5.14 and 15.5.15, where the standard library has older words.
    phrase = {413: "Content Too Large", 414: "URI Too Long"}.get(refusal.status) or HTTPStatus(refusal.status).phrase
    assert (response.status, response.reason) == (refusal.status, phrase.encode())
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": phrase,
        "status": refusal.status,
        "detail": refusal.public,
        "reason": refusal.reason,
    }
    fields = headers(refusal("secret evidence"))
    assert fields["Content-Type"] == "application/problem+json"
    assert fields["Content-Length"] == str(len(response.body))
    assert ("WWW-Authenticate" in fields) == refusal.challenge
    assert (fields.get("Cache-Control") == "no-store") == (refusal.status == 401)
    assert ("Retry-After" in fields) == (refusal.status == 503)
    assert ("Allow" in fields) == (refusal.status == 405)
    assert b"secret" not in response.body + b"".join(name + value for name, value in response.headers)


def test_retry_after_is_whole_seconds_or_absent() -> None:
    assert headers(IssuerUnavailable("x"))["Retry-After"] == "5"
    assert headers(IssuerUnavailable("x", retry_after=17))["Retry-After"] == "17"
    assert headers(IssuerUnavailable("x", retry_after=0))["Retry-After"] == "0"
    assert "Retry-After" not in headers(Overloaded("x", retry_after=None))
    assert headers(BadRequest("x", retry_after=1))["Retry-After"] == "1"


def test_a_method_that_is_not_allowed_says_which_are() -> None:
    assert headers(MethodNotAllowed())["Allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert headers(MethodNotAllowed("evidence", allow=("GET", "HEAD")))["Allow"] == "GET, HEAD"


def test_a_claim_that_does_not_fit_is_no_matter_of_another_credential() -> None:
    assert "WWW-Authenticate" not in headers(ClaimMismatch("evidence"))


def test_who_knows_oauth_alone_is_told_as_it_does() -> None:
    response = compose_refusal(InvalidLogout("evidence"), challenges=Challenges("api"))
    told = {"error": "invalid_request", "error_description": InvalidLogout.public}
    assert json.loads(response.body) == told
    assert dict(response.headers) == {
        b"Content-Type": b"application/json",
        b"Content-Length": str(len(response.body)).encode(),
        b"Cache-Control": b"no-store",
    }


@pytest.mark.parametrize(
    ("refusal", "asked", "expected"),
    [
        (MissingCredential(), Asked(scope=("read", "write")), 'scope="read write"'),
        # All that the route needs, where that is known: a token with nothing but what is missing would not do.
        (InsufficientScope(scope=("write",)), Asked(scope=("read", "write")), 'scope="read write"'),
        (InsufficientScope(scope=("write",)), Asked(), 'scope="write"'),
        (
            MissingCredential(),
            Asked(resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"),
            'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"',
        ),
        (InsufficientAuthentication(acr_values=("gold", "silver")), None, 'acr_values="gold silver"'),
        (InsufficientAuthentication(max_age=600), None, 'max_age="600"'),
        (InsufficientAuthentication(max_age=0), Asked(), 'max_age="0"'),
    ],
)
def test_a_challenge_tells_what_to_ask_for_and_where(refusal: Refusal, asked: Asked | None, expected: str) -> None:
    refusal.asked = asked
    (value,) = Challenges("api").values(refusal)
    assert value.endswith(f", {expected}")


PROOFS = Challenges("api", ("ES256", "EdDSA"))
DESCRIBED = 'error_description="The access token has expired."'


def under(refusal: Refusal, scheme: str, asked: Asked | None = None) -> Refusal:
    refusal.scheme, refusal.asked = scheme, asked
    return refusal


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (MissingCredential(), ('Bearer realm="api"', 'DPoP algs="ES256 EdDSA"')),
        (
            TokenExpired(),
            (f'Bearer realm="api", error="invalid_token", {DESCRIBED}', 'DPoP algs="ES256 EdDSA"'),
        ),
        (under(TokenExpired(), "DPoP"), (f'DPoP error="invalid_token", {DESCRIBED}, algs="ES256 EdDSA"',)),
        (
            under(DPoPProofElsewhere(), "DPoP"),
            (f'DPoP error="invalid_dpop_proof", error_description="{DPoPProofElsewhere.public}", algs="ES256 EdDSA"',),
        ),
        (
            under(NonceRequired(), "DPoP"),
            (f'DPoP error="use_dpop_nonce", error_description="{NonceRequired.public}", algs="ES256 EdDSA"',),
        ),
        (
            under(ProofReplayed(), "DPoP", Asked(("a", "b"), "https://api.example.com/.well-known/x")),
            (
                (
                    f'DPoP error="invalid_dpop_proof", error_description="{ProofReplayed.public}", scope="a b", '
                    'resource_metadata="https://api.example.com/.well-known/x", algs="ES256 EdDSA"'
                ),
            ),
        ),
        (
            under(InsufficientScope(scope=("admin",)), "DPoP"),
            (
                (
                    f'DPoP error="insufficient_scope", error_description="{InsufficientScope.public}", scope="admin", '
                    'algs="ES256 EdDSA"'
                ),
            ),
        ),
        (
            under(InsufficientAuthentication(acr_values=("high",), max_age=60), "Bearer"),
            (
                (
                    'Bearer realm="api", error="insufficient_user_authentication", '
                    f'error_description="{InsufficientAuthentication.public}", acr_values="high", max_age="60"'
                ),
                'DPoP algs="ES256 EdDSA"',
            ),
        ),
    ],
)
def test_challenges_are_as_rfc_9449_writes_them_and_the_scheme_of_the_credential_has_the_error(
    refusal: Refusal, expected: tuple[str, ...]
) -> None:
    assert PROOFS.values(refusal) == expected
    lines = [
        value.decode()
        for name, value in compose_refusal(refusal, challenges=PROOFS).headers
        if name == b"WWW-Authenticate"
    ]
    assert tuple(lines) == expected


def test_where_no_proofs_are_accepted_nobody_is_asked_for_one() -> None:
    assert Challenges.of(Config(upstream="http://127.0.0.1:1", issuers=())).proof_algorithms is None
    config = Config(upstream="http://127.0.0.1:1", issuers=(), dpop=DPoPSection(algorithms=("ES256",)))
    assert Challenges.of(config).proof_algorithms == ("ES256",)
