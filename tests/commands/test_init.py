"""`init` as a shell sees it: what is written where, what is never overwritten, and what it says to those who guessed wrong."""

import asyncio
import json
import shlex
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.settings.document import parse_document
from tests.issuer import HostileIssuer

DATA = Path(__file__).parents[1] / "data" / "discovery"
DISCOVERY = "/.well-known/openid-configuration"
API = "https://api.example.com"
UPSTREAM = "http://127.0.0.1:3000"
BOTH = ("--audience", API, "--upstream", UPSTREAM)


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


async def init(*words: str) -> int:
    """In another thread: the command has a loop of its own."""
    return await asyncio.to_thread(main, ["init", *words])


Captured = pytest.CaptureFixture[str]


async def test_what_is_written_is_sound_by_check_at_once(
    issuer: HostileIssuer, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "gateway.yaml"
    assert await init(issuer.url, *BOTH, "--output", str(file)) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-3:] == [
        f"wrote    {file}",
        f"next     bearer-gateway check --online --config {file}",
        f"next     bearer-gateway serve --config {file}",
    ]
    assert parse_document(file.read_text()).values == {
        "upstream": UPSTREAM,
        "issuers": [{"issuer": issuer.url, "audience": API}],
    }
    assert main(["check", "--config", str(file)]) == 0
    told = capsys.readouterr()
    assert "warning" not in told.out
    # To standard output it is the same.
    for more in ((), ("-o", "-")):
        assert await init(issuer.url, *BOTH, *more) == 0
        assert capsys.readouterr().out == file.read_text()


async def test_a_file_that_is_there_is_left_alone(issuer: HostileIssuer, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("mine\n")
    assert await init(issuer.url, *BOTH, "-o", str(file)) == 1
    assert issuer.hits == {}
    assert file.read_text() == "mine\n"
    assert "--force writes over it" in capsys.readouterr().err
    assert await init(issuer.url, *BOTH, "-o", str(file), "--force") == 0
    assert file.read_text().startswith("# Written by `bearer-gateway init`.\n")
    assert await init(issuer.url, *BOTH, "-o", str(tmp_path / "no" / "where")) == 1
    assert "cannot be written: No such file" in capsys.readouterr().err


async def test_what_only_the_user_knows_is_asked_for_with_how_to_find_it(
    issuer: HostileIssuer, capsys: Captured
) -> None:
    token = f"{issuer.url}/realms/a/protocol/openid-connect/token"
    issuer.response(DISCOVERY, json.dumps({**issuer.discovery(), "token_endpoint": token}))
    assert await init(issuer.url) == 2
    told = capsys.readouterr()
    assert told.out == ""
    audience, upstream = [line for line in told.err.splitlines() if line.startswith("missing  ")]
    assert "--audience NAME" in audience
    assert "With Keycloak: the client, or a client scope of it, needs an audience mapper" in audience
    assert "--upstream URL" in upstream
    assert await init(issuer.url, "--sidecar", "--audience", API) == 0


async def test_a_command_that_is_suggested_works(issuer: HostileIssuer, tmp_path: Path, capsys: Captured) -> None:
    wrong = issuer.url.replace("127.0.0.1", "localhost")
    options = ("--audience", "two words", "--audience", "b", "--upstream", UPSTREAM, "-o", str(tmp_path / "a file"))
    assert await init(wrong, *options, "--preset", "none", "--force", "--allow-http") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("try ")]
    words = shlex.split(line.removeprefix("try"))
    assert words[:3] == ["bearer-gateway", "init", issuer.url]
    assert "--allow-http" in words
    assert await init(*words[2:]) == 0
    values = parse_document((tmp_path / "a file").read_text()).values
    assert values["issuers"][0]["audience"] == ["two words", "b"]


async def test_where_it_is_found_goes_into_the_file(issuer: HostileIssuer, capsys: Captured) -> None:
    issuer.response(DISCOVERY, json.dumps({**issuer.discovery(), "issuer": "http://127.0.0.1:1"}))
    assert await init(issuer.url, *BOTH) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("try ")]
    assert await init(*shlex.split(line)[3:]) == 0
    (written,) = parse_document(capsys.readouterr().out).values["issuers"]
    assert written == {"issuer": "http://127.0.0.1:1", "audience": API, "discovery_url": issuer.url + DISCOVERY}


@pytest.mark.parametrize(
    ("preset", "expected"), [("cognito", {"preset": "cognito", "audience_claims": ["aud", "client_id"]}), ("none", {})]
)
async def test_a_preset_can_be_given(
    issuer: HostileIssuer, preset: str, expected: dict[str, Any], capsys: Captured
) -> None:
    assert await init(issuer.url, *BOTH, "--preset", preset) == 0
    (written,) = parse_document(capsys.readouterr().out).values["issuers"]
    assert written == {"issuer": issuer.url, "audience": API, **expected}
    assert await init(issuer.url, *BOTH, "--preset", "keyclock") == 1
    assert "did you mean keycloak?" in capsys.readouterr().err


