"""A new section is one place: whoever reads, describes or documents the configuration takes it as it is."""

import json
from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.schema import schema
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc
from gateway.core.upstream.own_lines import secret_uses
from gateway.settings.settings import Loaded, load
from tests import documents

ISSUER = {"issuer": "https://i.example", "audience": "a"}


class Vault(Section, frozen=True, kw_only=True):
    """Made up."""

    unquoted: ClassVar[str | None] = "{url: URL, password: SECRET}"

    url: Annotated[str, _doc("where it is", stand_in="https://unreadable.invalid", variable="GATEWAY_VAULT_URL")]
    password: Annotated[Secret, _doc("what opens it", stand_in=Secret(file="unreadable"), holds="bearer")]
    keys: Annotated[str | None, _doc("what it is locked with", file="key set")] = None
    patience: Annotated[Seconds, _doc("how long it may take")] = default(Seconds(90))


class Wider(Config, frozen=True, kw_only=True):
    """A configuration with one section more."""

    vault: Annotated[Vault | None, _doc("made up")] = None


def loaded(directory: Path, vault: object, environ: dict[str, str] | None = None) -> Loaded:
    path = directory / "gateway.yaml"
    path.write_text(json.dumps({"upstream": "http://a", "issuers": [ISSUER], "vault": vault}))
    return load(str(path), environ or {}, kind=Wider)


def told(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def test_its_values_are_read_with_stand_ins_for_what_cannot_be() -> None:
    values = {"upstream": "http://a", "issuers": [ISSUER], "vault": {"url": 1, "password": "sesame", "patience": "2m"}}
    conversion = convert(values, Wider)
    assert isinstance(conversion.config, Wider)
    assert conversion.config.vault == Vault(
        url="https://unreadable.invalid", password=Secret(file="unreadable"), patience=Seconds(120)
    )
    assert [problem.path for problem in conversion.problems] == ["vault.url", "vault.password"]
    assert "sesame" not in repr(conversion)


def test_what_stands_in_place_of_a_section_with_a_secret_is_never_quoted(tmp_path: Path) -> None:
    assert told(loaded(tmp_path, "sesame")) == [
        "vault: must be {url: URL, password: SECRET}; what stands there is not shown"
    ]


def test_its_secret_is_read_and_must_be_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("sesame\n")
    secret = {"file": str(tmp_path / "s")}
    read = loaded(tmp_path, {"url": "u", "password": secret})
    assert read.secrets == {Secret(file=str(tmp_path / "s")): "sesame"}
    assert read.config is not None
    assert [use.path for use in secret_uses(read.config)] == ["vault.password"]
    (tmp_path / "s").write_text("open sesame")
    (sentence,) = told(loaded(tmp_path, {"url": "u", "password": secret}))
    assert sentence.startswith("vault.password.file: must hold one bearer token")
    assert told(loaded(tmp_path, {"url": "u", "password": {}})) == ["vault.password: must have file or env"]


def test_its_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("sesame")
    vault = {"url": "u", "password": {"file": str(tmp_path / "s")}, "keys": str(tmp_path / "keys")}
    assert told(loaded(tmp_path, vault)) == ["vault.keys: names a file that does not exist"]


def test_its_variable_overrides_it_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("sesame")
    environ = {"GATEWAY_VAULT_URL": "from-outside"}
    read = loaded(tmp_path, {"url": "u", "password": {"file": str(tmp_path / "s")}}, environ)
    assert isinstance(read.config, Wider)
    assert read.config.vault is not None
    assert read.config.vault.url == "from-outside"
    assert read.origins["vault.url"] == "GATEWAY_VAULT_URL"
    (sentence,) = told(loaded(tmp_path, {"password": {"file": str(tmp_path / "s")}}))
    assert sentence == "vault.url: is required; GATEWAY_VAULT_URL can give it"


def test_the_schema_has_it_with_its_defaults() -> None:
    made = schema(Wider)
    assert made["$defs"]["Vault"]["properties"]["patience"]["default"] == 90
    assert made["$defs"]["Vault"]["required"] == ["url", "password"]
    assert "Vault" not in schema()["$defs"]


@pytest.mark.parametrize(
    "row",
    [
        "| `vault` | [vault](#vault) | `null` | made up |",
        "## vault",
        "Made up.",
        "| `password` | [SECRET](#secret) | **required** | what opens it |",
        "| `patience` | duration | `90s` | how long it may take |",
    ],
)
def test_the_reference_has_it(row: str) -> None:
    assert row in list(documents.key_tables(Wider))
    assert row not in list(documents.key_tables())
