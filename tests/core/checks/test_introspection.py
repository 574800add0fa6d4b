"""What the section may not say, and what ought to be known of it."""

from typing import Any

import pytest

from gateway.core.checks.introspection import introspection_problems, introspection_warnings
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds

SECRET = Secret(file="s")


def issuer(number: int = 0, settings: dict[str, Any] | None = None, **section: Any) -> Issuer:
    section = {"client_id": "gateway", "client_secret": SECRET, **section}
    return Issuer(
        issuer=f"https://{number}.example", audience="a", introspection=Introspection(**section), **(settings or {})
    )


def config(*issuers: Issuer) -> Config:
    return Config(upstream="http://a", issuers=issuers)


def problems(*issuers: Issuer) -> list[str]:
    return [
        str(problem).removeprefix("issuers[0].introspection.") for problem in introspection_problems(config(*issuers))
    ]


def warnings(*issuers: Issuer) -> list[str]:
    return [str(warning) for warning in introspection_warnings(config(*issuers))]


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"tokens": "all", "cache": Seconds(0), "endpoint": "https://elsewhere.example/introspect"},
        {"prefix": ("ory_at_", "a."), "pattern": "ory_at_[A-Za-z0-9._-]{40,}"},
        {"tokens": ("opaque", "encrypted"), "response": "jwt"},
    ],
)
def test_what_fits_together_is_sound(section: dict[str, Any]) -> None:
    assert problems(issuer(**section)) == []
    assert warnings(issuer(**section)) == []


def test_without_it_there_is_nothing_to_say() -> None:
    plain = Issuer(issuer="https://plain.example", audience="a")
    assert problems(plain) == warnings(plain) == []


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"client_secret": None}, "client_secret: is required for client_secret_basic; or auth names another way"),
        ({"tokens": ()}, "tokens: must name at least one kind of token; leave it out for opaque ones"),
        ({"endpoint": "i.example"}, "endpoint: must be a URL that begins with https:// or http://"),
        ({"endpoint": "http://0.example/"}, "endpoint: must be https, unless it is on loopback, as is the issuer"),
        ({"tokens": ("jwt",), "prefix": ("a",)}, "prefix: has no effect: tokens names no opaque ones"),
        ({"tokens": ("jwt",), "pattern": "a"}, "pattern: has no effect: tokens names no opaque ones"),
        ({"prefix": ("",)}, "prefix[0]: must be the beginning of a token"),
        ({"prefix": ("a b",)}, "prefix[0]: must be the beginning of a token"),
        ({"prefix": ("eyJ",)}, "prefix[0]: must not be how JWTs begin"),
        ({"prefix": ("e",)}, "prefix[0]: must not be how JWTs begin"),
        ({"prefix": ("a", "a")}, "prefix[1]: is the same as issuers[0].introspection.prefix[0]"),
        ({"pattern": "("}, "pattern: is not a regular expression"),
        ({"cache": Seconds(3601)}, "cache: must be at most 1h"),
        ({"timeout": Seconds(0)}, "timeout: must be more than 0"),
        ({"timeout": Seconds(61)}, "timeout: must be more than 0, and at most 60s"),
    ],
)
def test_what_does_not_is_told(section: dict[str, Any], sentence: str) -> None:
    (problem,) = problems(issuer(**section))
    assert problem.startswith(sentence)


def test_signed_responses_need_a_name_and_a_place_without_discovery_an_address() -> None:
    section: dict[str, Any] = {"client_id": None, "client_secret": None, "bearer": SECRET, "response": "jwt"}
    assert problems(issuer(**section)) == [
        "client_id: is required for answer: jwt: signed responses name whom they are for"
    ]
    for key in ("jwks_url", "jwks_file"):
        found = problems(issuer(settings={key: "https://0.example/keys"}))
        assert found == [f"endpoint: is required beside {key}: there is no discovery that could name it"]
    assert problems(issuer(settings={"jwks_file": "keys"}, endpoint="https://0.example/introspect")) == []


def test_two_issuers_cannot_have_one_prefix() -> None:
    (problem,) = problems(issuer(prefix=("a",)), issuer(1, prefix=("a",)))
    assert problem == (
        "issuers[1].introspection.prefix[0]: is the same as issuers[0].introspection.prefix[0]: "
        "a token can be of one issuer only"
    )


def test_what_is_unsafe_or_shows_tokens_to_others_is_told() -> None:
    (warning,) = warnings(issuer(require_audience=False))
    assert warning == (
        "issuers[0].introspection.require_audience: is unsafe: where the issuer names no audience, tokens for every other "
        "API are accepted as well"
    )
    (warning,) = warnings(issuer(client_id=None, client_secret=None, auth="none"))
    assert warning.startswith("issuers[0].introspection.auth: is none: whoever reaches the endpoint")
    (warning,) = warnings(issuer(), issuer(1, tokens=("jwt",)), issuer(2, prefix=("a",)), issuer(3))
    assert warning == (
        "issuers[3].introspection.prefix: is not given, as in issuers[0].introspection: opaque tokens are shown to one "
        "issuer after the other until one knows them"
    )
