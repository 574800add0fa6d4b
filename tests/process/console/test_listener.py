"""Over a network the console speaks TLS, with the certificate of now; on loopback it needs none; a secret is followed."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from gateway.core.config.console import ConsoleSection, Operators
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.tls import ListenerTls
from gateway.process.console.key import ask_key
from gateway.process.console.listener import operators_secret
from gateway.process.secure import INTERVAL
from tests.process.console.asking import Asking
from tests.process.console.conftest import Opened
from tests.relay.client.secured import Files
from tests.relay.upstream.test_dialing import Authority
from tests.wire import Start


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


async def test_another_address_than_loopback_has_tls_with_the_certificate_of_now(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    files = Files(tmp_path, authority.issue("127.0.0.1", label="first"), authority.file)
    socket = str(tmp_path / "console.sock")
    gateway = await start(
        listener_tls=ListenerTls(certificate=str(files.certificate), key=str(files.key)),
        console=ConsoleSection(address="0.0.0.0:0", hosts=("ops.example",), socket=socket),
    )
    url, key = await asyncio.to_thread(ask_key, ConsoleSection(address="127.0.0.1:0", socket=socket), {})
    assert url.startswith("https://ops.example:")
    trust = ssl.create_default_context(cafile=authority.file)
    here = url.replace("ops.example", "127.0.0.1")
    serials = set()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}", "Connection": "close"}) as session:
        for label in ("second", "third"):
            async with session.get(f"{here}api/status", ssl=trust) as response:
                assert response.status == 200
                assert response.connection is None or response.connection.transport is not None
                (certificate,) = (await response.json())["certificates"]
                serials.add(certificate["ends_at"])
            files.put(*authority.issue("127.0.0.1", label=label, days=30 + len(serials)))
            assert gateway.gateway._secure is not None
            gateway.gateway._secure.look(INTERVAL * 10**9 * len(serials))
        async with session.get(f"{here}api/status", ssl=trust) as response:
            assert response.status == 200
    host, port = here.removeprefix("https://").strip("/").split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    shown = writer.get_extra_info("peercert")["notAfter"]
    writer.close()
    assert gateway.gateway._secure is not None
    assert ssl.cert_time_to_seconds(shown) == pytest.approx(gateway.gateway._secure.ends_at, abs=2)


async def test_it_listens_on_a_socket_as_well(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "console.http"
    console = await opened({"address": f"unix:{path}"})
    assert console.url == f"unix:{path}"
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://localhost/api/status", headers={"Authorization": f"Bearer {console.key}"}) as response,
    ):
        assert response.status == 200


async def test_it_listens_on_ipv6(opened: Opened) -> None:
    console = await opened({"address": "[::1]:0"})
    assert console.url.startswith("http://[::1]:")
    assert (await console.ask("/api/status")).status == 200


def test_of_all_secrets_the_console_has_its_own() -> None:
    secret, other = Secret(env="A"), Secret(env="B")
    section = ConsoleSection(address="127.0.0.1:0", operators=Operators(secret=secret))
    config = Config(issuers=(), console=section)
    assert operators_secret(config, {secret: "a", other: "b"}) == {secret: "a"}
    assert operators_secret(Config(issuers=(), console="127.0.0.1:0"), {other: "b"}) == {}
    assert Asking.__name__
