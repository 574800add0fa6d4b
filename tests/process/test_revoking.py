"""The socket beside the journal: who may use it, what it takes, and what comes of it for requests."""

import asyncio
import getpass
import os
import re
import stat
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.revocation import Revocation
from gateway.core.revocation.entry import Entry, parse_entry, written
from gateway.process import revoking
from gateway.process.app import Gateway
from gateway.process.listening import CannotStart
from gateway.process.revoking import Deed, RevokingSocket, open_journal, parse_response, request_of, user_name
from gateway.store.revocations import CannotRevoke
from tests.wire import PATIENCE, Running, Start, demo_issuer, until

ISS = "https://issuer.test"


def entry(value: str = "alice", **changes: Any) -> Entry:
    now = time.time()
    return Entry("subject", ISS, value, **{"until": now + 3600, "before": now + 5, **changes})


def request(**claims: Any) -> bytes:
    now = int(time.time())
    token = demo_issuer().access_token(alg="ES256", **{"iat": now, "exp": now + 600, **claims})
    return f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def tell(path: Path, raw: bytes) -> tuple[list[Entry], int]:
    reader, writer = await asyncio.open_unix_connection(f"{path}.sock")
    writer.write(raw)
    async with asyncio.timeout(PATIENCE):
        lines = (await reader.read()).splitlines(keepends=True)
    writer.close()
    return parse_response(lines)


async def ask(path: Path, deed: Deed, *entries: Entry) -> tuple[list[Entry], int]:
    return await tell(path, request_of(deed, entries))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "revoked"


async def serving(start: Start, path: Path) -> Running:
    return await start(revocation=Revocation(file=str(path)))


async def test_what_is_revoked_over_the_socket_is_refused_at_once_and_after_a_restart(
    start: Start, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await serving(start, path)
    assert await asyncio.to_thread(lambda: stat.S_IMODE(os.lstat(f"{path}.sock").st_mode)) == 0o600
    client, good = await gateway.client(), request()
    assert (await client.ask(good)).status == 200
    assert await ask(path, "list") == ([], 0)
    assert await ask(path, "add", entry(reason="laptop lost")) == ([], 1)
    assert await ask(path, "add", entry(before=1.0, until=2.0)) == ([], 0)
    refused = await client.ask(good)
    assert (refused.status, refused.problem["reason"]) == (401, "token_revoked")
    assert (await client.ask(request(iat=time.time() + 10))).status == 200
    record = await gateway.ended(2)
    assert re.fullmatch(r"its subject was revoked \d+ s ago: laptop lost", record["evidence"])
    listed, count = await ask(path, "list")
    assert (count, listed[0].who, listed[0].reason) == (1, getpass.getuser(), "laptop lost")
    assert "revoked: a subject of https://issuer.test; by " in gateway.stderr.getvalue()
    gateway.silent_about("alice")
    metrics = (await gateway.admin("/metrics")).body.decode()
    assert 'gateway_revocations{kind="subject"} 1.0' in metrics
    assert 'gateway_revocations_added_total{kind="subject",source="command"} 1.0' in metrics
    await gateway.stop()
    assert not await asyncio.to_thread(os.path.exists, f"{path}.sock")
    again = await serving(start, path)
    client = await again.client()
    assert (await client.ask(good)).status == 401
    assert await ask(path, "lift", entry()) == ([], 1)
    assert await ask(path, "lift", entry()) == ([], 0)
    assert (await client.ask(good)).status == 200


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b"fly\n\n", "the request is none"),
        (b"add\nx\n\n", "JSON"),
        (b'add\n{"kind":"subject"}\n\n', "until is no time"),
        (b"list\n" + (written(entry()) + b"\n") * 65 + b"\n", "the request has no end"),
    ],
)
async def test_what_is_no_request_changes_nothing(start: Start, path: Path, raw: bytes, wrong: str) -> None:
    gateway = await serving(start, path)
    with pytest.raises(CannotRevoke, match=wrong):
        await tell(path, raw)
    assert gateway.gateway.assembly.revocations is not None
    assert gateway.gateway.assembly.revocations.is_empty


async def test_a_line_without_end_is_not_read_to_its_end(start: Start, path: Path) -> None:
    await serving(start, path)
    with pytest.raises((ValueError, ConnectionError)):
        await tell(path, b"add\n" + b"x" * (1 << 20))
    assert await ask(path, "list") == ([], 0)


async def test_who_says_nothing_or_leaves_keeps_nobody(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revoking, "PATIENCE", 0.05)
    await serving(start, path)
    with pytest.raises(CannotRevoke, match="did not arrive in time"):
        await tell(path, b"add\n")
    _, writer = await asyncio.open_unix_connection(f"{path}.sock")
    writer.write(b"add\n")
    writer.close()
    held = [await asyncio.open_unix_connection(f"{path}.sock") for _ in range(revoking.CONNECTIONS + 3)]
    for reader, writer in held:
        assert await reader.read() in {b"", b"wrong the request did not arrive in time\n"}
        writer.close()
    assert await ask(path, "list") == ([], 0)


async def test_a_full_disk_is_told(start: Start, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await serving(start, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotRevoke, match="the journal cannot be written: No space left on device"):
        await ask(path, "add", entry())
    monkeypatch.undo()
    assert await ask(path, "list") == ([], 0)


async def test_a_long_list_lets_others_have_their_turn(start: Start, path: Path) -> None:
    gateway = await serving(start, path)
    assert gateway.gateway.assembly.revocations is not None
    gateway.gateway.assembly.revocations.take((entry(str(number)) for number in range(2500)), source="store")
    listed, count = await ask(path, "list")
    assert len(listed) == count == 2500


async def test_two_gateways_cannot_have_one_journal(start: Start, path: Path) -> None:
    gateway = await serving(start, path)
    with pytest.raises(CannotStart, match=r"^revocation\.file names a file that another gateway has open"):
        await Gateway(gateway.gateway._config).start()
    assert await ask(path, "list") == ([], 0)


async def test_a_socket_that_cannot_be_is_a_reason_not_to_start(start: Start, path: Path) -> None:
    gateway = await start()
    await asyncio.to_thread(os.mkdir, f"{path}.sock")
    config = msgspec.structs.replace(gateway.gateway._config, revocation=Revocation(file=str(path)))
    for _ in range(2):
        # What had been opened is let go of.
        with pytest.raises(CannotStart, match=r"cannot listen on unix:.*\.sock"):
            await Gateway(config).start()


async def test_without_a_journal_there_is_no_socket() -> None:
    config = Config(issuers=(Issuer(issuer=ISS, audience="a"),))
    assert open_journal(config) is None
    assert await RevokingSocket.start(None, config) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("lines", [[], [b"hello\n"], [b"done x\n"], [written(entry()) + b"\n"]])
def test_what_is_no_response_is_none(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="before it said how that went"):
        parse_response(lines)


def test_a_user_whom_the_system_does_not_know_has_a_number() -> None:
    assert user_name(os.getuid()) == getpass.getuser()
    assert user_name(4_000_000) == "user 4000000"
    assert parse_entry(written(entry(who=user_name(4_000_000)))).who == "user 4000000"


async def test_what_ends_is_forgotten_by_the_clock(start: Start, path: Path) -> None:
    gateway = await serving(start, path)
    await ask(path, "add", entry(until=time.time() + 0.01))
    revocations = gateway.gateway.assembly.revocations
    assert revocations is not None
    await until(lambda: revocations.is_empty)
