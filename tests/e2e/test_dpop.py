"""Tokens that are bound to a key of their client: of a real provider, at replicas that share a Redis, and for an API behind."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from oidc.provider import API, SERVICE_CLIENT, OidcProvider
from process import GatewayProcess, serving
from proxies import CADDY, ENVOY, NGINX, Program, asking, decisions_file

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.prover import HOLDER, bound_to, proof
from tests.redis_server import SECRET, RedisServer
from tests.wire import Message, RawClient

EXTERNAL = "https://api.example.test"
STRANGER = "ed25519"


def configured(folder: Path, api: EchoApi, *, issuer: str, audience: str, **more: Any) -> str:
    """The path of a configuration that accepts proofs."""
    path = folder / f"gateway-{len(list(folder.iterdir()))}.yaml"
    path.write_text(
        json.dumps(
            {
                "upstream": api.url,
                "issuers": [{"issuer": issuer, "audience": audience, "name": "login"}],
                "listen": "127.0.0.1:0",
                "admin": "127.0.0.1:0",
                "external_url": EXTERNAL,
                "dpop": {},
                "limits": {"drain_delay": 0, "drain": 1},
                **more,
            }
        )
    )
    return str(path)


def a_proof(token: str, path: str = "/orders/1", **changes: Any) -> str:
    """One of now."""
    of = {"htu": EXTERNAL + path, "iat": int(time.time()), **changes}
    return proof(token.encode(), **of).decode()


class Answer:
    """What came back, as far as it counts here."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body
        self.reason = body.get("reason")
        self.challenges: list[str] = list(headers.getall("WWW-Authenticate", ()))  # type: ignore[attr-defined]
        self.nonce: str | None = headers.get("DPoP-Nonce")
        self.caching: str | None = headers.get("Cache-Control")


async def ask(
    gateway: GatewayProcess, token: str, *proofs: str, scheme: str = "DPoP", path: str = "/orders/1?a=b"
) -> Answer:
    """A request with a token and these proofs, which may not turn up anywhere."""
    gateway.secrets += [token, *proofs]
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", value) for value in proofs)]
    async with aiohttp.ClientSession() as session, session.get(gateway.url + path, headers=headers) as response:
        return Answer(response.status, json.loads(await response.read()), response.headers)


async def bound_token(provider: OidcProvider, name: str = HOLDER) -> str:
    """A token of the provider that is bound to this key."""

    def prove(nonce: str | None) -> str:
        claims: dict[str, Any] = {"htm": "POST", "htu": provider.token_endpoint, "iat": int(time.time()), "ath": ...}
        return proof(name=name, **claims, nonce=... if nonce is None else nonce).decode()

    return await provider.client_credentials(API, prove=prove)


