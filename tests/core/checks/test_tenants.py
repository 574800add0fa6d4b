"""Issuers that stand for many: every mistake has its sentence, with what is right."""

from typing import Any

import pytest

from gateway.core.checks.issuers import issuer_problems, issuer_warnings
from gateway.core.checks.tenants import MAX_APART
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.userinfo import UserInfoSection

URL = "https://login.example/{tid}/v2.0"
KEYS = "https://login.example/keys"
ENTRA = "https://login.microsoftonline.com/{tid}/v2.0"
A = "72f988bf-86f1-41af-91ab-2d7cd011db47"


def a_config(*issuers: dict[str, Any], **settings: Any) -> Config:
    made = (Issuer(**{"audience": "api", "name": f"n{index}", **one}) for index, one in enumerate(issuers))
    return Config(upstream="http://h", issuers=tuple(made), **settings)


def told(*issuers: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in issuer_problems(a_config(*issuers))]


def warned(*issuers: dict[str, Any], **settings: Any) -> list[str]:
    return [str(problem) for problem in issuer_warnings(a_config(*issuers, **settings))]


@pytest.mark.parametrize(
    "issuer",
    [
        {"issuer": URL, "tenants": ("a", "b")},
        {"issuer": URL, "tenants": ("a", "b"), "jwks_url": KEYS},
        {"issuer": URL, "tenants": ("a",), "jwks_file": "keys.json"},
        {"issuer": URL, "tenants": "any", "jwks_url": KEYS},
        {"issuer": URL, "tenants": "any", "jwks_file": "keys.json"},
        {"issuer": URL, "tenants": tuple(f"t{number}" for number in range(MAX_APART))},
        {"issuer": URL, "tenants": tuple(f"t{number}" for number in range(5_000)), "jwks_url": KEYS},
        {"issuer": URL, "tenants": ("a",), "userinfo": UserInfoSection(claims=("email",), endpoint=KEYS)},
        {"issuer": "http://localhost:1/{tid}", "tenants": ("a",)},
    ],
)
def test_a_sound_one_has_no_problem(issuer: dict[str, Any]) -> None:
    assert told(issuer) == []


ANY = {"issuer": URL, "tenants": "any"}
LISTED = {"issuer": URL, "tenants": ("a",)}


@pytest.mark.parametrize(
    ("issuer", "key", "says"),
    [
        ({"issuer": "https://{tid}.example/", "tenants": ("a",)}, "issuer", "must have {tid} as a whole segment"),
        ({"issuer": "https://a.example/x{tid}", "tenants": ("a",)}, "issuer", "must have {tid} as a whole segment"),
        ({"issuer": "https://a.example/{tid}/{x}", "tenants": ("a",)}, "issuer", "must have braces once"),
        ({"issuer": "https://a.example/{}", "tenants": ("a",)}, "issuer", "such as {tid}"),
        ({"issuer": "http://a.example/{tid}", "tenants": ("a",)}, "issuer", "must be https"),
        ({"issuer": "https://a.example/", "tenants": ("a",)}, "tenants", "needs the claim with the tenant in issuer"),
        ({"issuer": "https://a.example/", "tenants": "any"}, "tenants", "needs the claim with the tenant in issuer"),
        ({"issuer": URL}, "tenants", "must say which tenants count"),
        ({"issuer": URL, "tenants": ()}, "tenants", "must name at least one tenant"),
        ({"issuer": URL, "tenants": ("a", "b.c")}, "tenants[1]", "1 to 64 letters, digits and hyphens"),
        ({"issuer": URL, "tenants": ("",)}, "tenants[0]", "1 to 64 letters, digits and hyphens"),
        ({"issuer": URL, "tenants": ("a" * 65,)}, "tenants[0]", "1 to 64 letters, digits and hyphens"),
        ({"issuer": ENTRA, "tenants": ("contoso.com",)}, "tenants[0]", "the id of the directory there, and no domain"),
        ({"issuer": URL, "tenants": ("a", "a")}, "tenants[1]", "is tenants[0] again"),
        ({"issuer": URL, "tenants": tuple(map(str, range(101)))}, "tenants", "at most 100 without jwks_url"),
        (ANY, "jwks_url", "is needed beside tenants: any"),
        ({**ANY, "discovery_url": KEYS}, "discovery_url", "cannot stand beside a claim in issuer"),
        ({**LISTED, "discovery_url": KEYS}, "discovery_url", "give jwks_url"),
        ({**LISTED, "jwks_url": "https://a.example/{tid}/keys"}, "jwks_url", "must be one address for all tenants"),
        ({**LISTED, "introspection": Introspection(endpoint=KEYS)}, "introspection", "issuers of their own"),
        ({**LISTED, "userinfo": UserInfoSection(claims=("email",))}, "userinfo.endpoint", "is needed beside a claim"),
    ],
)
def test_each_mistake_has_one_sentence(issuer: dict[str, Any], key: str, says: str) -> None:
    (sentence,) = told(issuer)
    assert sentence.startswith(f"issuers[0].{key}: ")
    assert says in sentence