async def test_a_provider_without_access_tokens_for_apis_gets_none(issuer: HostileIssuer, capsys: Captured) -> None:
    assert await init(issuer.url, "--preset", "google") == 1
    assert "every JWT that Google issues is an ID token" in capsys.readouterr().err


async def test_managed_clusters_publish_keys_and_others_keep_them(issuer: HostileIssuer, capsys: Captured) -> None:
    grants = {"grant_types_supported": ["urn:kubernetes:grant_type:programmatic_authorization"]}
    issuer.response(DISCOVERY, json.dumps({**issuer.discovery(), **grants}))
    assert await init(issuer.url, *BOTH) == 0
    (written,) = parse_document(capsys.readouterr().out).values["issuers"]
    assert written == {"issuer": issuer.url, "audience": API, "preset": "kubernetes", "jwks_url": f"{issuer.url}/jwks"}
    assert await init("https://kubernetes.default.svc", *BOTH) == 0
    (written,) = parse_document(capsys.readouterr().out).values["issuers"]
    assert written == {"issuer": "https://kubernetes.default.svc", "audience": API, "preset": "kubernetes"}


async def test_a_sidecar_gets_the_command_line_of_inject(
    issuer: HostileIssuer, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "gateway.yaml"
    assert await init(issuer.url, "--sidecar", "--audience", API, "-o", str(file)) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == f"next     bearer-gateway inject -f api.yaml --config {file} | kubectl apply -f -"
    assert parse_document(file.read_text()).values == {"issuers": [{"issuer": issuer.url, "audience": API}]}
    # inject takes it.
    manifest = tmp_path / "api.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: api}\nspec:\n  containers:\n"
        "    - name: api\n      image: api:1\n      ports: [{containerPort: 3000}]\n"
    )
    assert main(["inject", "-f", str(manifest), "--config", str(file)]) == 0
    capsys.readouterr()
    # An authority of the issuer becomes a ConfigMap.
    authorities = ssl.get_default_verify_paths().cafile or ""
    assert await init(issuer.url, "--sidecar", "--audience", API, "--ca-file", authorities) == 0
    told = capsys.readouterr()
    assert parse_document(told.out).values["issuers"][0]["ca_file"] == "/etc/bearer-gateway/files/issuer-ca/ca.crt"
    create, inject = told.err.splitlines()[-2:]
    assert create == f"next     kubectl create configmap issuer-ca --from-file=ca.crt={authorities}"
    assert "--config gateway.yaml --files issuer-ca |" in inject
    # An API elsewhere is none beside the gateway.
    assert await init(issuer.url, "--sidecar", "--audience", API, "--upstream", "http://orders") == 1
    assert "upstream is not in the pod" in capsys.readouterr().err


async def test_what_check_says_of_it_is_said(issuer: HostileIssuer, capsys: Captured) -> None:
    assert await init(issuer.url, "--audience", API, "--upstream", "localhost:3000") == 1
    told = capsys.readouterr()
    assert "upstream: must begin with http://" in told.err
    assert told.out == ""
    assert await init(issuer.url, "--audience", "*", "--upstream", UPSTREAM) == 0
    assert "warning  issuers[0].audience: is no wildcard" in capsys.readouterr().err
    assert await init(issuer.url, *BOTH, "--preset", "okta") == 0
    assert "is the org's own server" in capsys.readouterr().err


async def test_hints_are_said(capsys: Captured) -> None:
    assert await init("http://127.0.0.1:1", *BOTH) == 1
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem.startswith("problem  http://127.0.0.1:1/.well-known")
    assert hint.startswith("hint     ")


def test_without_an_issuer_the_command_line_is_wrong(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["init"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("name", "path", "preset", "title"),
    [("keycloak", "/realms/demo", "keycloak", "Keycloak"), ("hydra", "", "ory-hydra", "Ory Hydra"), ("spring", "", "spring", "Spring Authorization Server")],
)  # fmt: skip
async def test_what_real_providers_say_of_themselves_gives_a_file_for_them(
    issuer: HostileIssuer, name: str, path: str, preset: str, title: str, capsys: Captured
) -> None:
    text = await asyncio.to_thread((DATA / f"{name}.json").read_text)
    named = json.loads(text)["issuer"]
    document = json.loads(text.replace(named, issuer.url + path))
    issuer.response(path + DISCOVERY, json.dumps({**document, "jwks_uri": f"{issuer.url}/jwks"}))
    assert await init(issuer.url + path, *BOTH) == 0
    told = capsys.readouterr()
    (written,) = parse_document(told.out).values["issuers"]
    assert written == {"issuer": issuer.url + path, "audience": API, "preset": preset}
    assert f"next     set it up at {title}: the file says how" in told.err
    assert f"# At {title} (docs/providers.md#" in told.out
