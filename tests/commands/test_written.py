"""A configuration that `init` writes is sound for every preset, and says nothing but what was meant."""

from typing import Any

import pytest

from gateway.commands.written import Plan, provider_name, scalar, text_of
from gateway.core.token.presets import PRESETS
from gateway.settings.document import parse_document
from gateway.settings.settings import judge

ODD = [
    "a",
    "null",
    "1",
    "true",
    "a: b",
    "# x",
    "urn:a:b",
    "https://api.example.com",
    "a\nb: c",
    "\u2028",
    "{x}",
    "é",
    "https://x/ # y",
    "- a",
    "https://a:",
]


def a_plan(**settings: Any) -> Plan:
    settings = {
        "audiences": ("https://api.example.com",),
        "upstream": "http://127.0.0.1:3000",
        "preset": None,
        **settings,
    }
    return Plan(**{"issuer": "https://login.example.com/a", "recognised_by": "its URL", **settings})


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_every_preset_gives_a_sound_file(preset: str | None) -> None:
    text = text_of(a_plan(preset=preset))
    loaded = judge(text, {}, source="gateway.yaml", missing=lambda _: None)
    assert loaded.problems == []
    assert loaded.config is not None
    assert loaded.config.issuers[0].preset == preset
    assert all(len(line) <= 120 for line in text.splitlines())
    assert not text.startswith("\n")
    assert text.endswith("\n")


@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_given_stays_one_value(odd: str) -> None:
    assert parse_document(f"x: {scalar(odd)}\n").values == {"x": odd}
    for audiences in ((odd,), (odd, "b")):
        text = text_of(a_plan(audiences=audiences, upstream=odd, ca_file=odd, discovery_url=odd, preset="auth0"))
        values = parse_document(text).values
        assert values.keys() == {"upstream", "issuers"}
        assert values["upstream"] == odd
        (issuer,) = values["issuers"]
        assert issuer["audience"] == (odd if len(audiences) == 1 else [odd, "b"])
        assert issuer["ca_file"] == issuer["discovery_url"] == odd


def test_what_is_unsafe_is_called_so() -> None:
    text = text_of(a_plan(allow_http=True, jwks_url="https://x/keys", preset="kubernetes"))
    before = text.partition("allow_http: true")[0]
    assert before.splitlines()[-2].strip().startswith("# UNSAFE")
    assert "jwks_url: https://x/keys" in text
    assert "UNSAFE" not in text_of(a_plan())


def test_a_sidecar_says_who_writes_what_is_missing() -> None:
    text = text_of(a_plan(upstream=None))
    assert "upstream" not in parse_document(text).values
    assert "inject writes" in text


def test_what_there_is_of_a_provider_is_said() -> None:
    assert "# At Keycloak (docs/providers.md#keycloak):" in text_of(a_plan(preset="keycloak"))
    assert "for Keycloak, recognised by its URL." in text_of(a_plan(preset="keycloak"))
    assert "# At pingone: the client asks for a scope" in text_of(a_plan(preset="pingone"))
    assert "# At wso2" not in text_of(a_plan(preset="wso2"))
    assert [provider_name(name) for name in ("auth0", "logto", None)] == ["Auth0", "logto", "this provider"]
