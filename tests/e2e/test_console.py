"""The console of the real program, with workers: they tell their supervisor, and the command prints its key."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
from process import ROOT, GatewayProcess, serving

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer


async def command(config: Path, *words: str) -> str:
    """What `bearer-gateway console` prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "console", "--config", str(config), *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def written(directory: Path, issuer: DemoIssuer, api: EchoApi, more: str = "") -> Path:
    path = directory / "gateway.yaml"
    path.write_text(f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstream: {api.url}
issuers: [{{issuer: "{issuer.url}", audience: "{issuer.audience}"}}]
console: {{address: "127.0.0.1:0", socket: "{directory}/console.sock"}}
{more}
""")
    return path


async def asked(
    session: aiohttp.ClientSession, gateway: GatewayProcess, method: str, path: str, body: object = None
) -> dict[str, object]:
    async with session.request(method, path, json=body) as response:
        assert response.status == 200, await response.text()
        found: dict[str, object] = await response.json()
        return found


async def test_with_workers_the_supervisor_speaks_for_all_of_them(
    issuer: DemoIssuer, api: EchoApi, tmp_path: Path
) -> None:
    config = written(tmp_path, issuer, api, "workers: 2\nrevocation: {}\nlimits: {drain_delay: 0s}\n")
    async with serving(config=str(config)) as gateway:
        await gateway.ready()
        for place in range(2):
            await gateway.wait_for(f"worker {place} serves")
        told = json.loads(await command(config, "--json"))
        gateway.secrets.append(told["key"])
        headers = {"Authorization": f"Bearer {told['key']}"}
        count = 40
        for _ in range(count):
            await gateway.ask(issuer.access_token())
        wrong = issuer.access_token(aud="other")
        assert (await gateway.ask(wrong))[0] == 401
        async with aiohttp.ClientSession(told["url"], headers=headers) as session, asyncio.timeout(20):
            while True:
                traffic = await asked(session, gateway, "GET", "/api/traffic")
                counts = [one for step in traffic["steps"] for one in step["counts"]]  # type: ignore[attr-defined]
                if sum(one["count"] for one in counts) == count + 1:
                    break
            status = await asked(session, gateway, "GET", "/api/status")
            assert status["workers"] == 2
            assert "for another API" in json.dumps(status["findings"])
            explained = await asked(session, gateway, "POST", "/api/explain", {"token": wrong})
            assert explained["verdict"] == "refused"
            token = issuer.access_token()
            assert (await asked(session, gateway, "POST", "/api/revocations", {"token": token}))["changed"]
            # Every worker has confirmed it.
            assert {(await gateway.ask(token))[0] for _ in range(10)} == {401}
            name = status["issuers"][0]["name"]  # type: ignore[index]
            assert (await asked(session, gateway, "POST", f"/api/issuers/{name}/refresh", {}))["ok"]
            # Another configuration, as far as it is sound.
            before = status["config"]
            config.write_text(config.read_text() + "realm: other\n")
            reloaded = await asked(session, gateway, "POST", "/api/reload", {})
            assert (reloaded["ok"], reloaded["problems"]) == (True, [])
            assert "realm" in json.dumps(reloaded["changed"])
            assert (await asked(session, gateway, "GET", "/api/status"))["config"] == reloaded["config"] != before
            assert 'realm="other"' in (await gateway.ask())[2]["WWW-Authenticate"]
            config.write_text(config.read_text() + "nonsense: 1\n")
            reloaded = await asked(session, gateway, "POST", "/api/reload", {})
            assert reloaded["ok"] is False
            assert "nonsense" in json.dumps(reloaded["problems"])
