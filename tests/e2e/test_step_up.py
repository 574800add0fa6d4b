"""Several APIs behind one gateway, and logins that are strong and recent: with a real OpenID provider and the real program."""

import asyncio
import re
from pathlib import Path

from oidc.provider import API, OPAQUE_API, OTHER_API, SERVICE_CLIENT, SERVICE_SECRET, OidcProvider
from process import START_SECONDS, GatewayProcess, serving

from gateway.demo.echo import EchoApi

#: seconds
MAX_AGE = 5


def written(folder: Path, provider: OidcProvider, api: EchoApi, other: EchoApi) -> str:
    (folder / "introspection").write_text(SERVICE_SECRET)
    path = folder / "gateway.yaml"
    path.write_text(
        f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: 2
limits: {{drain_delay: 0s}}
issuers:
  - issuer: "{provider.issuer}"
    audience: ["{API}", "{OTHER_API}", "{OPAQUE_API}"]
    name: npm
    leeway: 0s
    introspection:
      client_id: {SERVICE_CLIENT}
      client_secret: {{file: {folder}/introspection}}
upstreams:
  default: {{url: "{api.url}"}}
  other: {{url: "{other.url}"}}
unmatched: refuse
routes:
  - {{path: /orders/*, audience: ["{API}", "{OPAQUE_API}"], scopes: [read:orders]}}
  - {{path: /other/*, audience: "{OTHER_API}", upstream: other}}
  - {{path: /payments/*, audience: ["{API}", "{OPAQUE_API}"], acr: [gold], max_age: 1h}}
  - {{path: /transfers/*, audience: "{API}", max_age: {MAX_AGE}s}}
  - path: /mine/*
    audience: "{API}"
    condition: request.path.startsWith("/mine/" + token.sub + "/") && has(token.acr) && token.acr == "gold"
"""
    )
    return str(path)


async def asked(gateway: GatewayProcess, token: str, path: str) -> tuple[int, str]:
    status, body, _ = await gateway.ask(token, path=path)
    return status, str(body.get("reason", ""))


async def challenge(gateway: GatewayProcess, token: str, path: str) -> dict[str, str]:
    """The parameters of the challenge that a request gets, which a client asks its provider with."""
    status, body, headers = await gateway.ask(token, path=path)
    assert (status, body["reason"]) == (401, "insufficient_user_authentication")
    found = dict(re.findall(r'(\w+)="([^"]*)"', headers["WWW-Authenticate"]))
    assert found["error"] == "insufficient_user_authentication"
    return {name: found[name] for name in ("acr_values", "max_age") if name in found}


async def test_a_token_for_one_api_opens_nothing_of_the_other(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    other = EchoApi()
    await other.start()
    async with serving(config=written(tmp_path, provider, api, other)) as gateway:
        await gateway.ready()
        for resource, opens in ((API, "/orders/1"), (OPAQUE_API, "/orders/1"), (OTHER_API, "/other/1")):
            token = (await provider.login(nonce=None, resource=resource)).access_token
            for path in ("/orders/1", "/other/1"):
                expected = (200, "") if path == opens else (401, "wrong_audience")
                assert await asked(gateway, token, path) == expected, (resource, path)
    await other.stop()


async def test_a_client_steps_up_as_the_challenge_says(provider: OidcProvider, api: EchoApi, tmp_path: Path) -> None:
    async with serving(config=written(tmp_path, provider, api, api)) as gateway:
        await gateway.ready()
        for resource in (API, OPAQUE_API):
            async with provider.logged_in(resource=resource) as browser:
                weak = browser.tokens.access_token
                assert await asked(gateway, weak, "/orders/1") == (200, "")
                asking = await challenge(gateway, weak, "/payments/1")
                assert asking == {"acr_values": "gold", "max_age": "3600"}
                strong = (await browser.log_in_again(resource=resource, asking=asking)).access_token
                assert await asked(gateway, strong, "/payments/1") == (200, "")
                # The old one is no better for it, and no worse.
                assert await challenge(gateway, weak, "/payments/1") == asking
                assert await asked(gateway, weak, "/orders/1") == (200, "")


async def test_a_login_grows_old_and_a_new_one_does_not(provider: OidcProvider, api: EchoApi, tmp_path: Path) -> None:
    async with (
        serving(config=written(tmp_path, provider, api, api)) as gateway,
        provider.logged_in(resource=API) as browser,
    ):
        await gateway.ready()
        gold = {"acr_values": "gold"}
        token = (await browser.log_in_again(resource=API, asking=gold)).access_token
        assert await asked(gateway, token, "/transfers/1") == (200, "")
        async with asyncio.timeout(START_SECONDS + MAX_AGE):
            while (await asked(gateway, token, "/transfers/1"))[0] == 200:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.2)
        asking = await challenge(gateway, token, "/transfers/1")
        assert asking == {"max_age": str(MAX_AGE)}
        # The session of the browser is still there, and does not do: the provider asks anew.
        token = (await browser.log_in_again(resource=API, asking={**gold, **asking})).access_token
        assert await asked(gateway, token, "/transfers/1") == (200, "")


async def test_a_condition_holds_in_every_worker(provider: OidcProvider, api: EchoApi, tmp_path: Path) -> None:
    async with (
        serving(config=written(tmp_path, provider, api, api)) as gateway,
        provider.logged_in(resource=API) as browser,
    ):
        await gateway.ready()
        strong = (await browser.log_in_again(resource=API, asking={"acr_values": "gold"})).access_token
        for _ in range(8):
            assert await asked(gateway, strong, "/mine/alice/1") == (200, "")
            assert await asked(gateway, strong, "/mine/bob/1") == (403, "condition_false")
            assert await asked(gateway, browser.tokens.access_token, "/mine/alice/1") == (403, "condition_false")
        expected = {
            'gateway_conditions_total{result="true",route="/mine/*"} 8.0',
            'gateway_conditions_total{result="false",route="/mine/*"} 16.0',
        }
        # Workers hand over what they have counted now and then.
        async with asyncio.timeout(START_SECONDS):
            while not expected <= set((await gateway.admin("/metrics"))[1].splitlines()):  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.2)
