from typing import Any

import msgspec
import pytest

from gateway.core.checks.assertion import assertion_problems, assertion_warnings
from gateway.core.checks.problems import problems, warnings
from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.core.upstream.assertion import RESERVED_CLAIMS

KEY = KeyFile(file="/etc/key.pem")


def a_config(*, identity_headers: dict[str, Any] | None = None, **settings: Any) -> Config:
    return Config(
        upstream="http://127.0.0.1:3000",
        issuers=(Issuer(issuer="https://i.example", audience="a"),),
        assertion=AssertionSection(**{"issuer": "https://gateway.example", "key": KEY, **settings}),
        identity_headers=identity_headers,
    )


def told(**settings: Any) -> list[str]:
    return [str(problem) for problem in assertion_problems(a_config(**settings))]


def test_without_an_assertion_there_is_nothing_to_say() -> None:
    config = Config(upstream="http://127.0.0.1:3000", issuers=(Issuer(issuer="https://i.example", audience="a"),))
    assert [*assertion_problems(config), *assertion_warnings(config)] == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"audience": "https://api.example"},
        {"lifetime": Seconds(10)},
        {"lifetime": Seconds(3600)},
        {"claims": ("email", "/realm_access/roles", "https://example.com/~x", "/a~0b")},
        {"header": "X-Gateway-Proof"},
        {"header": "X-Origin-Proof"},
    ],
)
def test_a_sound_assertion_has_neither_problems_nor_warnings(settings: dict[str, Any]) -> None:
    assert problems(a_config(**settings)) == []
    assert warnings(a_config(**settings)) == []


def test_without_a_key_file_it_says_that_one_replica_is_served() -> None:
    assert problems(a_config(key=None)) == []
    assert [str(warning) for warning in warnings(a_config(key=None))] == [
        "assertion.key: is not given: a key is made at every start, which serves one replica only"
    ]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"issuer": ""}, "assertion.issuer: must not be empty"),
        (
            {"issuer": "https://i.example"},
            "assertion.issuer: must be the gateway's own name, not that of an issuer of access tokens",
        ),
        ({"audience": ""}, "assertion.audience: must not be empty; left out, it is the name of the upstream"),
        ({"key": KeyFile(file="")}, "assertion.key.file: must not be empty"),
        ({"lifetime": Seconds(9.9)}, "assertion.lifetime: must be from 10s to 1h"),
        ({"lifetime": Seconds(3601)}, "assertion.lifetime: must be from 10s to 1h"),
        ({"claims": ("email", "")}, "assertion.claims[1]: must name a claim; no name may be empty"),
        ({"claims": ("email", "email")}, "assertion.claims[1]: is claims[0] again"),
        ({"claims": ("/a~b",)}, "assertion.claims[0]: is not a valid JSON Pointer: ~ is written ~0"),
        ({"header": ""}, "assertion.header: is not a valid header name: letters, digits and hyphens are"),
        ({"header": "X Proof"}, "assertion.header: is not a valid header name: letters, digits and hyphens are"),
        ({"header": "X-Prööf"}, "assertion.header: is not a valid header name: letters, digits and hyphens are"),
        (
            {"header": "Authorization"},
            "assertion.header: cannot carry the assertion: Authorization carries the client's own credentials",
        ),
        (
            {"header": "x_forwarded_proof"},
            "assertion.header: cannot carry the assertion: x_forwarded_proof is a forwarding header",
        ),
        (
            {"header": "X-Gateway-Reason"},
            "assertion.header: cannot carry the assertion: X-Gateway-Reason is reserved for the gateway",
        ),
        (
            {"header": "x.user.id"},
            "assertion.header: is the same header as X-User-Id of identity_headers to an upstream that folds names",
        ),
        (
            {"header": "X-Proof", "identity_headers": {"Ünspeakable": "sub", "X_PROOF": "sub"}},
            "assertion.header: is the same header as X_PROOF of identity_headers to an upstream that folds names",
        ),
    ],
)
def test_what_must_be_corrected_is_told_at_its_key(settings: dict[str, Any], problem: str) -> None:
    assert told(**settings) == [problem]


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_claims_that_the_gateway_writes_cannot_be_chosen(name: str) -> None:
    assert told(claims=(name,)) == [f"assertion.claims[0]: must not be {name}, which the gateway writes itself"]


def test_all_problems_are_told_at_once() -> None:
    assert len(told(issuer="", audience="", lifetime=Seconds(0), claims=("",), header="")) == 5


@pytest.mark.parametrize(("workers", "key", "count"), [(1, None, 0), (2, None, 1), (2, KEY, 0)])
def test_several_workers_need_one_key(workers: int, key: KeyFile | None, count: int) -> None:
    config = msgspec.structs.replace(a_config(key=key), workers=workers)
    sentence = "assertion.key: is needed with several workers: each would sign with a key of its own"
    assert [str(problem) for problem in assertion_problems(config)] == [sentence] * count
