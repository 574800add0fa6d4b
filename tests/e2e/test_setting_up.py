"""init, check --online and rehearse against a provider that nobody here wrote, the way docs/commands.md shows them."""

import re
import shlex
from pathlib import Path

import pytest
from oidc.provider import API, OidcProvider
from prepared import ran
from process import serving

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "commands.md").read_text(), re.DOTALL)


async def shell(words: list[str], cwd: Path) -> tuple[int, list[str]]:
    """Exit code and lines."""
    code, said = await ran(*words, cwd=cwd)
    return code, said.splitlines()


def heads(lines: list[str]) -> list[str]:
    """What a reader goes by: the first word of each line."""
    return [line.split()[0] for line in lines if line and line != "..."]


@pytest.mark.parametrize("which", ["provider", "demo"])
async def test_the_page_is_what_a_newcomer_sees(
    which: str, provider: OidcProvider, issuer: DemoIssuer, api: EchoApi, tmp_path: Path
) -> None:
    url = provider.issuer if which == "provider" else issuer.url
    await provider.rotate()  # as on the page it has two keys
    ran = 0
    for block in BLOCKS:
        line, *shown = block.splitlines()
        words = shlex.split(line.removeprefix("$ "))
        assert words[0] == "bearer-gateway"
        meant = [
            word.replace("https://login.example.com", url)
            .replace("login.example.com", "127.0.0.1")
            .replace("http://127.0.0.1:3000", api.url)
            .replace("https://api.example.com", API)
            for word in words[1:]
        ]
        code, lines = await shell(meant, tmp_path)
        assert code == 0, lines
        if shown[0] == "...":
            expected = heads(shown)
            assert heads(lines)[-len(expected) :] == expected, lines
        else:
            assert heads(lines) == heads(shown), lines
        ran += 1
    assert ran == 4
    assert (tmp_path / "gateway.yaml").exists()


async def test_a_token_passes_the_gateway_that_init_has_written(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    written = ["init", provider.issuer, "--audience", API, "--upstream", api.url, "-o", "gateway.yaml"]
    assert (await shell(written, tmp_path))[0] == 0
    code, lines = await shell(["check", "--strict", "--config", "gateway.yaml"], tmp_path)
    assert (code, lines[-1]) == (0, "The configuration is sound.")
    assert not [line for line in lines if line.startswith("warning")]
    tokens = await provider.login(nonce="n", resource=API)
    env = {"GATEWAY_LISTEN": "127.0.0.1:0", "GATEWAY_ADMIN": "127.0.0.1:0"}
    async with serving(config=str(tmp_path / "gateway.yaml"), env=env) as gateway:
        await gateway.ready()
        assert (await gateway.ask(tokens.access_token, path="/orders/1"))[0] == 200
        status, body, _ = await gateway.ask(tokens.id_token, path="/orders/1")
        assert (status, body["reason"]) == (401, "id_token")
