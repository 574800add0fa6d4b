"""Addresses are bound once, connections are taken one by one, and none that was let in is lost at the end."""

import asyncio
import errno
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.addresses import parse_address
from gateway.process import listening
from gateway.process.listening import Acceptor, Bound, CannotStart, bind, bind_all
from tests.wire import PATIENCE, RawClient, until


class Greeter(asyncio.Protocol):
    """Says hello to whoever is let in."""

    met = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        Greeter.met += 1
        transport.write(b"hello")
        transport.close()


@asynccontextmanager
async def accepting(bound: Bound, at_once: int = listening.AT_ONCE) -> AsyncIterator[Acceptor]:
    acceptor = Acceptor(bound, Greeter, at_once=at_once)
    try:
        yield acceptor
    finally:
        await acceptor.close()
        bound.unlink()


@pytest.mark.parametrize("where", ["127.0.0.1:0", "[::1]:0", ":0", "localhost:0"])
@pytest.mark.parametrize("at_once", [1, 64])
async def test_whoever_comes_is_let_in(where: str, at_once: int) -> None:
    bound = bind(parse_address(where))
    async with accepting(bound, at_once):
        for client in [await RawClient.connect(bound.where) for _ in range(20)]:
            assert await client.rest() == b"hello"
            await client.close()
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(bound.where)


def test_an_address_is_written_as_a_person_would() -> None:
    for where, begins in (("127.0.0.1:0", "127.0.0.1:"), ("[::1]:0", "[::1]:"), (":0", "0.0.0.0:")):
        bound = bind(parse_address(where))
        assert bound.where.startswith(begins)
        assert not bound.where.endswith(":0")
        bound.close()


def _free_port() -> int:
    probe = bind(parse_address("127.0.0.1:0"))
    probe.close()
    return int(probe.where.rpartition(":")[2])


def test_every_interface_is_that_of_both_families() -> None:
    port = _free_port()
    bound = bind(parse_address(f":{port}"))
    assert {one.family for one in bound.sockets} == {socket.AF_INET, socket.AF_INET6}
    assert bound.where == f":{port}"
    bound.close()


@pytest.mark.parametrize("wrong", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_every_interface_is_ipv4_where_the_machine_has_no_ipv6(monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    class Machine(socket.socket):
        def __init__(self, family: int = -1, *rest: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(wrong, os.strerror(wrong))
            super().__init__(family, *rest)

    port = _free_port()
    monkeypatch.setattr(socket, "socket", Machine)
    bound = bind(parse_address(f":{port}"))
    assert [one.family for one in bound.sockets] == [socket.AF_INET]
    assert bound.where == f"0.0.0.0:{port}"
    bound.close()


def test_all_addresses_are_bound_or_none(tmp_path: Path) -> None:
    taken = bind(parse_address("127.0.0.1:0"))
    path = tmp_path / "s"
    with pytest.raises(CannotStart, match=f"cannot listen on {taken.where}: Address already in use"):
        bind_all((parse_address(f"unix:{path}"), parse_address(taken.where)))
    assert not path.exists()
    taken.close()


def test_what_a_killed_program_left_behind_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bind(parse_address(f"unix:{path}")).close()
    assert path.exists()
    again = bind(parse_address(f"unix:{path}"))
    again.close()
    again.unlink()
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(CannotStart):
        bind(parse_address(f"unix:{path}"))
    assert path.read_text() == "precious"


def test_who_may_connect_to_a_socket_is_said_behind_its_path(tmp_path: Path) -> None:
    group = 9999 if os.geteuid() == 0 else os.getgid()
    before = os.umask(0o077)
    try:
        for more, mode in (("", 0o700), ("?mode=0666", 0o666), ("?mode=600", 0o600), (f"?group={group}", 0o660)):
            bound = bind(parse_address(f"unix:{tmp_path / 's'}{more}"))
            assert bound.where == f"unix:{tmp_path / 's'}"
            found = (tmp_path / "s").stat()
            assert stat.S_IMODE(found.st_mode) == mode
            assert found.st_gid == (group if "group" in more else os.getgid())
            bound.close()
    finally:
        os.umask(before)


def test_a_socket_lets_nobody_in_before_its_group_and_mode_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    seen = []

    def look(*_: object) -> None:
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect(str(path))
        seen.append(path.exists())

    monkeypatch.setattr(os, "chown", look)
    monkeypatch.setattr(Path, "chmod", look)
    bind(parse_address(f"unix:{path}?mode=0600&group=0")).close()
    assert seen == [True, True]


def test_a_group_that_is_not_there_or_not_ours_to_give_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    with pytest.raises(CannotStart, match=f"^cannot listen on unix:{path}: there is no group of that name here$"):
        bind(parse_address(f"unix:{path}?group=no-such-group"))

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(CannotStart, match="Operation not permitted"):
        bind(parse_address(f"unix:{path}?group=0"))
    assert not path.exists()


def test_a_successor_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = bind(parse_address(f"unix:{path}"))
    second = bind(parse_address(f"unix:{path}"))
    for bound in (first, second):
        bound.close()
    first.unlink()
    assert path.exists()
    second.unlink()
    assert not path.exists()


async def test_inherited_sockets_are_accepted_on_and_not_unlinked(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = bind(parse_address(f"unix:{path}"))
    heir = Bound.inherited(bound.where, [os.dup(descriptor) for descriptor in bound.descriptors()])
    bound.close()
    async with accepting(heir):
        client = await RawClient.connect(heir.where)
        assert await client.rest() == b"hello"
        await client.close()
    assert path.exists()
    bound.unlink()


@pytest.mark.parametrize("where", ["127.0.0.1:0", "[::1]:0"])
async def test_who_is_turned_away_waits_and_who_was_let_in_stays(where: str) -> None:
    bound = bind(parse_address(where))
    queued = await RawClient.connect(bound.where)
    bound.turn_away()
    late = asyncio.create_task(RawClient.connect(bound.where))
    async with accepting(bound):
        assert await queued.rest() == b"hello"
        assert not late.done()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ConnectionRefusedError):
            await late
    await queued.close()


async def test_whoever_the_kernel_has_let_in_is_taken_before_the_end() -> None:
    bound = bind(parse_address("127.0.0.1:0"))
    acceptor = Acceptor(bound, Greeter, at_once=1)
    clients = [socket.create_connection(bound.sockets[0].getsockname()) for _ in range(50)]
    await acceptor.close()
    await acceptor.close()
    for client in clients:
        client.settimeout(PATIENCE)
        assert await asyncio.to_thread(client.recv, 10) == b"hello"
        client.close()


async def test_when_descriptors_run_out_it_goes_on_as_soon_as_there_are_some(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "PAUSE", 0.05)
    bound = bind(parse_address("127.0.0.1:0"))
    async with accepting(bound):
        client = socket.create_connection(bound.sockets[0].getsockname())
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno(), limits[1]))
        try:
            await until(lambda: caplog.records)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert caplog.records[0].getMessage() == f"no connection can be accepted for now: {os.strerror(errno.EMFILE)}"
        client.settimeout(PATIENCE)
        assert await asyncio.to_thread(client.recv, 10) == b"hello"
        client.close()
    assert len(caplog.records) == 1


async def test_who_vanishes_at_once_is_no_error() -> None:
    bound = bind(parse_address("127.0.0.1:0"))
    async with accepting(bound):
        for _ in range(20):
            client = await RawClient.connect(bound.where)
            client.reset()
        client = await RawClient.connect(bound.where)
        assert await client.rest() == b"hello"
        await client.close()
