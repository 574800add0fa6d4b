"""The examples of deploy/ with the real programs: who gets through, what reaches a client that does not, and who lies."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from proxies import CADDY, ENVOY, ENVOY_GRPC, NGINX, Asking, Program, asking, decisions_file

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from gateway.settings.settings import load
from tests.wire import Message, RawClient

DEAD_ISSUER = "http://127.0.0.1:1"
IDENTITY = ("x-user-id", "x-client-id", "x-token-scopes")
CALLER = ["alice", "demo-client", "read:orders"]
DENIED = 'Bearer realm="api", error='
#: in the loop of the module, where the programs of `world` are
IN_THAT_WORLD = pytest.mark.asyncio(loop_scope="module")


@dataclass
class World:
    """One proxy, what it asks and what it forwards to."""

    program: Program
    proxy: Asking
    issuer: DemoIssuer
    dead: DemoIssuer

    def token(self, kind: str) -> str:
        match kind:
            case "good":
                return self.issuer.access_token()
            case "writer":
                return self.issuer.access_token(scope="write:orders")
            case "machine":
                return self.issuer.access_token(sub=None)
            case "ID token":
                return self.issuer.id_token()
            case "no scope":
                return self.issuer.access_token(scope="other")
            case "dead issuer":
                return self.dead.access_token()
        raise ValueError(kind)

    async def ask(
        self, kind: str | None, *lines: str, method: str = "GET", target: str = "/orders/1", body: bytes = b""
    ) -> Message:
        head = [f"{method} {target} HTTP/1.1", "Host: api.test", *lines]
        if kind is not None:
            token = self.token(kind)
            self.proxy.gateway.secrets.append(token)
            head.append(f"Authorization: Bearer {token}")
        client = await RawClient.connect(self.proxy.address)
        try:
            return await client.ask("\r\n".join([*head, "", ""]).encode() + body, method)
        finally:
            await client.close()


@asynccontextmanager
async def a_world(program: Program, directory: Path) -> AsyncIterator[World]:
    issuer, api = DemoIssuer(), EchoApi()
    await issuer.start()
    await api.start()
    config = decisions_file(directory, api=api.url, issuer=issuer.url, dead_issuer=DEAD_ISSUER)
    async with asking(program, directory, config=config, api=api.url) as proxy:
        yield World(program, proxy, issuer, DemoIssuer(url=DEAD_ISSUER))
    await api.stop()
    await issuer.stop()


# Programs take seconds to start: each proxy serves every test that leaves it as it was.
@pytest_asyncio.fixture(
    params=[NGINX, CADDY, ENVOY, ENVOY_GRPC], ids=lambda program: program.name, scope="module", loop_scope="module"
)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with a_world(request.param, tmp_path_factory.mktemp("deploy")) as world:
        yield world


def received(response: Message) -> list[tuple[str, str]]:
    """The header lines that the API got."""
    assert response.status == 200, response
    return [(name.lower(), value) for name, value in json.loads(response.body)["headers"]]


def identity(response: Message) -> list[str]:
    """What the API got as identity headers; to many an API an empty header is none."""
    lines = received(response)
    assert all(len([name for name, _ in lines if name == header]) <= 1 for header in IDENTITY)
    return [dict(lines).get(header, "") for header in IDENTITY]


def one(response: Message, name: bytes) -> str:
    values = response.values(name)
    assert len(values) <= 1, values
    return values[0].decode() if values else ""


@IN_THAT_WORLD
async def test_an_access_token_gets_through_with_its_identity_and_without_the_token(world: World) -> None:
    response = await world.ask("good", target="/orders/1?x=%2F&y=a+b")
    assert identity(response) == CALLER
    assert "authorization" not in dict(received(response))
    assert json.loads(response.body)["target"] == "/orders/1?x=%2F&y=a+b"
    assert json.loads((await world.ask("writer", "Content-Length: 5", method="POST", body=b"hello")).body)[
        "body_bytes"
    ] == 5  # fmt: skip
    chunked = await world.ask("writer", "Transfer-Encoding: chunked", method="PUT", body=b"2\r\nhi\r\n0\r\n\r\n")
    assert json.loads(chunked.body)["body_bytes"] == 2
    assert (await world.ask("good", method="HEAD")).status == 200
    assert identity(await world.ask(None, target="/health")) == ["", "", ""]


@IN_THAT_WORLD
async def test_a_refusal_reaches_the_client_as_the_page_promises(world: World) -> None:
    table = [
        (None, "GET", "/orders/1", 401, "missing_credential", 'Bearer realm="api"'),
        ("ID token", "GET", "/orders/1", 401, "id_token", f'{DENIED}"invalid_token"'),
        ("no scope", "GET", "/orders/1", 403, "insufficient_scope", f'{DENIED}"insufficient_scope"'),
        ("good", "POST", "/orders/1", 403, "insufficient_scope", f'{DENIED}"insufficient_scope"'),
        ("good", "GET", "/orders/%2e%2e/health", 400, "ambiguous_path", ""),
        ("good", "GET", "/orders/a%2Fb", 400, "ambiguous_path", ""),
        ("good", "GET", "/nothing", 404, "no_route", ""),
        ("good", "DELETE", "/orders/1", 405, "method_not_allowed", ""),
    ]
    for kind, method, target, status, reason, challenge in table:
        response = await world.ask(kind, method=method, target=target)
        assert (response.status, response.problem["reason"]) == (status, reason), (method, target)
        assert one(response, b"X-Gateway-Reason") == reason
        assert one(response, b"WWW-Authenticate").startswith(challenge)
        assert bool(one(response, b"WWW-Authenticate")) == bool(challenge)
        assert one(response, b"Cache-Control") == ("no-store" if status == 401 else "")
        assert one(response, b"Allow") == ("GET, HEAD, POST, PUT" if status == 405 else "")
        assert one(response, b"Retry-After") == ""
        assert response.values(b"X-User-Id") == []
        assert ('scope="' in one(response, b"WWW-Authenticate")) == (status == 403)


@IN_THAT_WORLD
async def test_a_client_finds_what_is_published_of_a_resource(world: World) -> None:
    well_known = "/.well-known/oauth-protected-resource"
    response = await world.ask(None, target="/mcp")
    assert response.status == 401
    found = f'scope="tools", resource_metadata="https://api.test{well_known}/mcp"'
    assert one(response, b"WWW-Authenticate") == f'Bearer realm="api", {found}'
    for target in (f"{well_known}/mcp", well_known):
        response = await world.ask(None, target=target)
        assert response.status == 200
        assert json.loads(response.body)["resource"] == "https://api.test/mcp"
        assert one(response, b"Access-Control-Allow-Origin") == "*"
    # Nothing else gets through there: the gateway judges that as anything.
    for target in (f"{well_known}/orders", f"{well_known}x", "/.gateway/backchannel-logout/x"):
        response = await world.ask("good", target=target)
        assert (response.status, response.problem["reason"]) == (404, "no_route")
    for target in (f"{well_known}/../../orders/1", "/.gateway/backchannel-logout/../../orders/1"):
        response = await world.ask(None, target=target)
        assert response.status in {400, 401}


@IN_THAT_WORLD
async def test_a_malformed_credential_is_400_with_a_challenge(world: World) -> None:
    response = await world.ask(None, "Authorization: Bearer a b")
    assert (response.status, response.problem["reason"]) == (400, "malformed_credential")
    assert one(response, b"WWW-Authenticate").startswith(f'{DENIED}"invalid_request"')


@IN_THAT_WORLD
async def test_an_issuer_that_is_down_is_503_with_retry_after(world: World) -> None:
    response = await world.ask("dead issuer")
    # Envoy drops what an authorizer says with a 5xx.
    reason = "gateway_unavailable" if world.program is ENVOY else "issuer_unavailable"
    assert (response.status, response.problem["reason"], one(response, b"X-Gateway-Reason")) == (503, reason, reason)
    assert int(one(response, b"Retry-After")) >= 1


@IN_THAT_WORLD
async def test_identity_headers_of_a_client_are_gone_also_when_the_claim_is_absent(world: World) -> None:
    forged = (
        "X-Gateway-Assertion: root",
        "X-User-Id: root",
        "x-user-id: admin",
        "X-Client-ID: root",
        "X-Token-Scopes: all",
    )
    assert identity(await world.ask("good", *forged)) == CALLER
    assert identity(await world.ask("machine", *forged)) == ["", "demo-client", "read:orders"]
    assert identity(await world.ask(None, *forged, target="/health")) == ["", "", ""]
    assert "root" not in dict(received(await world.ask("machine", *forged))).values()
    # A nomination as hop-by-hop takes nothing of ours away.
    nominated = await world.ask("good", "Connection: X-User-Id")
    assert nominated.status == 400 if world.program is CADDY else identity(nominated) == CALLER


@IN_THAT_WORLD
@pytest.mark.parametrize("name", ["X_User_Id", "x.user.id", "X-User+Id", "X_Token-Scopes"])
async def test_other_spellings_of_an_identity_header_never_arrive(world: World, name: str) -> None:
    for kind, target in (("good", "/orders/1"), ("machine", "/orders/1"), (None, "/health")):
        response = await world.ask(kind, f"{name}: root", target=target)
        if response.status == 400 and world.program is CADDY and "_" not in name:
            assert response.problem["reason"] == "bad_request"
        else:
            assert "root" not in [value for _, value in received(response)]


@IN_THAT_WORLD
async def test_a_client_cannot_claim_to_ask_for_something_else(world: World) -> None:
    forged = [
        f"{name}: {value}"
        for name, value in (
            ("X-Original-URI", "/health"), ("X-Original-URL", "/health"), ("X-Original-Method", "GET"),
            ("X-Original-Host", "other.test"), ("X-Forwarded-Uri", "/health"), ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Host", "other.test"), ("X-Forwarded-Proto", "https"),
        )
        # nginx hands this one to the gateway as it is.
        if not (world.program is NGINX and name == "X-Original-URL")
    ]  # fmt: skip
    response = await world.ask(None, *forged)
    assert (response.status, response.problem["reason"]) == (401, "missing_credential")
    response = await world.ask("good", *forged, method="DELETE")
    assert (response.status, response.problem["reason"]) == (405, "method_not_allowed")
    response = await world.ask("good", *forged)
    assert identity(response) == CALLER
    assert "/health" not in [value for _, value in received(response)]


@IN_THAT_WORLD
@pytest.mark.parametrize("line", ["X-HTTP-Method-Override: DELETE", "X-Rewrite-URL: /admin"])
async def test_headers_that_change_method_or_path_are_refused(world: World, line: str) -> None:
    response = await world.ask("good", line)
    if world.program is ENVOY_GRPC:
        # Over gRPC they are taken out, as on the traffic port.
        assert not {line.partition(":")[0].lower()} & dict(received(response)).keys()
    else:
        assert (response.status, response.problem["reason"]) == (400, "bad_request")


@pytest.mark.parametrize("program", [NGINX, CADDY, ENVOY, ENVOY_GRPC], ids=lambda program: program.name)
async def test_without_the_gateway_nobody_gets_through(program: Program, tmp_path: Path) -> None:
    async with a_world(program, tmp_path) as world:
        await world.proxy.gateway.stop()
        response = await world.ask("good")
        assert response.status == (502 if world.program is CADDY else 503)
        if world.program is not CADDY:
            assert (response.problem["status"], one(response, b"Retry-After")) == (503, "5")
        assert (await world.ask(None, target="/health")).status == response.status


def test_the_gateway_of_the_examples_is_sound() -> None:
    loaded = load(str(Path(__file__).parents[2] / "deploy" / "gateway.yaml"), {})
    assert loaded.config is not None
    assert loaded.problems == []


def with_hosts(config: str) -> str:
    """The same configuration with one path that is public on one host and protected on another."""
    path = Path(config)
    text = path.read_text()
    assert text.count("routes:\n") == 1
    by_host = """routes:
  - {path: /secret, hosts: [public.test], access: public}
  - {path: /secret, hosts: [admin.test], scopes: [admin]}
"""
    path.write_text(text.replace("routes:\n", by_host))
    return config


@pytest.mark.parametrize("program", [NGINX, CADDY, ENVOY, ENVOY_GRPC], ids=lambda program: program.name)
async def test_the_host_that_is_judged_is_the_host_that_the_api_serves(
    program: Program, issuer: DemoIssuer, api: EchoApi, tmp_path: Path
) -> None:
    config = with_hosts(decisions_file(tmp_path, api=api.url, issuer=issuer.url, dead_issuer=DEAD_ISSUER))
    async with asking(program, tmp_path, config=config, api=api.url) as proxy:

        async def ask(target: str, host: str) -> Message:
            client = await RawClient.connect(proxy.address)
            try:
                return await client.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            finally:
                await client.close()

        assert dict(received(await ask("/secret", "public.test")))["host"] == "public.test"
        assert (await ask("/secret", "admin.test")).status == 401
        for target, host in (("http://public.test/secret", "admin.test"), ("http://admin.test/secret", "public.test")):
            response = await ask(target, host)
            assert response.status != 200 or dict(received(response))["host"] == "public.test"
