"""The gateway's own token from an OpenID provider that nobody here wrote, at an API that checks tokens by itself."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from oidc.provider import API, OTHER_API, SERVICE_CLIENT, SERVICE_SECRET, OidcProvider
from process import GatewayProcess, serving

from gateway.demo.echo import EchoApi


def written(directory: Path, name: str, **keys: Any) -> str:
    """A file of the configuration, as JSON, which is YAML."""
    path = directory / f"{name}.yaml"
    path.write_text(json.dumps({"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", **keys}))
    return str(path)


def shown(body: dict[str, Any], name: str) -> list[str]:
    return [value for line, value in body["headers"] if line.lower() == name]


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_api_that_checks_tokens_lets_the_gateway_in(
    tmp_path: Path, provider: OidcProvider, api: EchoApi, workers: int
) -> None:
    token = await provider.client_credentials(API)
    secret = tmp_path / "secret"
    secret.write_text(f"{SERVICE_SECRET}\n")
    own = {
        "token_endpoint": provider.token_endpoint,
        "client_id": SERVICE_CLIENT,
        "client_secret": {"file": str(secret)},
        "resource": OTHER_API,
        "scope": "read:orders",
    }
    # The API is another gateway: it takes tokens for it alone, and hands on what it was shown.
    behind = {
        "upstreams": {"default": {"url": api.url, "authorization": "keep"}},
        "issuers": [{"issuer": provider.issuer, "audience": OTHER_API}],
        "routes": [{"path": "/*", "scopes": ["read:orders"]}],
    }
    async with serving(config=written(tmp_path, "api", **behind)) as checking:
        await checking.ready()
        front = {
            "upstreams": {"default": {"url": checking.url, "authorization": {"client_credentials": own}}},
            "issuers": [{"issuer": provider.issuer, "audience": API}],
            "workers": workers,
        }
        (tmp_path / "metrics").mkdir()
        env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")} if workers > 1 else {}
        async with serving(config=written(tmp_path, "front", **front), env=env) as gateway:
            gateway.secrets.append(SERVICE_SECRET)
            await gateway.ready()
            await check_that_it_gets_in(gateway, checking, token)


async def check_that_it_gets_in(gateway: GatewayProcess, checking: GatewayProcess, token: str) -> None:
    for _ in range(5):
        status, body, _headers = await gateway.ask(token)
        assert status == 200
        (value,) = shown(body, "authorization")
        assert value != f"Bearer {token}"
        payload = value.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert (claims["aud"], claims["client_id"], claims["scope"]) == (OTHER_API, SERVICE_CLIENT, "read:orders")
        gateway.secrets.append(value.removeprefix("Bearer "))
    # The caller's own token is for the gateway, and for nobody behind it.
    assert (await checking.ask(token))[0] == 401
