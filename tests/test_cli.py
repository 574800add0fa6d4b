"""The command line as a shell sees it: exit codes and what is printed where."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[1]
SOUND = """
upstream: http://127.0.0.1:3000
issuers:
  - issuer: https://tenant.eu.auth0.com/
    audience: https://api.example.com
    preset: auth0
"""


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT, env={**environ, **variables}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND)
    return path


def test_a_sound_configuration_is_0_and_says_where_values_came_from(config: Path) -> None:
    done = run("check", "--config", str(config), GATEWAY_LISTEN="127.0.0.1:8081")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("The configuration is sound.\n")
    assert "value    listen: from GATEWAY_LISTEN" in done.stdout
    assert f"value    issuers[0].issuer: from file {config} line 4" in done.stdout
    assert (
        "note     issuers[0].audience: must be in the tokens; with auth0: the client sends the parameter" in done.stdout
    )


def test_every_problem_is_printed_at_once_and_the_exit_code_is_1(config: Path) -> None:
    config.write_text(SOUND.replace("audience:", "audiense:") + "lissen: ':8080'\nlimits: {header_count: lots}\n")
    done = run("check", "--config", str(config))
    assert done.returncode == 1
    assert "did you mean audience?" in done.stdout
    assert "did you mean listen?" in done.stdout
    assert "problem  limits.header_count: " in done.stdout
    assert done.stdout.endswith("The configuration has 3 problems.\n")


def test_three_variables_are_enough() -> None:
    done = run(
        "check",
        GATEWAY_UPSTREAM="http://127.0.0.1:3000",
        GATEWAY_ISSUER="https://login.example.com",
        GATEWAY_AUDIENCE="https://api.example.com",
    )
    assert done.returncode == 0


def test_serve_refuses_a_configuration_with_problems_before_it_listens(config: Path) -> None:
    config.write_text(SOUND + "lissen: ':8080'\n")
    done = run("serve", "--config", str(config))
    assert (done.returncode, done.stdout) == (1, "")
    assert "problem  lissen: " in done.stderr


WITH_SECRET = (
    SOUND
    + """
upstreams:
  shop:
    url: https://shop.example
    authorization: {bearer: {env: SHOP_TOKEN}}
    headers: {X-Tenant: blue}
"""
)


@pytest.mark.parametrize("command", ["check", "serve", "explain"])
def test_no_command_goes_on_without_a_secret_that_the_configuration_names(config: Path, command: str) -> None:
    config.write_text(WITH_SECRET)
    for environ, sentence in (
        ({}, "names a variable that is not set"),
        ({"SHOP_TOKEN": "gehe im"}, "must hold one bearer token: letters, digits and -._~+/ only, and = at its end"),
    ):
        done = run(command, "--config", str(config), **environ)
        assert done.returncode == 1
        printed = done.stdout + done.stderr
        assert f"problem  upstreams.shop.authorization.bearer.env: {sentence}\n" in printed
        assert "gehe" not in printed


def test_check_reads_secrets_and_does_not_show_them(config: Path) -> None:
    config.write_text(WITH_SECRET)
    done = run("check", "--config", str(config), SHOP_TOKEN="geheim")
    assert done.returncode == 0
    assert done.stdout.endswith("The configuration is sound.\n")
    assert f"value    upstreams.shop.authorization.bearer.env: from file {config} line 11" in done.stdout
    assert "geheim" not in done.stdout + done.stderr


def test_serve_says_which_address_is_taken(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--config", str(config), GATEWAY_LISTEN=address, GATEWAY_ADMIN="127.0.0.1:0")
    assert done.returncode == 1
    assert f"cannot listen on {address}: Address already in use" in done.stderr


def test_what_is_unsafe_is_named(config: Path) -> None:
    config.write_text(SOUND.replace("preset: auth0", "allow_unclassified: true"))
    done = run("check", "--config", str(config))
    assert done.returncode == 0
    assert "warning  issuers[0].allow_unclassified: " in done.stdout


def test_the_schema_is_a_json_schema_that_takes_the_sound_file_and_no_other(config: Path) -> None:
    done = run("schema")
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    sound = {
        "upstream": "http://127.0.0.1:3000",
        "issuers": [{"issuer": "https://tenant.eu.auth0.com/", "audience": "https://api.example.com"}],
        "limits": {"header_timeout": "10s", "header_bytes": "32KiB"},
    }
    jsonschema.validate(sound, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**sound, "lissen": ":8080"}, schema)


@pytest.mark.parametrize("arguments", [[], ["fly"], ["check", "--konfig", "x"]])
def test_a_wrong_command_line_is_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: bearer-gateway" in done.stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("bearer-gateway 0.")
