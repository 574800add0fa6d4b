"""Tokens of a real provider that are bound to a client certificate: over TLS of the gateway's own, and behind nginx."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from oidc.provider import API, OidcProvider
from process import GatewayProcess, serving
from proxies import NGINX, free_port

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.relay.client.secured import Files
from tests.relay.upstream.test_dialing import Authority

#: seconds within which a file is looked at again
SOON = 30.0
#: of the client that asks for bound tokens: see server.mjs
CREDENTIALS = base64.b64encode(b"bound:a-secret-known-to-every-reader-of-this-file").decode()

Pair = tuple[Path, Path]


@dataclass
class World:
    """Authorities, the gateway's files, and two clients with certificates of their own."""

    servers: Authority
    files: Files
    ours: Pair
    others: Pair

    @classmethod
    def in_directory(cls, directory: Path) -> "World":
        servers, clients = Authority(directory), Authority(directory, "clients")
        ours, others = (clients.issue("client", label=name) for name in ("ours", "others"))
        mounted = directory / "mounted"
        mounted.mkdir()
        files = Files(mounted, servers.issue("127.0.0.1", label="first"), clients.file)
        return cls(servers, files, ours, others)

    def context(self, shows: Pair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.servers.file))
        if shows is not None:
            context.load_cert_chain(*shows)
        return context


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_directory(tmp_path)


async def asked(url: str, token: str | None, context: ssl.SSLContext) -> tuple[int, dict[str, Any]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=context) as response:
        return response.status, await response.json(content_type=None)


async def bound_token(provider: OidcProvider, world: World) -> str:
    """What the provider gives to a client that shows its certificate at the token endpoint."""
    endpoint = await provider.open_mtls(*world.servers.issue("127.0.0.1", label="provider"))
    form = {"grant_type": "client_credentials", "resource": API, "scope": "read:orders"}
    headers = {"Authorization": f"Basic {CREDENTIALS}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(endpoint, data=form, headers=headers, ssl=world.context(world.ours)) as response,
    ):
        token: str = (await response.json())["access_token"]
    claims = token.split(".")[1]
    assert "x5t#S256" in base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode()
    return token


@asynccontextmanager
async def program(directory: Path, *, api: str, more: str) -> AsyncIterator[GatewayProcess]:
    path = directory / "gateway.yaml"
    path.write_text(
        f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nupstream: {api}\nlimits: {{drain_delay: 0s, drain: 5s}}\n{more}"
    )
    (directory / "metrics").mkdir(exist_ok=True)
    env = {"PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics")}
    async with serving(config=str(path), env=env) as gateway:
        await gateway.ready()
        yield gateway


def tls(world: World, asks: str = "optional") -> str:
    files = world.files
    return (
        f"tls: {{certificate: {files.certificate}, key: {files.key}, client_ca: {files.client_ca}, "
        f"client_certificates: {asks}}}\n"
    )


async def test_a_bound_token_of_a_real_provider_at_the_gateways_own_tls(
    provider: OidcProvider, api: EchoApi, world: World, tmp_path: Path
) -> None:
    token = await bound_token(provider, world)
    more = f"issuers: [{{issuer: {provider.issuer}, audience: {API}}}]\n{tls(world)}"
    async with program(tmp_path, api=api.url, more=more) as gateway:
        gateway.secrets.append(token)
        url = gateway.url.replace("http://", "https://") + "/orders"
        status, body = await asked(url, token, world.context(world.ours))
        assert (status, dict(body["headers"])["X-Forwarded-Proto"]) == (200, "https")
        status, body = await asked(url, token, world.context(world.others))
        assert (status, body["reason"]) == (401, "proof_mismatch")
        status, body = await asked(url, token, world.context())
        assert (status, body["reason"]) == (401, "proof_required")
        # Tokens that are bound to nothing ask for nothing.
        status, _ = await asked(url, await provider.client_credentials(API), world.context())
        assert status == 200


