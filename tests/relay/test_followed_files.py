"""Files that say how an API is reached may be renewed: what they hold now is used for the next connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.core.config.upstreams import UpstreamTls
from tests.relay.leaps import Leaps, leaping
from tests.relay.upstream.test_dialing import NAME, Authority, Secure, ask, secure
from tests.wire import OK, Conversation, RawClient, Running, Start, get

#: seconds within which a file is looked at again
SOON = 60.0
#: and within which a connection that was there before is replaced by one that knows of it
AGE = 320.0
CLOSING = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Leaps]:
    async with leaping() as leaps:
        yield leaps


@pytest.fixture
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Of what APIs show."""
    return Authority(tmp_path_factory.mktemp("apis"))


@pytest.fixture
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Of what gateways show."""
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


class Files:
    """The gateway's certificate and key, as they are mounted."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"
        self._authority = authority
        self.renew("first")

    def renew(self, name: str) -> None:
        certificate, key = self._authority.issue(NAME, label=name)
        for source, target in ((certificate, self.certificate), (key, self.key)):
            beside = target.with_suffix(".new")
            beside.write_bytes(source.read_bytes())
            beside.rename(target)


@asynccontextmanager
async def asking(ours: Authority, clients: Authority) -> AsyncIterator[tuple[Secure, list[str]]]:
    """An API that wants to see a certificate, and whose it saw on each connection."""
    seen: list[str] = []

    async def behave(upstream: Conversation) -> None:
        peer = upstream.writer.get_extra_info("peercert")
        seen.append(next(value for ((kind, value),) in peer["subject"] if kind == "commonName"))
        while True:
            await upstream.request()
            await upstream.say(it.upstream.response)

    async with secure(ours.issue("127.0.0.1"), clients=clients.file) as it:
        it.upstream.response = CLOSING
        it.upstream.behaviour = behave
        yield it, seen
        it.upstream.conversations.clear()


async def renewed(start: Start, it: Secure, ours: Authority, files: Files) -> Running:
    tls = UpstreamTls(ca_file=str(ours.file), certificate=str(files.certificate), key=str(files.key))
    return await start(upstream=it.url, tls=tls)


async def asked_for(clock: Leaps, gateway: Running, seconds: float) -> None:
    """A request every five seconds."""
    client: RawClient = await gateway.client()
    for _ in range(int(seconds / 5)):
        assert (await client.ask(get())).status == 200
        await clock.on(5)
        await _a_moment()
    assert (await client.ask(get())).status == 200


async def _a_moment() -> None:
    """Threads that read a file take their time, whatever the loop's."""
    await asyncio.sleep(0.005)


async def test_a_renewed_client_certificate_is_shown(
    clock: Leaps, start: Start, tmp_path: Path, ours: Authority, clients: Authority
) -> None:
    files = Files(tmp_path, clients)
    async with asking(ours, clients) as (it, seen):
        gateway = await renewed(start, it, ours, files)
        assert await ask(gateway) == b"ok"
        for name in ("second", "third"):
            files.renew(name)
            await asked_for(clock, gateway, SOON)
            assert seen[-1] == name


async def test_connections_in_use_come_to_know_of_it(
    clock: Leaps, start: Start, tmp_path: Path, ours: Authority, clients: Authority
) -> None:
    files = Files(tmp_path, clients)
    async with asking(ours, clients) as (it, seen):
        it.upstream.response = OK
        gateway = await renewed(start, it, ours, files)
        assert await ask(gateway) == b"ok"
        files.renew("second")
        await asked_for(clock, gateway, SOON + AGE)
        assert seen[0] == "first"
        assert seen[-1] == "second"


@pytest.mark.parametrize("spoilt", ["certificate", "key", "gone", "no pair", "empty"])
async def test_a_file_that_cannot_be_used_leaves_the_old_one_in_use_and_is_told_once(
    clock: Leaps, start: Start, tmp_path: Path, ours: Authority, clients: Authority, spoilt: str
) -> None:
    files = Files(tmp_path, clients)
    async with asking(ours, clients) as (it, seen):
        gateway = await renewed(start, it, ours, files)
        assert await ask(gateway) == b"ok"
        if spoilt == "certificate":
            files.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        elif spoilt == "key":
            files.key.write_text("nonsense")
        elif spoilt == "gone":
            files.certificate.unlink()
        elif spoilt == "no pair":
            files.key.write_bytes(clients.issue(NAME, label="other")[1].read_bytes())
        else:
            files.certificate.write_text("")
        await asked_for(clock, gateway, 3 * SOON)
        assert set(seen) == {"first"}
        told = [record["message"] for record in gateway.errors() if "tls." in record["message"]]
        assert len(told) == 1, gateway.errors()
        files.renew("second")
        await asked_for(clock, gateway, SOON)
        assert seen[-1] == "second"


async def test_a_renewed_authority_is_trusted_and_the_old_one_no_more(
    clock: Leaps, start: Start, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old, new = (Authority(tmp_path_factory.mktemp(name), name) for name in ("old", "new"))
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(old.file.read_bytes())
    async with secure(new.issue("127.0.0.1")) as it:
        it.upstream.response = CLOSING
        gateway = await start(upstream=it.url, tls=UpstreamTls(ca_file=str(trusted)))
        assert b"upstream_unreachable" in await ask(gateway)
        trusted.write_bytes(new.file.read_bytes())
        for _ in range(int(SOON / 5)):
            await clock.on(5)
            await _a_moment()
            await ask(gateway)
        assert await ask(gateway) == b"ok"
        it.upstream.conversations.clear()
    async with secure(old.issue("127.0.0.1")) as it:
        gateway = await start(upstream=it.url, tls=UpstreamTls(ca_file=str(trusted)))
        assert b"upstream_unreachable" in await ask(gateway)
        it.upstream.conversations.clear()


def test_what_is_followed_is_read_as_at_start(tmp_path: Path, ours: Authority) -> None:
    """The files of these tests are good ones."""
    files = Files(tmp_path, ours)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(files.certificate, files.key)
