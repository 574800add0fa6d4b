"""The real program in front of a real API: identity, refusals, hostile requests, metrics, and the end."""

import asyncio
import base64
import hmac
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from joserfc.jwk import RSAKey
from process import serving, sidecar

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer, sign

AUDIENCE = "https://api.example.com"


def received(body: dict[str, list[list[str]]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in body["headers"]]


async def test_the_upstream_learns_who_is_calling_and_never_from_the_client(issuer: DemoIssuer, api: EchoApi) -> None:
    forged = {"X-User-Id": "root", "x_user_id": "root", "X.USER.ID": "root", "X-Token-Scopes": "all", "Proxy": "evil"}
    async with serving(env=sidecar(upstream=api.url, issuer=issuer.url, audience=AUDIENCE), anew=True) as gateway:
        await gateway.ready()
        status, body, headers = await gateway.ask(issuer.access_token(), path="/a//b?q=%2F", headers=forged)
    assert status == 200
    lines = received(body)
    assert body["target"] == "/a//b?q=%2F"
    assert [line for line in lines if line[0].startswith("x-user")] == [("x-user-id", "alice")]
    assert ("x-client-id", "demo-client") in lines
    assert ("x-token-scopes", "read:orders") in lines
    assert not {"authorization", "proxy", "x_user_id", "x.user.id"} & {name for name, _ in lines}
    assert headers["Server"].startswith("Python/")  # the upstream's own, as it sent it


async def test_claims_are_mapped_as_the_file_says(issuer: DemoIssuer, api: EchoApi, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"""
upstream: {api.url}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
issuers:
  - issuer: {issuer.url}
    audience: {AUDIENCE}
identity_headers:
  X-User-Email: email
  X-User-Name: /profile/name
  X-User-Roles: {{claim: https://example.com/roles, format: csv}}
  X-User-Claims: {{claims: all, format: json, encoding: base64url}}
log: {{format: text}}
""")
    claims: dict[str, Any] = {"profile": {"name": "Jürgen, 50%"}, "https://example.com/roles": ["a,b", "ü"]}
    token = issuer.access_token(**claims)
    async with serving(config=str(path)) as gateway:
        await gateway.ready()
        _, body, _ = await gateway.ask(token, headers={"X-User-Id": "root"})
    lines = dict(received(body))
    assert lines["x-user-email"] == "alice@example.com"
    assert lines["x-user-name"] == "J%C3%BCrgen, 50%25"
    assert lines["x-user-roles"] == "a%2Cb,%C3%BC"
    assert "x-user-id" not in lines


def with_public_key_as_secret(claims: dict[str, object], header: dict[str, object], public: bytes) -> str:
    """By hand, since joserfc refuses to sign like that."""
    unsigned = sign(claims, header, alg="none", key=None).rstrip(".")
    digest = hmac.digest(public, unsigned.encode(), "sha256")
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def hostile_tokens(issuer: DemoIssuer) -> dict[str, tuple[str, str]]:
    """A token and the reason of its refusal, by what is wrong with it."""
    good = issuer.access_token()
    header, payload, signature = good.split(".")
    claims = {
        "iss": issuer.url, "aud": AUDIENCE, "sub": "mallory", "scope": "read:orders", "exp": 4_000_000_000,
    }  # fmt: skip
    public = issuer.keys["RS256"].as_pem(private=False)
    stranger = RSAKey.generate_key(2048)
    kid = issuer.keys["RS256"].kid
    jwk = stranger.as_dict(private=False)
    return {
        "no signature": (f"{header}.{payload}.", "token_malformed"),
        "alg none": (sign(claims, {"alg": "none"}, alg="none", key=None) + "AA", "algorithm_not_allowed"),
        "the public key as secret": (
            with_public_key_as_secret(claims, {"alg": "HS256", "kid": kid}, public),
            "algorithm_not_allowed",
        ),
        "a stranger's key": (sign(claims, {"alg": "RS256", "kid": kid}, alg="RS256", key=stranger), "bad_signature"),
        "a key it brings along": (
            sign(claims, {"alg": "RS256", "jwk": jwk, "kid": kid}, alg="RS256", key=stranger),
            "bad_signature",
        ),
        "a changed payload": (f"{header}.{payload[:-2]}AA.{signature}", "token_malformed"),
        "zero signature": (
            issuer.mint(claims, alg="ES256").rsplit(".", 1)[0] + "." + "A" * 86,
            "bad_signature",
        ),
        "a kid of 10 kB": (issuer.mint(claims, header={"kid": "k" * 10_000}), "token_malformed"),
        "a kid that is a path": (issuer.mint(claims, header={"kid": "../../etc/passwd"}), "unknown_key"),
        "exp is true": (issuer.mint({**claims, "exp": True}), "token_malformed"),
        "exp is 1e300": (issuer.mint({**claims, "exp": 1e300}), "token_malformed"),
        "exp is text": (issuer.mint({**claims, "exp": "4000000000"}), "token_malformed"),
        "expired": (issuer.token("expired"), "token_expired"),
        "another API's": (issuer.token("wrong-audience"), "wrong_audience"),
        "an ID token": (issuer.id_token(aud=AUDIENCE), "id_token"),
        "bound to a key": (issuer.access_token(cnf={"jkt": "NzbLsXh8uDCcd7MNwrnNZpX0ak8ACQ"}), "proof_required"),
        "another issuer": (issuer.access_token(iss="https://evil.example"), "unknown_issuer"),
    }


async def test_hostile_tokens_are_refused_each_with_its_reason(issuer: DemoIssuer, api: EchoApi) -> None:
    async with serving(env=sidecar(upstream=api.url, issuer=issuer.url, audience=AUDIENCE)) as gateway:
        await gateway.ready()
        for what, (token, reason) in hostile_tokens(issuer).items():
            status, body, headers = await gateway.ask(token)
            assert (status, body["reason"]) == (401, reason), what
            assert body["detail"] in headers["WWW-Authenticate"], what
            assert "Server" not in headers


async def test_malformed_and_oversized_credentials_leave_no_trace(issuer: DemoIssuer, api: EchoApi) -> None:
    async with serving(env=sidecar(upstream=api.url, issuer=issuer.url, audience=AUDIENCE)) as gateway:
        await gateway.ready()
        token = issuer.access_token(padding="x" * 2000)
        gateway.secrets.append(token)
        large = (token * 9).encode()
        line = token.encode()
        for value, status in (
            (b"Authorization: Bearer " + line + b" " + line, 400),
            (b"Authorization: Bearer\t" + line, 400),
            (b"Authorization: Bearer " + line + b"\r\nAuthorization: Bearer " + line, 400),
            (b"Authorization: Bearer " + line + b", Bearer " + line, 400),
            (b"Authorization: Basic " + line, 401),
            (b"Authorization: " + line, 401),
            (b"Authorization : Bearer " + line, 400),
            (b"Authorization\x00: Bearer " + line, 400),
            (b"Authorization: Bearer " + line + b"\x00", 400),
            (b"Authorization: Bearer " + line + b"\n folded " + line, 400),
            (b"Authorization: Bearer " + large, 431),
            (b"Authorization: Bearer " + large * 3, 431),
        ):
            response = await gateway.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + value + b"\r\n\r\n")
            assert response.startswith(b"HTTP/1.1 %d " % status), value[:40]
            assert b'"reason": "' in response
            assert b"\r\nServer:" not in response
        response = await gateway.raw(b"GET /" + large + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 414 ")
        scraper = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        async with scraper, scraper.get(f"{gateway.admin_url}/metrics") as received:
            gateway.responses += await received.read()
        admin = gateway.admin_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(admin[0], int(admin[1]))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer " + line + b"\r\n\r\n")
        response = await reader.read()
        writer.close()
        assert response.startswith(b"HTTP/1.1 400 ")
        gateway.responses += response


async def test_an_upstream_that_is_down_is_502_and_an_issuer_that_is_down_is_503(issuer: DemoIssuer) -> None:
    token = issuer.access_token()
    env = sidecar(upstream="http://127.0.0.1:9", issuer=issuer.url, audience=AUDIENCE)
    async with serving(env=env) as gateway:
        await gateway.ready()
        status, body, headers = await gateway.ask(token)
        assert (status, body["reason"]) == (502, "upstream_unreachable")
        assert "WWW-Authenticate" not in headers
    await issuer.stop()
    async with serving(env=env) as gateway:
        status, body, headers = await gateway.ask(token)
        assert (status, body["reason"]) == (503, "issuer_unavailable")
        assert int(headers["Retry-After"]) >= 1
        async with aiohttp.ClientSession() as session, session.get(f"{gateway.admin_url}/readyz") as received:
            assert received.status == 503
            ready = await received.json()
        assert ready["ready"] is False
        assert ready["missing"][0]["issuer"] == "127.0.0.1"


async def test_promtool_finds_nothing_to_complain_of_in_the_metrics(issuer: DemoIssuer, api: EchoApi) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "make test installs it"
    async with serving(env=sidecar(upstream=api.url, issuer=issuer.url, audience=AUDIENCE)) as gateway:
        await gateway.ready()
        await gateway.ask(issuer.access_token())
        await gateway.ask()
        async with aiohttp.ClientSession() as session, session.get(f"{gateway.admin_url}/metrics") as received:
            metrics = await received.text()
    checker = await asyncio.create_subprocess_exec(
        promtool, "check", "metrics",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    complaints, _ = await checker.communicate(metrics.encode())
    assert (checker.returncode, complaints) == (0, b"")
    assert 'outcome="refused",reason="missing_credential",route="default",status="4xx"} 1.0' in metrics


async def test_sigterm_lets_a_running_request_end_and_exits_with_0(issuer: DemoIssuer) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(request: aiohttp.web.Request) -> aiohttp.web.Response:
        arrived.set()
        await release.wait()
        return aiohttp.web.json_response({"done": True})

    application = aiohttp.web.Application()
    application.router.add_route("*", "/{path:.*}", slow)
    runner = aiohttp.web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    env = sidecar(upstream=url, issuer=issuer.url, audience=AUDIENCE)
    async with serving(env=env) as gateway:
        await gateway.ready()
        asking = asyncio.create_task(gateway.ask(issuer.access_token()))
        await arrived.wait()
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.wait_for("draining")
        release.set()
        status, body, headers = await asking
        assert (status, body) == (200, {"done": True})
        assert headers["Connection"] == "close"
        assert await gateway.process.wait() == 0
    await runner.cleanup()


async def test_each_request_is_one_json_line_without_the_query(issuer: DemoIssuer, api: EchoApi) -> None:
    async with serving(env=sidecar(upstream=api.url, issuer=issuer.url, audience=AUDIENCE)) as gateway:
        await gateway.ready()
        await gateway.ask(issuer.access_token(), path="/orders?secret=1", headers={"X-Request-Id": "abc-1"})
        await gateway.ask(path="/orders?secret=1")
    lines = [json.loads(line) for line in gateway.output.decode().splitlines()]
    records = [line for line in lines if "outcome" in line]
    assert [(record["status"], record["path"], record["outcome"]) for record in records] == [
        (200, "/orders", "admitted"),
        (401, "/orders", "refused"),
    ]
    assert records[0]["request_id"] == "abc-1"
    assert "alice" not in gateway.output.decode()
    assert "secret" not in gateway.output.decode()


@pytest.mark.parametrize("variable", ["GATEWAY_SERVICE_HOST", "GATEWAY_PORT", "GATEWAY_PORT_8080_TCP_ADDR"])
async def test_what_kubernetes_invents_is_passed_over(issuer: DemoIssuer, api: EchoApi, variable: str) -> None:
    env = {**sidecar(upstream=api.url, issuer=issuer.url, audience=AUDIENCE), variable: "tcp://10.0.0.1:8080"}
    async with serving(env=env) as gateway:
        await gateway.ready()
    assert variable not in gateway.output.decode()