async def test_a_bound_token_of_a_real_provider_behind_nginx(
    provider: OidcProvider, api: EchoApi, world: World, tmp_path: Path
) -> None:
    token = await bound_token(provider, world)
    more = (
        f"issuers: [{{issuer: {provider.issuer}, audience: {API}}}]\ntrusted_proxies: [127.0.0.1]\n"
        "client_certificate_header: {name: Client-Cert, format: pem}\n"
    )
    async with program(tmp_path, api=api.url, more=more) as gateway:
        gateway.secrets.append(token)
        port = free_port()
        example = tmp_path / "mtls.conf"
        example.write_text(
            f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {world.files.certificate}; "
            f"ssl_certificate_key {world.files.key}; ssl_verify_client optional_no_ca; "
            f"location / {{ proxy_pass {gateway.url}; proxy_set_header Client-Cert $ssl_client_escaped_cert; }} }}\n"
        )
        nginx = await asyncio.create_subprocess_exec(*NGINX.command(tmp_path, example))
        try:
            url = f"https://127.0.0.1:{port}/orders"
            status, body = await _when_it_listens(url, token, world.context(world.ours))
            assert (status, "client-cert" in {name.lower() for name, _ in body["headers"]}) == (200, False)
            status, body = await asked(url, token, world.context(world.others))
            assert (status, body["reason"]) == (401, "proof_mismatch")
            status, body = await asked(url, token, world.context())
            assert (status, body["reason"]) == (401, "proof_required")
            # What a client writes itself, nginx replaces.
            async with (
                aiohttp.ClientSession() as session,
                session.get(
                    url,
                    headers={
                        "Authorization": f"Bearer {token}",
                        "Client-Cert": world.ours[0].read_text().replace("\n", " "),
                    },
                    ssl=world.context(world.others),
                ) as response,
            ):
                assert (await response.json(content_type=None))["reason"] == "proof_mismatch"
        finally:
            nginx.kill()
            await nginx.wait()


async def _when_it_listens(url: str, token: str, context: ssl.SSLContext) -> tuple[int, dict[str, Any]]:
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await asked(url, token, context)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


async def _serial(port: int, context: ssl.SSLContext) -> str:
    """Of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    serial: str = writer.get_extra_info("peercert")["serialNumber"]
    writer.transport.abort()
    return serial


async def test_a_certificate_is_renewed_under_load_without_a_failed_request(
    issuer: DemoIssuer, api: EchoApi, world: World, tmp_path: Path
) -> None:
    more = f"workers: 2\nissuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]\n{tls(world)}"
    async with program(tmp_path, api=api.url, more=more) as gateway:
        for place in range(2):
            await gateway.wait_for(f"worker {place} serves")
        token = issuer.access_token()
        gateway.secrets.append(token)
        url = gateway.url.replace("http://", "https://") + "/orders"
        port = int(gateway.url.rpartition(":")[2])
        context = world.context(world.ours)
        first = await _serial(port, context)
        served: list[int] = []
        is_over = asyncio.Event()

        async def ask_on(*, reuses: bool) -> None:
            connector = aiohttp.TCPConnector(ssl=context, force_close=not reuses)
            async with aiohttp.ClientSession(connector=connector) as session:
                while not is_over.is_set():
                    async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
                        served.append(response.status)
                    await asyncio.sleep(0.01)

        load = [asyncio.create_task(ask_on(reuses=bool(number % 2))) for number in range(4)]
        world.files.put(*world.servers.issue("127.0.0.1", label="second", days=30))
        async with asyncio.timeout(SOON):
            # Both workers: of so many connections in a row each gets some.
            row = 0
            while row < 20:
                row = row + 1 if await _serial(port, context) != first else 0
                await asyncio.sleep(0.02)
        is_over.set()
        await asyncio.gather(*load)
        assert set(served) == {200}
        assert len(served) > 50
        assert gateway.output.decode().count("new files of tls are in use: certificate, key") == 2
        _, page = await gateway.admin("/metrics")
        assert 'gateway_tls_certificate_expiry_timestamp_seconds{listener="listen"}' in page


async def test_clients_that_never_begin_to_speak_tls_shut_nobody_out(
    issuer: DemoIssuer, api: EchoApi, world: World, tmp_path: Path
) -> None:
    more = f"issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]\n{tls(world, 'required')}"
    async with program(tmp_path, api=api.url, more=more) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        url = gateway.url.replace("http://", "https://") + "/orders"
        token = issuer.access_token()
        gateway.secrets.append(token)
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1500)]
        for _, writer in silent[::2]:
            writer.write(b"\x16\x03\x01\x02\x00\x01")
        for _ in range(20):
            status, _body = await asked(url, token, world.context(world.ours))
            assert status == 200
        # A tenth of limits.connections, which is 10,000, may be silent.
        ended = [reader.at_eof() or reader.exception() is not None for reader, _ in silent]
        assert sum(ended) >= 500
        assert not ended[-1]
        for _, writer in silent:
            writer.transport.abort()
