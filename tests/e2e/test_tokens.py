"""Tokens of a real OpenID provider through the real program."""

import asyncio
import base64
import json
import secrets

import aiohttp
from oidc.provider import API, OTHER_API, SERVICE_CLIENT, SUBJECT, OidcProvider
from process import GatewayProcess, serving, sidecar

from gateway.demo.echo import EchoApi

#: requests a second and more, all along a rotation
CLIENTS = 4


def received(body: dict[str, list[list[str]]]) -> dict[str, str]:
    return {name.lower(): value for name, value in body["headers"]}


async def test_only_the_access_token_for_this_api_gets_through(provider: OidcProvider, api: EchoApi) -> None:
    with_nonce = await provider.login(nonce="n-0S6_WzA2Mj", resource=API)
    without_nonce = await provider.login(nonce=None, resource=API)
    elsewhere = await provider.login(nonce=None, resource=OTHER_API)
    async with serving(env=sidecar(upstream=api.url, issuer=provider.issuer, audience=API)) as gateway:
        await gateway.ready()
        status, body, _ = await gateway.ask(with_nonce.access_token, path="/orders/1?x=%2F")
        assert status == 200
        assert body["target"] == "/orders/1?x=%2F"
        assert received(body)["x-user-id"] == SUBJECT
        assert received(body)["x-token-scopes"] == "read:orders"
        assert "authorization" not in received(body)
        for token, reason in (
            (with_nonce.id_token, "id_token"),
            (without_nonce.id_token, "unclassified_token"),
            (elsewhere.access_token, "wrong_audience"),
        ):
            status, body, headers = await gateway.ask(token)
            assert (status, body["reason"]) == (401, reason)
            assert headers["WWW-Authenticate"].startswith('Bearer realm="api", error="invalid_token"')


async def test_a_bare_id_token_is_refused_even_when_its_audience_is_accepted(
    provider: OidcProvider, api: EchoApi
) -> None:
    login = await provider.login(nonce=None, resource=API)
    audience = json.loads(base64.urlsafe_b64decode(login.id_token.split(".")[1] + "=="))["aud"]
    async with serving(env=sidecar(upstream=api.url, issuer=provider.issuer, audience=f"{API},{audience}")) as gateway:
        await gateway.ready()
        status, body, _ = await gateway.ask(login.id_token)
        assert (status, body["reason"]) == (401, "unclassified_token")
        status, _, _ = await gateway.ask(login.access_token)
        assert status == 200


async def test_a_machine_is_a_client_and_no_user(provider: OidcProvider, api: EchoApi) -> None:
    token = await provider.client_credentials(API)
    async with serving(env=sidecar(upstream=api.url, issuer=provider.issuer, audience=API)) as gateway:
        await gateway.ready()
        status, body, _ = await gateway.ask(token, headers={"X-User-Id": "admin", "X_User_Id": "admin"})
        assert status == 200
        assert received(body)["x-client-id"] == SERVICE_CLIENT
        assert "admin" not in json.dumps(body)


async def test_keys_are_rotated_while_traffic_runs_and_no_request_fails(provider: OidcProvider, api: EchoApi) -> None:
    async with serving(env=sidecar(upstream=api.url, issuer=provider.issuer, audience=API)) as gateway:
        await gateway.ready()
        tokens = [await provider.client_credentials(API)]
        statuses: list[int] = []
        done = asyncio.Event()
        answered = asyncio.Semaphore(0)

        async def client() -> None:
            while not done.is_set():
                statuses.append((await gateway.ask(tokens[-1]))[0])
                answered.release()

        clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
        for _ in range(2):
            await provider.rotate()
            tokens.append(await provider.client_credentials(API))
            for _ in range(50):
                await answered.acquire()
        done.set()
        await asyncio.gather(*clients)
        assert set(statuses) == {200}
        for token in tokens:
            assert (await gateway.ask(token))[0] == 200


def with_random_kid(token: str) -> str:
    header, payload, signature = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(header + "=="))
    members["kid"] = secrets.token_urlsafe(12)
    changed = base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
    return f"{changed}.{payload}.{signature}"


async def test_random_kids_turn_no_good_token_into_401(provider: OidcProvider, api: EchoApi) -> None:
    async with serving(env=sidecar(upstream=api.url, issuer=provider.issuer, audience=API)) as gateway:
        await gateway.ready()
        old = await provider.client_credentials(API)
        done = asyncio.Event()
        noise: list[int] = []

        async def attacker() -> None:
            while not done.is_set():
                noise.append((await gateway.ask(with_random_kid(old)))[0])
                await asyncio.sleep(0.02)

        attackers = [asyncio.create_task(attacker()) for _ in range(2)]
        while len(noise) < 40:
            assert (await gateway.ask(old))[0] == 200
        await provider.rotate()
        new = await provider.client_credentials(API)
        responses: list[int] = []
        async with asyncio.timeout(40):
            while not responses or responses[-1] != 200:
                responses.append((await gateway.ask(new))[0])
                assert (await gateway.ask(old))[0] == 200
                await asyncio.sleep(0.05)
        done.set()
        await asyncio.gather(*attackers)
        assert set(responses) <= {200, 503}
        assert set(noise) <= {401, 503}
        assert await metric(gateway, 'gateway_jwks_refreshes_total{issuer="127.0.0.1",result="suppressed"}') > 0


async def metric(gateway: GatewayProcess, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.admin_url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
