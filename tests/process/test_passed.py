"""Sockets that were passed in are taken by name, judged, and left to listen when the program ends."""

import asyncio
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gateway.process.listening import Acceptor, Bound, CannotStart, bind_listeners
from gateway.process.passed import FIRST, take_passed
from tests.wire import PATIENCE, RawClient, config_for

#: where no descriptor of the tests is
PLACE = 700


class Passing:
    """What whoever starts the program does: sockets from PLACE on, and the variables."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.sockets: list[socket.socket] = []

    def listening(self, family: int = socket.AF_INET, where: object = ("127.0.0.1", 0)) -> socket.socket:
        made = self.stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        made.bind(where)  # type: ignore[arg-type]
        made.listen()
        return made

    def take(self, *passed: int, names: str | None = None, **variables: str) -> dict[str, Bound]:
        """What `take_passed` makes of these descriptors, whose copies it is handed."""
        for index, descriptor in enumerate(passed):
            os.dup2(descriptor, PLACE + index, inheritable=True)
            self.stack.callback(self._close, PLACE + index)
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(passed)), "PATH": "/", **variables}
        if names is not None:
            environ["LISTEN_FDNAMES"] = names
        try:
            return dict(take_passed(environ, first=PLACE))
        finally:
            assert environ == {"PATH": "/"}

    @staticmethod
    def _close(descriptor: int) -> None:
        with suppress(OSError):
            os.close(descriptor)


@pytest.fixture
def passing() -> Iterator[Passing]:
    it = Passing()
    with it.stack:
        yield it


def test_each_is_taken_by_its_name_and_inherited_by_nobody(passing: Passing, tmp_path: Path) -> None:
    one, path = passing.listening(), tmp_path / "s"
    unix = passing.listening(socket.AF_UNIX, str(path))
    abstract = passing.listening(socket.AF_UNIX, f"\0bearer-gateway-{os.getpid()}")
    found = passing.take(
        one.fileno(), unix.fileno(), abstract.fileno(), names="admin:listen:decisions", LISTEN_PIDFDID="7"
    )
    assert {name: bound.where for name, bound in found.items()} == {
        "admin": f"127.0.0.1:{one.getsockname()[1]}",
        "listen": f"unix:{path}",
        "decisions": f"unix:@bearer-gateway-{os.getpid()}",
    }
    for index, bound in enumerate(found.values()):
        assert not bound.is_ours
        assert bound.descriptors() == (PLACE + index,)
        assert fcntl.fcntl(PLACE + index, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        bound.close()
        bound.unlink()
    assert path.exists()
    assert FIRST == 3


@pytest.mark.parametrize("names", [None, "", "unknown", "bearer-gateway.socket", "listen"])
def test_a_single_one_without_a_name_is_for_traffic(passing: Passing, names: str | None) -> None:
    found = passing.take(passing.listening().fileno(), names=names)
    assert list(found) == ["listen"]
    found["listen"].close()


def test_what_is_accepted_on_it_is_asked_whether_it_lives(passing: Passing) -> None:
    found = passing.take(passing.listening(socket.AF_INET6, ("::1", 0)).fileno())
    assert found["listen"].where.startswith("[::1]:")
    assert found["listen"].sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    found["listen"].close()


def test_what_was_passed_to_somebody_else_is_left_alone(passing: Passing, caplog: pytest.LogCaptureFixture) -> None:
    assert passing.take(passing.listening().fileno(), LISTEN_PID="1") == {}
    assert "passed to another process (LISTEN_PID)" in caplog.text
    os.fstat(PLACE)
    assert take_passed({}) == {}
    assert passing.take() == {}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("listen:http", "of 2 sockets passed in, number 2 has a name that is none of listen, admin"),
        ("bearer-gateway.socket:admin", "number 1 has a name"),
        ("listen:listen", "two sockets named listen"),
        ("listen", "LISTEN_FDNAMES has 1 names for 2 sockets"),
        ("listen:admin:console", "LISTEN_FDNAMES has 3 names for 2 sockets"),
        (None, "number 1 has a name that is none of"),
    ],
)
def test_names_that_do_not_fit_are_told(passing: Passing, names: str | None, sentence: str) -> None:
    with pytest.raises(CannotStart, match=sentence):
        passing.take(passing.listening().fileno(), passing.listening().fileno(), names=names)


@pytest.mark.parametrize("count", ["many", "-1", "17", "9999999999", ""])
def test_a_number_that_is_none_is_told(passing: Passing, count: str) -> None:
    with pytest.raises(CannotStart, match="LISTEN_FDS must be a number of at most 16"):
        passing.take(LISTEN_FDS=count)


def test_what_is_no_listening_stream_socket_is_told(passing: Passing, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    good = passing.listening()
    with (
        socket.socket() as idle,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        (tmp_path / "file").open() as file,
    ):
        datagrams.bind(("127.0.0.1", 0))
        for descriptor, sentence in (
            (idle.fileno(), "as admin is no stream socket that listens"),
            (datagrams.fileno(), "as admin is no stream socket that listens"),
            (file.fileno(), "as admin is no socket"),
        ):
            with pytest.raises(CannotStart, match=sentence):
                passing.take(good.fileno(), descriptor, names="listen:admin")
    with pytest.raises(CannotStart, match=f"no descriptor {PLACE} was passed in"):
        passing.take(LISTEN_FDS="1")


def test_what_the_configuration_does_not_have_is_told(passing: Passing) -> None:
    config = config_for("http://127.0.0.1:9", "/nonexistent", admin="127.0.0.1:0")
    for name in ("decisions", "console"):
        found = passing.take(passing.listening().fileno(), names=name)
        with pytest.raises(CannotStart, match=f"a socket named {name} was passed in, and the configuration has no"):
            bind_listeners(config, found)
        found[name].close()


def test_it_takes_the_place_of_the_configured_address(passing: Passing, tmp_path: Path) -> None:
    config = config_for(
        "http://127.0.0.1:9", "/nonexistent", listen=f"unix:{tmp_path / 'unbound'}", decisions="127.0.0.1:0"
    )
    found = passing.take(passing.listening().fileno())
    listeners = bind_listeners(config, found)
    assert listeners.traffic is found["listen"]
    assert [bound.is_ours for bound in listeners.all()] == [False, True, True]
    assert not (tmp_path / "unbound").exists()
    for bound in listeners.all():
        bound.close()


def test_who_asks_for_decisions_is_known_by_the_kind_of_socket(passing: Passing, tmp_path: Path) -> None:
    config = config_for("http://127.0.0.1:9", "/nonexistent", decisions="127.0.0.1:0")
    found = passing.take(passing.listening(socket.AF_UNIX, str(tmp_path / "s")).fileno(), names="decisions")
    with pytest.raises(CannotStart, match="passed in as decisions must be of the kind"):
        bind_listeners(config, found)
    found["decisions"].close()


async def test_whoever_is_in_its_queue_waits_for_the_next_program(passing: Passing) -> None:
    held = passing.listening()
    first = passing.take(held.fileno())["listen"]
    met = []

    class Greeter(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            met.append(transport)
            transport.write(b"hello")
            transport.close()

    acceptor = Acceptor(first, Greeter)
    acceptor._pause()
    queued = await RawClient.connect(first.where)
    first.turn_away()
    await acceptor.close()
    async with asyncio.timeout(PATIENCE):
        late = await RawClient.connect(first.where)  # the kernel goes on to let them in
    assert met == []
    second = passing.take(held.fileno())["listen"]
    acceptor = Acceptor(second, Greeter)
    for client in (queued, late):
        assert await client.rest() == b"hello"
        await client.close()
    await acceptor.close()


def test_what_is_handed_on_to_workers_is_still_somebody_elses(passing: Passing) -> None:
    config = config_for("http://127.0.0.1:9", "/nonexistent", listen="127.0.0.1:0")
    listeners = bind_listeners(config, passing.take(passing.listening().fileno(), names="admin"))
    for bound, is_ours in zip(listeners.all(), (True, False), strict=True):
        where, descriptors, told = bound.handed_on()
        assert told is is_ours
        heir = Bound.inherited(where, [os.dup(descriptor) for descriptor in descriptors], told)
        assert heir.is_ours is is_ours
        heir.close()
        bound.close()
