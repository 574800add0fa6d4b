"""`rehearse` as a shell sees it: which issuer is meant, what is asked, and the exit codes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.cli import main
from tests.issuer import HostileIssuer
from tests.signer import public_jwk

Captured = pytest.CaptureFixture[str]


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWAY_CONFIG", "GATEWAY_ISSUER"):
        monkeypatch.delenv(name, raising=False)


async def rehearse(*words: str) -> int:
    return await asyncio.to_thread(main, ["rehearse", *words])


def a_file(path: Path, *issuers: str) -> str:
    path.write_text(
        "upstream: http://127.0.0.1:3000\nissuers:\n" + "".join(f"  - {{audience: a, {one}}}\n" for one in issuers)
    )
    return str(path)


async def test_any_issuers_url_will_do(issuer: HostileIssuer, capsys: Captured) -> None:
    assert await rehearse(issuer.url) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == [f"issuer   127.0.0.1, {issuer.url}", f"keys     at {issuer.url}/jwks"]
    assert [line.split()[0] for line in out[2:-1]] == ["key", "key", "keeps", "new", "overlap", "gone", "gone"]
    assert out[-1] == "Nothing stands in the way of a rotation."
    # Asked twice, and nothing else.
    assert issuer.hits["/jwks"] == 2


async def test_a_configured_one_is_meant_by_its_name_or_url(
    issuer: HostileIssuer, tmp_path: Path, capsys: Captured
) -> None:
    file = a_file(tmp_path / "g.yaml", f"issuer: '{issuer.url}', name: local, jwks_refresh: 30s")
    for text in ("local", issuer.url):
        assert await rehearse(text, "--config", file) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"issuer   local, {issuer.url}\n")
        assert "(jwks_refresh)" in out
    assert await rehearse("locl", "--config", file) == 1
    assert capsys.readouterr().err == "problem  no issuer is called 'locl' (did you mean local?); there are local\n"
    assert await rehearse("https://me:hunter2@x.example", "--config", file) == 1
    assert capsys.readouterr().err == "problem  no issuer is called what was given for an issuer; there are local\n"
    issuer.response(
        "/other/.well-known/openid-configuration",
        json.dumps({"issuer": f"{issuer.url}/other", "jwks_uri": f"{issuer.url}/jwks"}),
    )
    assert await rehearse(f"{issuer.url}/other", "--config", file) == 0
    assert "note     it is not in the configuration" in capsys.readouterr().out


async def test_several_places_of_one_issuer_are_told_one_by_one(
    issuer: HostileIssuer, tmp_path: Path, capsys: Captured
) -> None:
    places = [f"issuer: '{issuer.url}', name: {name}, jwks_url: '{issuer.url}/jwks?{name}'" for name in "ab"]
    file = a_file(tmp_path / "g.yaml", *places)
    assert await rehearse(issuer.url, "--config", file) == 0
    out = capsys.readouterr().out
    assert out.startswith("note     the issuer has keys at several places")
    assert out.count("Nothing stands in the way") == 2
    assert await rehearse("b", "--config", file) == 0
    assert "note " not in capsys.readouterr().out


async def test_variables_of_another_sort_are_no_configuration(
    issuer: HostileIssuer, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_LISTEN", ":8080")
    assert await rehearse(issuer.url) == 0


async def test_without_a_configuration_a_name_says_nothing(capsys: Captured) -> None:
    assert await rehearse("local") == 1
    assert "--config FILE has the names, or give its URL" in capsys.readouterr().err


async def test_a_configuration_that_is_not_sound_is_told(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "g.yaml").write_text("lissen: x\n")
    assert await rehearse("https://i.example", "--config", str(tmp_path / "g.yaml")) == 1
    assert "did you mean listen?" in capsys.readouterr().err


async def test_each_tenant_or_the_one_that_is_meant(issuer: HostileIssuer, tmp_path: Path, capsys: Captured) -> None:
    for name in "ab":
        document = {"issuer": f"{issuer.url}/{name}", "jwks_uri": f"{issuer.url}/jwks"}
        issuer.response(f"/{name}/.well-known/openid-configuration", json.dumps(document))
    file = a_file(tmp_path / "g.yaml", f"issuer: '{issuer.url}/{{realm}}', name: many, tenants: [a, b]")
    assert await rehearse("many", "--config", file) == 0
    assert capsys.readouterr().out.count("Nothing stands in the way") == 2
    assert await rehearse(f"{issuer.url}/b", "--config", file) == 0
    assert capsys.readouterr().out.count("Nothing stands in the way") == 1


async def test_keys_in_a_file_are_read_as_the_gateway_does(tmp_path: Path, capsys: Captured) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [public_jwk("p-256")]}))
    file = a_file(tmp_path / "g.yaml", f"issuer: 'https://i.example', jwks_file: {keys}")
    assert await rehearse("i.example", "--config", file) == 0
    out = capsys.readouterr().out
    assert f"keys     at {keys}" in out
    assert "(it is a file)" in out
    assert out.endswith("Nothing stands in the way of a rotation; 1 to be known.\n")


async def test_what_cannot_be_had_is_1(issuer: HostileIssuer, capsys: Captured) -> None:
    issuer.response("/jwks", b"", status=500)
    assert await rehearse(issuer.url) == 1
    out = capsys.readouterr().out
    assert "problem " in out
    assert out.endswith("Its keys cannot be had: nothing can be said of a rotation.\n")
    issuer.response(
        "/jwks", json.dumps({"keys": [public_jwk("p-256"), {"kty": "RSA", "kid": "next", "n": "AQAB", "e": "AQAB"}]})
    )
    assert await rehearse(issuer.url) == 1
    assert capsys.readouterr().out.endswith("A rotation would go wrong: 1 problem.\n")


async def test_replicas_that_do_not_agree_are_told(issuer: HostileIssuer, capsys: Captured) -> None:
    sets = [[public_jwk("p-256"), public_jwk("rsa-2048-a")], [public_jwk("p-256")]]
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)

    async def one_or_the_other(_: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": sets.pop(0)}, headers={"Date": date})

    issuer.response_by("/jwks", one_or_the_other)
    assert await rehearse(issuer.url) == 0
    out = capsys.readouterr().out
    assert "warning  asked twice in a row it gave two sets of keys" in out
    assert "warning  its clock is" in out
