"""All that a gateway keeps in Redis at once, dumped and searched: nothing there tells a token, a subject or a claim."""

import json
import re
import time
from pathlib import Path

import aiohttp
from aiohttp import web
from fleet import CLIENT, log_out, until_true
from process import serving

from gateway.demo.echo import EchoApi
from tests.issuer import HostileIssuer
from tests.prover import bound_to, proof
from tests.redis_server import SECRET, RedisServer
from tests.token_endpoint import TokenEndpoint

EXTERNAL = "https://api.example.test"
OPAQUE = "q1w2e3r4t5y6u7i8o9p0"
#: all that stands in Redis has one of these names
USES = {"names", "look", "keys", "introspection", "userinfo", "exchange", "rates", "replay", "revocation"}


async def introspected(request: web.Request) -> web.Response:
    now = int(time.time())
    claims = {"sub": "carol-of-orders", "aud": "https://api.example.com", "role": "clerk-of-orders"}
    said = {"active": (await request.post())["token"] == OPAQUE, "token_type": "Bearer", "iat": now, "exp": now + 300}
    return web.json_response({**claims, **said})


async def me(request: web.Request) -> web.Response:
    subject = "carol-of-orders" if OPAQUE in request.headers["Authorization"] else "alice-of-orders"
    return web.json_response({"sub": subject, "email": f"{subject}@example.com"})


def written(folder: Path, issuer: HostileIssuer, api: EchoApi, grants: TokenEndpoint, redis: RedisServer) -> str:
    (folder / "client").write_text("the-secret-of-the-gateway")
    (folder / "store").write_text(SECRET)
    exchange = {
        "kind": "rfc8693", "token_endpoint": grants.url, "audience": "orders", "client_id": "gateway",
        "client_secret": {"file": str(folder / "client")},
    }  # fmt: skip
    path = folder / "gateway.yaml"
    path.write_text(
        json.dumps(
            {
                "listen": "127.0.0.1:0",
                "admin": "127.0.0.1:0",
                "limits": {"drain_delay": 0},
                "external_url": EXTERNAL,
                "dpop": {},
                "revocation": {},
                "rates": [{"name": "all", "per": "subject", "limit": 100, "window": "24h"}],
                "identity_headers": {"X-User-Id": "sub", "X-Email": "email"},
                "upstreams": {"default": {"url": api.url, "authorization": {"exchange": exchange}}},
                "store": {"url": redis.url, "secrets": [{"file": str(folder / "store")}]},
                "issuers": [
                    {
                        "issuer": issuer.url,
                        "audience": issuer.audience,
                        "name": "login",
                        "introspection": {"endpoint": f"{issuer.url}/introspect", "auth": "none"},
                        "userinfo": {"claims": ["email"], "endpoint": f"{issuer.url}/me"},
                        "backchannel_logout": {"client_ids": [CLIENT]},
                    }
                ],
            }
        )
    )
    return str(path)


async def test_nothing_that_is_kept_tells_a_token_a_subject_or_a_claim(
    api: EchoApi, redis: RedisServer, tmp_path: Path
) -> None:
    issuer, grants = HostileIssuer(), TokenEndpoint()
    await issuer.start()
    await grants.start()
    grants.granted["access_token"] = "the-token-for-the-api"
    issuer.response_by("/introspect", introspected)
    issuer.response_by("/me", me)
    plain = issuer.access_token(sub="alice-of-orders", jti="one-of-orders", email=None)
    bound = issuer.access_token(sub="bob-of-orders", cnf=bound_to())
    async with serving(config=written(tmp_path, issuer, api, grants, redis)) as gateway:
        await gateway.ready()
        for token, email in ((OPAQUE, "carol-of-orders@example.com"), (plain, "alice-of-orders@example.com")):
            status, body, _ = await gateway.ask(token)
            assert status == 200
            sent = {name.lower(): value for name, value in body["headers"]}
            assert (sent["authorization"], sent["x-email"]) == ("Bearer the-token-for-the-api", email)
        shown = proof(bound.encode(), htu=f"{EXTERNAL}/", iat=int(time.time()), jti="proof-of-orders").decode()
        headers = {"Authorization": f"DPoP {bound}", "DPoP": shown}
        for expected in (200, 401):
            async with aiohttp.ClientSession() as session, session.get(gateway.url, headers=headers) as response:
                assert response.status == expected
        assert await log_out(gateway, issuer, "mallory-of-orders") == 200

        async def all_is_there() -> bool:
            return {key.split(b":")[1].decode() for key in redis.ask("KEYS", "*")} >= USES

        await until_true(all_is_there)
        dumped = redis.dump()
    await issuer.stop()
    await grants.stop()
    assert {key.split(b":")[1].decode() for key in dumped} == USES
    everything = repr(dumped)
    told = (
        OPAQUE, plain, bound, shown, "of-orders", "the-token-for-the-api", "the-secret", "gateway", "clerk", "email",
        issuer.url, issuer.audience, SECRET, bound_to()["jkt"], "Bearer", str(issuer.keys["RS256"].kid),
    )  # fmt: skip
    for known in told:
        assert known[:40] not in everything.replace("{bearer-gateway}", "")
    # Nor in another spelling: what is not a name, a number or a mark of Redis is sealed.
    assert not re.search("|".join(known[:12].encode().hex() for known in told), everything)