async def test_a_token_of_a_real_provider_is_good_with_proofs_of_the_key_that_it_was_issued_to(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    config = configured(tmp_path, api, issuer=provider.issuer, audience=API)
    async with serving(config=config) as gateway:
        await gateway.ready()
        token = await bound_token(provider)
        once = a_proof(token)
        admitted = await ask(gateway, token, once)
        assert admitted.status == 200
        received = {name.lower(): value for name, value in admitted.body["headers"]}
        assert received["x-client-id"] == SERVICE_CLIENT
        assert not {"authorization", "dpop"} & received.keys()
        for sent, reason in (
            ((once,), "proof_replayed"),
            ((), "proof_required"),
            ((a_proof(token, name=STRANGER),), "proof_mismatch"),
            ((a_proof(token, path="/orders/2"),), "proof_invalid"),
            ((a_proof(token), a_proof(token)), "proof_invalid"),
        ):
            refused = await ask(gateway, token, *sent)
            assert (refused.status, refused.reason) == (401, reason)
            (challenge,) = refused.challenges
            assert challenge.startswith("DPoP error=")
            assert challenge.endswith('algs="ES256 ES384 EdDSA Ed25519 PS256 RS256"')
            assert refused.nonce is None
        stolen = await ask(gateway, token, scheme="Bearer")
        assert (stolen.status, stolen.reason, len(stolen.challenges)) == (401, "proof_required", 2)
        # Of the same provider, bound to nothing.
        plain = await provider.client_credentials(API)
        assert (await ask(gateway, plain, a_proof(plain))).reason == "token_not_bound"
        assert (await ask(gateway, plain, "nonsense", scheme="Bearer")).status == 200
        _, metrics = await gateway.admin("/metrics")
        assert 'gateway_dpop_proofs_total{result="ok"} 1.0' in metrics
        assert 'gateway_dpop_proofs_total{result="proof_replayed"} 1.0' in metrics
        assert await gateway.stop() == 0
        assert gateway.leaked() == []
        lines = [json.loads(line) for line in gateway.output.splitlines() if line.startswith(b"{")]
        admitted_lines = [line for line in lines if line.get("outcome") == "admitted"]
        assert admitted_lines[0]["jkt"] == bound_to()["jkt"][:8]


async def test_a_client_that_knows_no_nonce_is_given_one_and_then_another_with_each_response(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    await provider.require_nonces()
    secret = tmp_path / "nonce-key"
    secret.write_text("k" * 32)
    config = configured(
        tmp_path,
        api,
        issuer=provider.issuer,
        audience=API,
        dpop={"nonce": "required", "nonce_key": {"file": str(secret)}},
    )
    async with serving(config=config) as gateway:
        await gateway.ready()
        token = await bound_token(provider)
        refused = await ask(gateway, token, a_proof(token))
        assert (refused.status, refused.reason) == (401, "use_dpop_nonce")
        (challenge,) = refused.challenges
        assert challenge.startswith('DPoP error="use_dpop_nonce"')
        assert refused.caching == "no-store"
        nonce = refused.nonce
        for _ in range(3):
            admitted = await ask(gateway, token, a_proof(token, nonce=nonce))
            assert (admitted.status, admitted.caching) == (200, "no-store")
            nonce = admitted.nonce
            assert nonce is not None
        forged = await ask(gateway, token, a_proof(token, nonce="b" * 24))
        assert (forged.status, forged.reason) == (401, "use_dpop_nonce")
        # Another provider's nonce is none of ours, and a bearer token has none.
        plain = await ask(gateway, await provider.client_credentials(API), scheme="Bearer")
        assert (plain.status, plain.nonce, plain.caching) == (200, None, None)


@asynccontextmanager
async def replicas(
    folder: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> AsyncIterator[list[GatewayProcess]]:
    """Two, of which each has a process of its own, and one two workers."""
    secret = folder / "store-secret"
    secret.write_text(SECRET)
    store = {"url": redis.url, "secrets": [{"file": str(secret)}], "timeout": "5s"}
    settings: dict[str, Any] = {"issuer": issuer.url, "audience": issuer.audience, "store": store}
    async with (
        serving(config=configured(folder, api, **settings)) as one,
        serving(config=configured(folder, api, workers=2, **settings)) as other,
    ):
        await one.ready()
        await other.ready()
        for place in range(2):
            await other.wait_for(f"worker {place} serves")
        yield [one, other]


async def test_of_fifty_connections_at_two_gateways_with_one_proof_one_gets_through(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    async with replicas(tmp_path, issuer, api, redis) as gateways:
        token = issuer.access_token(cnf=bound_to())
        clients = []
        for number in range(50):
            host, port = gateways[number % 2].url.removeprefix("http://").split(":")
            clients.append(RawClient(*await asyncio.open_connection(host, int(port))))
        for _ in range(5):
            lines = f"Host: api.example.test\r\nAuthorization: DPoP {token}\r\nDPoP: {a_proof(token)}"
            request = f"GET /orders/1 HTTP/1.1\r\n{lines}\r\n\r\n".encode()
            responses = await asyncio.gather(*(client.ask(request) for client in clients))
            assert Counter(response.status for response in responses) == {200: 1, 401: 49}
            said = Counter(response.problem["reason"] for response in responses if response.status == 401)
            assert said == {"proof_replayed": 49}
        for client in clients:
            await client.close()


async def test_a_redis_that_is_gone_lets_nobody_pass_twice(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    async with replicas(tmp_path, issuer, api, redis) as gateways:
        token = issuer.access_token(cnf=bound_to())
        once = a_proof(token)
        assert (await ask(gateways[0], token, once)).status == 200
        redis.kill()
        for gateway in gateways:
            refused = await ask(gateway, token, once)
            assert (refused.status, refused.reason) == (503, "store_unavailable")
            # Bearer tokens have nothing to do with it.
            assert (await ask(gateway, issuer.access_token(), scheme="Bearer")).status == 200
        redis.start()

        async def serves_again(gateway: GatewayProcess) -> bool:
            # A clock that is ahead, of a proof that was surely made afterwards.
            made = a_proof(token, iat=int(time.time()) + 4)
            return (await ask(gateway, token, made)).status == 200

        for gateway in gateways:
            async with asyncio.timeout(30):
                while not await serves_again(gateway):  # noqa: ASYNC110 -- of other programs
                    await asyncio.sleep(0.2)
            assert (await ask(gateway, token, once)).reason in {"store_unavailable", "proof_replayed"}


def accepting(folder: Path, *, api: str, issuer: str) -> str:
    """The example of a gateway beside a proxy, with proofs that have nonces."""
    secret = folder / "nonce-key"
    secret.write_text("k" * 32)
    path = Path(decisions_file(folder, api=api, issuer=issuer, dead_issuer="http://127.0.0.1:1"))
    dpop = f"{{nonce: required, nonce_key: {{file: {secret}}}}}"
    path.write_text(f"{path.read_text()}external_url: https://api.test\ndpop: {dpop}\n")
    return str(path)


@pytest.mark.parametrize("program", [NGINX, CADDY, ENVOY], ids=lambda program: program.name)
async def test_behind_each_proxy_of_the_examples_a_client_gets_its_nonces_and_the_api_no_proof(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, program: Program
) -> None:
    config = accepting(tmp_path, api=api.url, issuer=issuer.url)
    async with asking(program, tmp_path, config=config, api=api.url) as proxy:
        token = issuer.access_token(cnf=bound_to())
        sent: list[str] = []

        async def ask_with(**changes: Any) -> Message:
            sent.append(a_proof(token, htu="https://api.test/orders/1", **changes))
            host, port = proxy.address.split(":")
            client = RawClient(*await asyncio.open_connection(host, int(port)))
            lines = f"Host: api.test\r\nAuthorization: DPoP {token}\r\nDPoP: {sent[-1]}"
            response = await client.ask(f"GET /orders/1?a=b HTTP/1.1\r\n{lines}\r\n\r\n".encode())
            await client.close()
            return response

        refused = await ask_with()
        (challenge,), (nonce,) = refused.values(b"WWW-Authenticate"), refused.values(b"DPoP-Nonce")
        assert (refused.status, challenge[:28]) == (401, b'DPoP error="use_dpop_nonce",')
        admitted = await ask_with(nonce=nonce.decode())
        assert admitted.status == 200
        # What Caddy copies of a yes is for the API alone.
        assert len(admitted.values(b"DPoP-Nonce")) == (program is not CADDY)
        received = {name.lower() for name, _ in json.loads(admitted.body)["headers"]}
        assert "x-user-id" in received
        assert not {"authorization", "dpop"} & received
