"""Claims that tokens lack, through the real program: an OpenID provider from npm, replicas that share a Redis."""

import json
from pathlib import Path

from oidc.provider import API, SERVICE_CLIENT, SERVICE_SECRET, SUBJECT, OidcProvider
from prepared import ran
from process import serving

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.issuer import HostileIssuer
from tests.redis_server import SECRET, RedisServer

ME = "/me"


def received(body: dict[str, list[list[str]]]) -> dict[str, str]:
    """The headers that the API got."""
    return {name.lower(): value for name, value in body["headers"]}


def written(path: Path, text: str) -> str:
    path.write_text(f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nlimits: {{drain_delay: 0s}}\n{text}")
    return str(path)


def for_provider(provider: OidcProvider, api: EchoApi, userinfo: str) -> str:
    return f"""
upstream: {api.url}
issuers: [{{issuer: "{provider.issuer}", audience: "{API}", name: npm, userinfo: {{{userinfo}}}}}]
identity_headers: {{X-User-Id: sub, X-Email: email}}
"""


async def test_a_provider_that_refuses_the_token_leaves_the_claim_out_or_is_believed(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    """Its UserInfo endpoint takes no token that is for an API."""
    token = (await provider.login(nonce=None, resource=API)).access_token
    absent = written(tmp_path / "a.yaml", for_provider(provider, api, "claims: [email]"))
    async with serving(config=absent) as gateway:
        await gateway.ready()
        for _ in range(2):
            status, body, _ = await gateway.ask(token)
            assert (status, received(body).get("x-user-id"), "x-email" in received(body)) == (200, SUBJECT, False)
        assert 'gateway_userinfo_total{issuer="npm",result="refused"} 1.0' in (await gateway.admin("/metrics"))[1]
        assert gateway.output.count(b"userinfo cannot be had: the response has status 401") == 1
    refuse = written(tmp_path / "b.yaml", for_provider(provider, api, "claims: [email], on_401: refuse"))
    async with serving(config=refuse) as gateway:
        await gateway.ready()
        status, body, headers = await gateway.ask(token)
        assert (status, body["reason"]) == (401, "token_inactive")
        assert 'error="invalid_token"' in headers["WWW-Authenticate"]


async def online(config: str) -> tuple[int, str]:
    """Exit code and output of `check --online`."""
    code, said = await ran("check", "--online", "--config", config)
    return code, said.partition("The configuration is sound.\n")[2]


async def test_all_that_a_gateway_depends_on_is_tried_beforehand(
    provider: OidcProvider, api: EchoApi, issuer: DemoIssuer, tmp_path: Path
) -> None:
    text = for_provider(provider, api, "claims: [email]")
    code, said = await online(written(tmp_path / "a.yaml", text))
    assert said.endswith(
        "ok       issuer npm        1 key, for RS256\n"
        f"ok       userinfo of npm   {provider.issuer}/me refuses a token made up, as it should\n"
        "ok       upstream default  accepts connections, and responds (status 200 to HEAD /)\n"
        "Of 3 that were asked, none has a problem.\n"
    )
    assert code == 0
    # With a slash more than it calls itself by, and the demo's issuer beside it, which is well.
    wrong = text.replace(f'"{provider.issuer}"', f'"{provider.issuer}/"')
    beside = f'{{issuer: "{issuer.url}", audience: x, name: demo}}, {{issuer: "'
    code, said = await online(written(tmp_path / "b.yaml", wrong.replace('{issuer: "', beside, 1)))
    assert code == 1
    assert "they differ by the slash at the end" in said
    assert "ok       issuer demo       2 keys, for ES256, RS256\n" in said
    assert said.endswith("Of 4 that were asked, 2 have a problem.\n")


async def test_what_an_issuer_said_to_one_replica_serves_all_and_nobody_can_read_it(
    api: EchoApi, redis: RedisServer, tmp_path: Path
) -> None:
    issuer = HostileIssuer()
    await issuer.start()
    said = {"sub": "alice", "email": "alice@secret.example", "groups": ["staff"]}
    issuer.response(ME, json.dumps(said), headers={"Content-Type": "application/json"})
    (tmp_path / "secret").write_text(SECRET)
    config = written(
        tmp_path / "a.yaml",
        f"""
upstream: {api.url}
issuers:
  - {{issuer: "{issuer.url}", audience: "{issuer.audience}", userinfo: {{claims: [email, groups], endpoint: "{issuer.url}/me"}}}}
identity_headers: {{X-Email: email}}
routes: [{{path: /staff/*, claims: {{groups: staff}}}}, {{path: /admin/*, claims: {{groups: admin}}}}, {{path: /*}}]
store: {{url: "{redis.url}", secrets: [{{file: {tmp_path}/secret}}]}}
""",
    )
    token = issuer.access_token(email=None)
    async with serving(config=config) as one, serving(config=config) as other:
        for gateway in (one, other):
            await gateway.ready()
            for path, expected in (("/", 200), ("/staff/1", 200), ("/admin/1", 403)):
                status, body, _ = await gateway.ask(token, path=path)
                assert status == expected
                assert status == 403 or received(body)["x-email"] == "alice@secret.example"
        assert issuer.hits[ME] == 1
        for key in redis.ask("KEYS", "*"):
            value = redis.ask("GET", key) if redis.ask("TYPE", key) in {b"string", "string"} else b""
            assert not any(piece in key + value for piece in (b"alice", b"staff", token[:20].encode()))
        # A store that is gone costs a call, and nothing else.
        redis.kill()
        issuer.response(
            ME, json.dumps(said | {"email": "new@secret.example"}), headers={"Content-Type": "application/json"}
        )
        another = issuer.access_token(email=None, jti="another")
        status, body, _ = await other.ask(another)
        assert (status, received(body)["x-email"], issuer.hits[ME]) == (200, "new@secret.example", 2)
    assert b"alice@secret.example" not in one.output + other.output
    await issuer.stop()


async def test_an_opaque_token_is_asked_about_and_then_its_subject(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    (tmp_path / "client").write_text(SERVICE_SECRET)
    config = written(
        tmp_path / "a.yaml",
        f"""
upstream: {api.url}
issuers:
  - issuer: "{provider.issuer}"
    audience: "{API}"
    name: npm
    introspection: {{client_id: {SERVICE_CLIENT}, client_secret: {{file: {tmp_path}/client}}, require_audience: false}}
    userinfo: {{claims: [email, email_verified], on_failure: refuse}}
identity_headers: {{X-User-Id: sub, X-Email: email}}
routes: [{{path: /verified/*, claims: {{email_verified: true}}}}, {{path: /*}}]
""",
    )
    token = (await provider.login(nonce=None, resource=None, scope="openid email")).access_token
    silent = (await provider.login(nonce=None, resource=None, scope="openid")).access_token
    async with serving(config=config) as gateway:
        await gateway.ready()
        for _ in range(2):
            status, body, _ = await gateway.ask(token, path="/verified/1")
            assert status == 200
            assert (received(body)["x-user-id"], received(body)["x-email"]) == (SUBJECT, f"{SUBJECT}@example.test")
        # What it was not given the scope for, it is not told: no failure, and nothing to pass on.
        status, body, _ = await gateway.ask(silent)
        assert (status, "x-email" in received(body)) == (200, False)
        assert (await gateway.ask(silent, path="/verified/1"))[0] == 403
        assert 'gateway_userinfo_total{issuer="npm",result="ok"} 2.0' in (await gateway.admin("/metrics"))[1]
    code, said = await online(config)
    assert (
        f"ok       introspection of npm  {provider.issuer}/token/introspection takes the gateway's credentials, "
        "and does not know a token made up\n"
    ) in said
    assert code == 0
    (tmp_path / "client").write_text("the secret of somebody else")
    code, said = await online(config)
    assert code == 1
    assert "problem  introspection of npm  " in said
    assert "it refuses the gateway's own credentials (status 401 invalid_client)" in said
    assert "somebody else" not in said
