"""Reasons: one word each, with a status, and a sentence that fits into a quoted string."""

import re
from http import HTTPStatus
from typing import Any

import pytest

from gateway.core.errors import (
    AmbiguousPath,
    BadRequest,
    ClaimMismatch,
    ClientDisconnected,
    Denied,
    Draining,
    Forbidden,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    IssuerUnavailable,
    MethodNotAllowed,
    MissingCredential,
    NoRoute,
    Overloaded,
    Refusal,
    Suspect,
    TokenExpired,
    TokenTooLarge,
    TooLarge,
    Unavailable,
    UpstreamBusy,
    UpstreamFailed,
    reasons,
)

REASONS = reasons()
#: docs/refusals.md and the table of design/tokens.md: status, code, and the words
TABLE = [
    (401, None, "missing_credential"),
    (400, "invalid_request", "malformed_credential multiple_credentials"),
    (
        401,
        "invalid_token",
        (
            "token_malformed token_encrypted token_inactive algorithm_not_allowed critical_header unknown_issuer unknown_key "
            "bad_signature token_expired token_not_yet_valid token_from_the_future token_lifetime_too_long "
            "wrong_audience client_not_allowed missing_claim id_token refresh_token logout_token other_token "
            "unclassified_token token_revoked proof_required proof_invalid proof_mismatch token_not_bound "
            "binding_unsupported"
        ),
    ),
    (401, "invalid_dpop_proof", "proof_replayed"),
    (401, "use_dpop_nonce", "use_dpop_nonce"),
    (401, "insufficient_user_authentication", "insufficient_user_authentication"),
    (429, None, "rate_limited"),
    (403, "insufficient_scope", "insufficient_scope"),
    (
        403,
        None,
        "no_longer_admitted path_mismatch condition_false cross_site_request claim_mismatch identity_claim_missing identity_header_invalid identity_header_too_large exchange_refused",
    ),
    (421, None, "unknown_host"),
    (400, None, "undecidable_credential bad_request ambiguous_path invalid_logout logout_failed"),
    (404, None, "no_route"),
    (405, None, "method_not_allowed"),
    (408, None, "request_timeout"),
    (413, None, "body_too_large"),
    (414, None, "uri_too_long"),
    (431, None, "token_too_large headers_too_large"),
    (499, None, "client_disconnected"),
    (500, None, "internal_error"),
    (501, None, "method_not_implemented"),
    (502, None, "upstream_unreachable upstream_protocol_error"),
    (
        503,
        None,
        (
            "issuer_unavailable introspection_unavailable store_unavailable userinfo_unavailable exchange_unavailable "
            "upstream_busy overloaded draining"
        ),
    ),
    (504, None, "upstream_timeout"),
    (505, None, "version_not_supported"),
]


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [(reason, status, code) for status, code, words in TABLE for reason in words.split()],
)
def test_a_reason_has_its_documented_status_and_code(reason: str, status: int, code: str | None) -> None:
    refusal = REASONS[reason]
    assert (refusal.reason, refusal.status, refusal.code) == (reason, status, code)


def test_every_reason_stands_in_the_table() -> None:
    assert set(REASONS) == {reason for _, _, words in TABLE for reason in words.split()}


def every_class(refusal: type[Refusal] = Refusal) -> list[type[Refusal]]:
    return [refusal, *(found for child in refusal.__subclasses__() for found in every_class(child))]


def test_no_two_classes_share_a_reason() -> None:
    spelled = [refusal.reason for refusal in every_class() if "reason" in vars(refusal)]
    assert sorted(spelled) == sorted(REASONS)


@pytest.mark.parametrize("refusal", REASONS.values(), ids=REASONS)
def test_the_public_sentence_fits_into_a_quoted_string_and_tells_nothing_else(refusal: type[Refusal]) -> None:
    assert re.fullmatch(r"[A-Z][ !#-\[\]-~]*\.", refusal.public)
    assert refusal.public == refusal("evidence of a token").public


@pytest.mark.parametrize("refusal", REASONS.values(), ids=REASONS)
def test_a_challenge_stands_where_another_credential_would_help(refusal: type[Refusal]) -> None:
    assert refusal.challenge == (refusal.status == 401 or refusal.code is not None)
    assert refusal.status == ClientDisconnected.status or HTTPStatus(refusal.status)


@pytest.mark.parametrize(
    ("refusal", "parent"),
    [
        (MissingCredential, Denied),
        (BadRequest, Denied),
        (AmbiguousPath, BadRequest),
        (NoRoute, Denied),
        (MethodNotAllowed, Denied),
        (InsufficientScope, Denied),
        (ClaimMismatch, Forbidden),
        (TokenTooLarge, TooLarge),
        (InvalidRequest, Denied),
        (InvalidToken, Denied),
        (Forbidden, Denied),
        (TooLarge, Denied),
        (Unavailable, Refusal),
        (UpstreamFailed, Refusal),
    ],
)
def test_the_tree_is_as_drawn(refusal: type[Refusal], parent: type[Refusal]) -> None:
    assert refusal.__bases__ == (parent,)


@pytest.mark.parametrize("refusal", [IssuerUnavailable, UpstreamBusy, Overloaded, Draining])
@pytest.mark.parametrize(("given", "expected"), [({}, 5), ({"retry_after": 30}, 30), ({"retry_after": None}, None)])
def test_what_is_unavailable_says_when_to_come_back(
    refusal: type[Unavailable], given: dict[str, Any], expected: int | None
) -> None:
    assert refusal("why", **given).retry_after == expected


def test_a_refusal_carries_evidence_and_knows_no_token_until_it_is_told() -> None:
    refusal = TokenExpired("expired 5 s ago")
    assert (refusal.evidence, str(refusal), refusal.retry_after, refusal.suspect) == (
        "expired 5 s ago",
        "expired 5 s ago",
        None,
        None,
    )
    assert TokenExpired().evidence == ""
    assert Suspect("0123456789ab") == Suspect("0123456789ab", None, None)


def test_what_is_missing_and_what_is_allowed_travel_with_their_refusals() -> None:
    assert InsufficientScope("why", scope=["read", "write"]).scope == ("read", "write")
    assert InsufficientScope().scope == ()
    assert MethodNotAllowed("why", allow=["GET"]).allow == ("GET",)
    assert "POST" in MethodNotAllowed().allow
