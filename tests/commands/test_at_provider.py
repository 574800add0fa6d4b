"""What `init` says of a provider is what docs/providers.md says."""

import re
from pathlib import Path

import pytest

from gateway.commands.at_provider import PROVIDERS, Provider, doubt_of
from gateway.core.config.conversion import convert
from gateway.core.token.presets import PRESETS
from gateway.settings.document import parse_document

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def test_every_section_of_the_page_is_known_here() -> None:
    assert {provider.name for provider in PROVIDERS.values()} == SECTIONS.keys()
    assert PRESETS.keys() >= PROVIDERS.keys()


@pytest.mark.parametrize(("preset", "provider"), PROVIDERS.items(), ids=PROVIDERS.keys())
def test_a_provider_is_told_as_its_section_has_it(preset: str, provider: Provider) -> None:
    assert provider.anchor == provider.name.lower().replace(" ", "-")
    section = SECTIONS[provider.name]
    (block,) = re.findall(r"```yaml\n(issuers:.*?)```", section, re.DOTALL)
    issuer = parse_document(block).values["issuers"][0]
    assert issuer["preset"] == preset
    assert tuple(issuer.get("audience_claims", ())) == provider.audience_claims
    for line in provider.headers:
        values = parse_document(
            f"issuers: [{{issuer: 'https://i.example', audience: a}}]\nidentity_headers: {{{line.partition('  #')[0]}}}"
        )
        assert not convert(values.values).problems
    # Words in which somebody finds the same place there.
    words = {word for step in provider.steps for word in re.findall(r"[A-Z][a-zA-Z]{4,}|[a-z]+_[a-z_]+", step)}
    assert len([word for word in words if word in section]) >= len(words) / 2


@pytest.mark.parametrize(
    ("issuer", "preset", "is_doubted"),
    [
        ("https://x.okta.com", "okta", True),
        ("https://x.okta.com/oauth2/default", "okta", False),
        ("https://x.example.com", None, False),
        ("https://x.example.com", "keycloak", False),
    ],
)
def test_an_org_of_okta_is_no_server_for_apis(issuer: str, preset: str | None, *, is_doubted: bool) -> None:
    doubt = doubt_of(issuer, preset)
    assert (doubt is not None) is is_doubted
    assert doubt is None or doubt.endswith("https://x.okta.com/oauth2/default")
