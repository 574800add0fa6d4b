"""Nothing waits for a reader: what it does not take is kept up to a bound, then dropped in whole lines."""

import contextlib
import fcntl
import io
import os
import pty
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.observe.outlet import Outlet, outlet_of

LINE = b"x" * 99 + b"\n"
PIPE = 4096


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """The smallest there is."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    try:
        yield reader, writer
    finally:
        _close(reader)
        _close(writer)


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%98d \n" % number for number in range(start, start + count)]


def test_what_is_taken_at_once_is_kept_nowhere() -> None:
    with pipe() as (reader, writer):
        outlet = Outlet(writer)
        assert outlet.write(LINE) == 0
        assert outlet.is_empty
        assert os.read(reader, 1000) == LINE
        outlet.close()


def test_what_nobody_takes_is_kept_then_dropped_in_whole_lines_and_the_rest_arrives_in_order() -> None:
    with pipe() as (reader, writer):
        outlet = Outlet(writer, most=3000)
        lines = numbered(100)
        dropped = [line for line in lines if outlet.write(line)]
        assert dropped == lines[-len(dropped) :]
        assert 100 - len(dropped) == (PIPE + 3000) // 100
        found = b""
        assert (found, outlet.is_empty) == (b"", False)
        while not outlet.is_empty:
            found += os.read(reader, 1000)
            outlet.retry()
        outlet.close()
        os.close(writer)
        while piece := os.read(reader, 1000):
            found += piece
        assert found.splitlines(keepends=True) == lines[: -len(dropped)]


def test_several_lines_at_a_time_are_counted_one_by_one() -> None:
    with pipe() as (_, writer):
        outlet = Outlet(writer, most=10)
        assert outlet.write(LINE * 3) == 3
        outlet.close()


def test_a_piece_that_a_pipe_takes_half_of_goes_on_where_it_ended() -> None:
    with pipe() as (reader, writer):
        outlet = Outlet(writer)
        lines = b"".join(numbered(100))
        assert outlet.write(lines) == 0
        assert not outlet.is_empty
        taking = threading.Thread(target=lambda: found.append(_all(reader)))
        found: list[bytes] = []
        taking.start()
        assert outlet.close(seconds=10) == 0
        os.close(writer)
        taking.join()
        assert found == [lines]


def _all(reader: int) -> bytes:
    found = b""
    while piece := os.read(reader, 500):
        found += piece
    return found


def test_at_the_end_nobody_is_waited_for_longer_than_allowed() -> None:
    with pipe() as (_, writer):
        outlet = Outlet(writer)
        assert [outlet.write(line) for line in numbered(100)] == [0] * 100
        assert outlet.close(seconds=0.05) == 100 - PIPE // 100
        assert outlet.close(seconds=0.05) == 0


def test_the_descriptor_of_others_goes_on_waiting() -> None:
    with pipe() as (_, writer):
        outlet = Outlet(writer)
        assert os.get_blocking(writer)
        outlet.close()
        assert os.get_blocking(writer)


def test_a_pipe_of_another_user_is_made_one_that_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in some containers: it may be written to, and not opened."""

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(path)

    with pipe() as (reader, writer):
        with monkeypatch.context() as of_another_user:
            of_another_user.setattr(os, "open", refuse)
            outlet = Outlet(writer, most=1000)
        assert sum(outlet.write(LINE) for _ in range(100)) > 0
        assert os.read(reader, 100) == LINE
        outlet.close()


def test_a_reader_that_is_gone_is_an_error() -> None:
    with pipe() as (reader, writer):
        outlet = Outlet(writer)
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            outlet.write(LINE)
        assert outlet.close() == 1


def test_a_pipe_that_lost_its_reader_before_is_no_reason_not_to_start() -> None:
    with pipe() as (reader, writer):
        os.close(reader)
        outlet = Outlet(writer)
        with pytest.raises(BrokenPipeError):
            outlet.write(LINE)
        outlet.close()


def test_a_socket_is_not_waited_for_either() -> None:
    """Standard output of a service under systemd."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outlet = Outlet(ours.fileno(), most=10_000)
        dropped = sum(outlet.write(LINE * 100) for _ in range(100))
        assert dropped > 0
        assert ours.getblocking()
        found = b""
        while not outlet.is_empty:
            found += theirs.recv(65536)
            outlet.retry()
        outlet.close()
        ours.close()
        while piece := theirs.recv(65536):
            found += piece
        assert found == LINE * (10_000 - dropped)


def test_a_terminal_that_somebody_holds_is_not_waited_for() -> None:
    controller, terminal = pty.openpty()
    try:
        outlet = Outlet(terminal, most=1000)
        assert sum(outlet.write(LINE) for _ in range(1000)) > 0
        outlet.close()
    finally:
        os.close(controller)
        os.close(terminal)


def test_a_file_is_written_behind_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    with path.open("ab") as file:
        outlet = Outlet(file.fileno())
        assert outlet.write(LINE) == 0
        assert outlet.close() == 0
    assert path.read_bytes() == b"before\n" + LINE


def test_what_is_no_file_of_the_system_has_no_outlet() -> None:
    assert outlet_of(io.StringIO()) is None


def test_it_says_what_it_keeps() -> None:
    with pipe() as (_, writer):
        outlet = Outlet(writer)
        assert repr(outlet) == "<Outlet 0 bytes kept>"
        outlet.close()
