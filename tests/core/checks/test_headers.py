from typing import Any

import pytest

from gateway.core.checks.headers import header_problems, header_warnings
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer

ALL = IdentityHeader(claims="all", format="json", encoding="base64url")


def told(headers: dict[str, Any] | None) -> list[str]:
    config = Config(upstream="http://h", issuers=(Issuer(issuer="https://i", audience="a"),), identity_headers=headers)
    return [str(problem) for problem in header_problems(config)]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"X-User": "sub", "Remote-User": ("a", "b"), "X-All": ALL, "X-Scopes": IdentityHeader(source="scopes")},
        {
            "X-Roles": "/realm_access/roles",
            "X-Odd": "https://example.com/~roles",
            "X-Escaped": "/a~0b~1c",
            "X-Root": "/",
        },
        {"X-Odd": ("/a~b",)},
    ],
)
def test_sound_identity_headers_have_no_problem(headers: dict[str, Any] | None) -> None:
    assert told(headers) == []


@pytest.mark.parametrize("name", ["", "X User", "X-User:", "X-Ümlaut", "X-User\n", "\ud800", '"X"'])
def test_a_header_name_is_a_token(name: str) -> None:
    (sentence,) = told({name: "sub"})
    assert sentence.endswith("is not a valid header name: letters, digits and hyphens are")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "hop-by-hop") for name in ("Connection", "Keep-Alive", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "transfer_encoding")),
        *((name, "framing") for name in ("Host", "Expect", "HOST")),
        *((name, "credentials") for name in ("Authorization", "Cookie")),
        *((name, "forwarding") for name in ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X_Forwarded_For", "x.forwarded.user")),
        *((name, "body") for name in ("Content-Length", "Content-Type", "Content_Length")),
        *((name, "reserved") for name in ("X-Gateway-Assertion", "X-Gateway-Anything")),
        *((name, "method or the path") for name in ("X-HTTP-Method-Override", "X-Original-URL")),
        ("X-Request-Id", "identifier"),
        ("Proxy", "HTTP_PROXY"),
        ("Sec-WebSocket-Key", "WebSocket"),
    ],
)  # fmt: skip
def test_names_with_a_meaning_of_their_own_cannot_carry_identity(name: str, why: str) -> None:
    (sentence,) = told({name: "sub"})
    assert "cannot be an identity header" in sentence
    assert why in sentence


@pytest.mark.parametrize("name", ["x-user-id", "X_User_Id", "X.User.Id", "X-User_Id"])
def test_names_that_fold_to_one_another_are_a_problem(name: str) -> None:
    (sentence,) = told({"X-User-Id": "sub", name: "email"})
    assert sentence.endswith("is the same header as X-User-Id to an upstream that folds names")


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (IdentityHeader(), "identity_headers.X-A: must have exactly one of claim, from and claims"),
        (IdentityHeader(claim="sub", source="client"), "identity_headers.X-A: must have exactly one of claim, from and claims"),
        (IdentityHeader(claims="all"), "identity_headers.X-A.claims: needs format: json and encoding: base64url beside it"),
        (IdentityHeader(claims="all", format="json"), "identity_headers.X-A.claims: needs format: json and encoding: base64url beside it"),
        (IdentityHeader(claim="sub", max_bytes=0), "identity_headers.X-A.max_bytes: must be at least 1"),  # type: ignore[arg-type]
        (IdentityHeader(claim=""), "identity_headers.X-A.claim: must name a claim; no name may be empty"),
        ("", "identity_headers.X-A: must name a claim; no name may be empty"),
        ((), "identity_headers.X-A: must name a claim; no name may be empty"),
        (("a", ""), "identity_headers.X-A: must name a claim; no name may be empty"),
        ("/a~2b", "identity_headers.X-A: is not a valid JSON Pointer: ~ is written ~0 (to name a claim as it is, put it in a list)"),
        (IdentityHeader(claim="/a~"), "identity_headers.X-A.claim: is not a valid JSON Pointer: ~ is written ~0 (to name a claim as it is, put it in a list)"),
    ],
)  # fmt: skip
def test_each_content_that_makes_no_sense_has_its_sentence(header: Any, sentence: str) -> None:
    assert told({"X-A": header}) == [sentence]


SEVERAL = (Issuer(issuer="https://a", audience="a"), Issuer(issuer="https://b", audience="a"))


@pytest.mark.parametrize(
    ("issuers", "headers", "warned"),
    [
        (SEVERAL, None, True),
        (SEVERAL, {"X-User": "sub"}, True),
        (SEVERAL, {"X-Client": IdentityHeader(source="client"), "X-Iss": "issuer"}, True),
        (SEVERAL, {}, False),
        (SEVERAL, {"X-User": "sub", "X-Iss": IdentityHeader(source="issuer")}, False),
        (SEVERAL, {"X-User": "sub", "X-Iss": "iss"}, False),
        (SEVERAL, {"X-User": "sub", "X-Iss": ("iss",)}, False),
        (SEVERAL, {"X-All": ALL}, False),
        (SEVERAL[:1], None, False),
    ],
)
def test_with_several_issuers_a_header_ought_to_say_which(
    issuers: tuple[Issuer, ...], headers: dict[str, Any] | None, *, warned: bool
) -> None:
    config = Config(upstream="http://h", issuers=issuers, identity_headers=headers)
    assert [problem.path for problem in header_warnings(config)] == ["identity_headers"] * warned


TEMPLATE = "https://login.example/{tid}/v2.0"
TENANT = {"X-User": "sub", "X-Tenant": IdentityHeader(source="tenant")}
UNTOLD = "identity_headers: do not say which tenant it was, and the alice of one is not the alice of another"


@pytest.mark.parametrize(
    ("issuer", "headers", "told"),
    [
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, None, UNTOLD),
        ({"issuer": TEMPLATE, "tenants": "any", "jwks_url": "https://a"}, {"X-User": "sub"}, UNTOLD),
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, {"X-From": IdentityHeader(source="issuer")}, UNTOLD),
        ({"issuer": TEMPLATE, "tenants": ("a",)}, None, None),
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, {}, None),
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, TENANT, None),
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, {"X-Tenant": "tid"}, None),
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, {"X-Tenant": ("iss",)}, None),
        ({"issuer": TEMPLATE, "tenants": ("a", "b")}, {"X-All": ALL}, None),
        # It has a problem of its own.
        ({"issuer": "https://{tid}", "tenants": ("a", "b")}, None, None),
        ({"issuer": "https://a.example"}, TENANT, "identity_headers.X-Tenant: says nothing: no issuer has tenants"),
    ],
)
def test_with_several_tenants_a_header_ought_to_say_which(
    issuer: dict[str, Any], headers: dict[str, Any] | None, told: str | None
) -> None:
    config = Config(upstream="http://h", issuers=(Issuer(audience="a", **issuer),), identity_headers=headers)
    warned = [str(problem) for problem in header_warnings(config)]
    assert len(warned) == (told is not None)
    assert told is None or warned[0].startswith(told)