@pytest.mark.parametrize(
    ("issuers", "sentences"),
    [
        (
            [LISTED, {"issuer": "https://login.example/a/v2.0"}],
            ["issuers[0].tenants[0]: is issuers[1] as well; one of them must go"],
        ),
        ([{**ANY, "jwks_url": KEYS}, {"issuer": "https://login.example/a/v2.0"}], []),
        (
            [LISTED, {"issuer": "https://login.example/{org}/v2.0", "tenants": ("b", "a")}],
            ["issuers[1].tenants[1]: is issuers[0].tenants[0] as well; one of them must go"],
        ),
        ([LISTED, {"issuer": "https://login.example/{org}/v2.0", "tenants": ("b",)}], []),
        (
            [LISTED, {"issuer": "https://login.example/{org}/v2.0", "tenants": "any", "jwks_url": KEYS}],
            ["issuers[1].issuer: may be issuers[0].issuer for some tenant: nobody could tell whose token it is"],
        ),
        (
            [{**ANY, "jwks_url": KEYS}, {"issuer": "https://login.example/x/{org}", "tenants": ("v2",)}],
            [],
        ),
        (
            [
                {"issuer": "https://login.example/{tid}/v2", "tenants": "any", "jwks_url": KEYS},
                {"issuer": "https://login.example/x/{org}", "tenants": "any", "jwks_url": KEYS},
            ],
            ["issuers[1].issuer: may be issuers[0].issuer for some tenant: nobody could tell whose token it is"],
        ),
        ([{**ANY, "jwks_url": KEYS}, {**ANY, "issuer": "https://login.example/{tid}", "jwks_url": KEYS}], []),
        ([{**LISTED, "jwks_url": KEYS}, {**LISTED, "jwks_url": f"{KEYS}/more"}], []),
    ],
)
def test_no_token_may_be_of_two_issuers(issuers: list[dict[str, Any]], sentences: list[str]) -> None:
    assert told(*issuers) == sentences


OPEN = {**ANY, "jwks_url": KEYS}
CLOSED = RouteSection(path="/*", claims={"tid": "a"})


@pytest.mark.parametrize(
    ("issuer", "settings", "open_to"),
    [
        (OPEN, {}, "every path"),
        ({**OPEN, "clients": ("c",)}, {}, None),
        (OPEN, {"routes": (CLOSED,), "unmatched": "refuse"}, None),
        (OPEN, {"routes": (CLOSED,)}, "every path that no route names"),
        (OPEN, {"routes": (RouteSection(path="/o", scopes=("s",)),), "unmatched": "refuse"}, "/o"),
        (OPEN, {"routes": (RouteSection(path="/o", clients=("c",)),), "unmatched": "refuse"}, None),
        (OPEN, {"routes": (RouteSection(path="/o", condition="token.tid == 'a'"),), "unmatched": "refuse"}, None),
        (OPEN, {"routes": (RouteSection(path="/o", access="optional"),), "unmatched": "refuse"}, "/o"),
        (OPEN, {"routes": (RouteSection(path="/o", access="public"),), "unmatched": "refuse"}, None),
        (OPEN, {"routes": (RouteSection(path="/o", issuers=("n1",)),), "unmatched": "refuse"}, None),
        (OPEN, {"routes": (RouteSection(path="/o", issuers=("n0",)), CLOSED), "unmatched": "refuse"}, "/o"),
        (LISTED, {}, None),
    ],
)
def test_tenants_any_is_unsafe_where_nothing_else_is_asked_for(
    issuer: dict[str, Any], settings: dict[str, Any], open_to: str | None
) -> None:
    sentences = warned(issuer, **settings)
    assert len(sentences) == (open_to is not None)
    if open_to is not None:
        assert sentences[0].startswith("issuers[0].tenants: is unsafe: whoever can have a tenant there may call")
        assert sentences[0].endswith(f"no clients, and no claims such as tid, are asked for by: {open_to}")


@pytest.mark.parametrize(
    ("issuer", "key", "says"),
    [
        ({"issuer": URL, "tenants": ("any",)}, "tenants[0]", "for all tenants write tenants: any"),
        ({"issuer": ENTRA, "preset": "entra", "tenants": (A.upper(),)}, "tenants[0]", "in lower case"),
        ({"issuer": ENTRA, "preset": "entra", "tenants": ("contoso",)}, "tenants[0]", "fits no token"),
        (
            {"issuer": ENTRA.replace("tid", "tenantid"), "preset": "entra", "tenants": (A,)},
            "issuer",
            "names the claim tenantid, and Entra's tokens have the tenant in {tid}",
        ),
        (
            {"issuer": "https://login.microsoftonline.com/common/v2.0", "preset": "entra"},
            "issuer",
            "for several tenants write {tid} there, and name them in tenants",
        ),
    ],
)
def test_what_fits_no_token_is_named(issuer: dict[str, Any], key: str, says: str) -> None:
    (sentence,) = warned(issuer)
    assert sentence.startswith(f"issuers[0].{key}: ")
    assert says in sentence


def test_what_is_sound_is_not_warned_of() -> None:
    assert warned({"issuer": ENTRA, "preset": "entra", "tenants": (A,)}) == []
    assert warned({"issuer": URL, "tenants": ("a b",)}) == []
    # It has a problem, and needs no warning beside.
    assert warned({"issuer": "https://{tid}/", "tenants": ("a",)}) == []
    assert warned({"issuer": URL}) == []
