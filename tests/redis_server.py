"""A real Redis of Debian in a folder of its own, on loopback or a socket; ended with its test.

    def test_it(redis: RedisServer) -> None: ...  # the fixture, which every test may ask for
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-lru") as server: ...

`server.section()` is the `store` of a configuration that uses it, with SECRET for whatever reads secrets;
`server.yaml()` the same as a line of a configuration file.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.core.config.secret import Secret
from gateway.core.config.store import StoreSection

#: seconds
_STARTS = 10.0
SECRET = "0123456789abcdef0123456789abcdef"
#: of servers: below what Linux gives to connections
PORTS: Final = (16_000, 32_000)


def free_port() -> int:
    """One on loopback that nobody has now, and that no connection is given: those are given higher ones.

    The port of a cluster's members is 10,000 higher.
    """
    while True:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(*PORTS)))
            return int(listener.getsockname()[1])


def program(name: str) -> str:
    """Where it is. Where it is not the test is skipped, which in CI is a failure."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (tests/system_packages.sh)")
    return found


@dataclass
class RedisServer:
    """One process."""

    folder: Path
    port: int
    options: Sequence[str] = ()
    #: of a socket instead of the port
    path: Path | None = None
    name: str = "redis-server"
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """As `store.url` has it."""
        return f"redis://127.0.0.1:{self.port}/0" if self.path is None else f"unix:{self.path}"

    def start(self) -> None:
        """Starts it, and waits until it listens. What was in memory is forgotten: nothing is saved."""
        where = ["--port", str(self.port)] if self.path is None else ["--port", "0", "--unixsocket", str(self.path)]
        arguments = [program(self.name)]
        if self.options and not self.options[0].startswith("--"):
            # A file of configuration, which some only take so.
            arguments += self.options
        else:
            arguments += [*where, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self.options]
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(arguments, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + _STARTS
        while True:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / f"{self.port}.log").read_text()
            with contextlib.suppress(OSError):
                if self.path is None:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                else:
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(str(self.path))
                return
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.005)

    def kill(self) -> None:
        """SIGKILL, and gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: it takes connections and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *parts: str | bytes, before: Sequence[Sequence[str | bytes]] = ()) -> Any:
        """What it says to one command (RESP2) over a connection of its own; `before`: commands such as AUTH."""
        address: Any = ("127.0.0.1", self.port) if self.path is None else str(self.path)
        with socket.socket(socket.AF_INET if self.path is None else socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(address)
            reader = client.makefile("rb")
            for command in (*before, parts):
                encoded = [part.encode() if isinstance(part, str) else part for part in command]
                client.sendall(
                    b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in encoded)
                )
                response = _read(reader)
            return response

    def dump(self) -> dict[bytes, Any]:
        """Every key and all that stands under it."""
        found: dict[bytes, Any] = {}
        for key in self.ask("KEYS", "*"):
            kind = self.ask("TYPE", key)
            found[key] = {
                b"string": lambda key: self.ask("GET", key),
                b"hash": lambda key: self.ask("HGETALL", key),
                b"zset": lambda key: self.ask("ZRANGE", key, "0", "-1", "WITHSCORES"),
                b"stream": lambda key: self.ask("XRANGE", key, "-", "+"),
                b"set": lambda key: self.ask("SMEMBERS", key),
                b"list": lambda key: self.ask("LRANGE", key, "0", "-1"),
            }[kind](key)
        return found

    def section(self, **keys: Any) -> StoreSection:
        """The section `store` that uses it; with further keys."""
        return StoreSection(url=self.url, secrets=(Secret(env="STORE_SECRET"),), **keys)

    def yaml(self, secret: Path | None = None) -> str:
        """The section `store` of a configuration, in one line. `secret`: the file with the secret; made where None."""
        if secret is None:
            secret = self.folder / "store-secret"
            secret.write_text(SECRET)
        return f'store: {{url: "{self.url}", secrets: [{{file: {secret}}}]}}'


def _read(reader: Any) -> Any:
    line = reader.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"$":
        length = int(rest)
        return None if length < 0 else reader.read(length + 2)[:-2]
    if kind == b"*":
        return None if int(rest) < 0 else [_read(reader) for _ in range(int(rest))]
    if kind == b":":
        return int(rest)
    if kind == b"-":
        raise RuntimeError(rest.decode())
    assert kind == b"+", line
    return rest


@contextlib.contextmanager
def redis_server(
    folder: Path, *options: str, path: Path | None = None, port: int | None = None, name: str = "redis-server"
) -> Iterator[RedisServer]:
    """A running one. `options`: as of redis-server, `--maxmemory 2mb`. `path`: of a socket, instead of a port."""
    server = RedisServer(folder, port or free_port(), options, path, name)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.go_on()
            server.kill()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One without password, on a port."""
    with redis_server(tmp_path) as server:
        yield server
