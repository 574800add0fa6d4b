"""The key is for its owner, from a directory that is theirs alone."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.addresses import Address
from gateway.core.config.console import ConsoleSection
from gateway.process.console.key import KeySocket, NoKey, ask_key, key_name, own_directory
from gateway.process.listening import CannotStart

HERE = Address("127.0.0.1", 9091)
SECTION = ConsoleSection(address="127.0.0.1:9091")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """One that is short: a socket's path may not be long."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr("gateway.process.console.key._USUAL", tmp_path / "run")


async def asked(section: ConsoleSection | None = SECTION, environ: dict[str, str] | None = None) -> tuple[str, str]:
    return await asyncio.to_thread(ask_key, section, environ or {})


async def test_the_key_is_given_on_a_socket_that_is_its_owners_alone(tmp_path: Path) -> None:
    socket = await KeySocket.start(SECTION, HERE, url="http://127.0.0.1:9091/", key="the key")
    path = tmp_path / f"bearer-gateway-{os.getuid()}" / "console-9091.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert await asked() == await asked(None) == ("http://127.0.0.1:9091/", "the key")
    await socket.close()
    assert not path.exists()
    with pytest.raises(NoKey, match="no gateway with a console runs here"):
        await asked()


async def test_where_several_run_it_has_to_be_said_which() -> None:
    first = await KeySocket.start(SECTION, HERE, url="http://127.0.0.1:9091/", key="a")
    second = await KeySocket.start(SECTION, Address("127.0.0.1", 9092), url="http://127.0.0.1:9092/", key="b")
    with pytest.raises(NoKey, match=r"several gateways .* \(http://127.0.0.1:9091/, http://127.0.0.1:9092/\)"):
        await asked(None)
    assert await asked(ConsoleSection(address="127.0.0.1:9092")) == ("http://127.0.0.1:9092/", "b")
    await first.close()
    assert await asked(ConsoleSection(address="127.0.0.1:0")) == ("http://127.0.0.1:9092/", "b")
    await second.close()


async def test_a_directory_that_systemd_made_comes_first_and_a_path_that_is_configured_counts(tmp_path: Path) -> None:
    assert own_directory({"RUNTIME_DIRECTORY": f"{tmp_path}/one:{tmp_path}/two"}) == tmp_path / "one"
    named = ConsoleSection(address="127.0.0.1:9091", socket=str(tmp_path / "named.sock"))
    socket = await KeySocket.start(named, HERE, url="u", key="k")
    assert await asked(named) == ("u", "k")
    await socket.close()


async def test_a_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / f"bearer-gateway-{os.getuid()}"
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    with pytest.raises(CannotStart, match=r"console\.socket names one"):
        await KeySocket.start(SECTION, HERE, url="u", key="k")
    # Nor believed by whoever asks: anybody could listen there.
    with pytest.raises(NoKey):
        await asked()
    path.chmod(0o700)
    (tmp_path / "elsewhere").mkdir()
    path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotStart):
        await KeySocket.start(SECTION, HERE, url="u", key="k")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give things away")
async def test_root_does_not_believe_a_directory_that_somebody_else_had_made_for_it(tmp_path: Path) -> None:
    socket = await KeySocket.start(SECTION, HERE, url="http://evil.example/", key="k")
    directory = tmp_path / f"bearer-gateway-{os.getuid()}"
    for path in (directory, directory / "console-9091.sock"):
        os.chown(path, 65534, 65534)
    with pytest.raises(NoKey):
        await asked()
    await socket.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"url": 1, "key": 2}', b"nonsense"])
async def test_what_is_no_response_is_none(tmp_path: Path, content: bytes) -> None:
    socket = await KeySocket.start(SECTION, HERE, url="u", key="k")
    socket._content = content
    with pytest.raises(NoKey):
        await asked()
    await socket.close()


def test_a_console_on_a_socket_has_a_name_as_well() -> None:
    assert key_name(Address("", 0, "/run/console.http")) == "console.sock"


async def test_a_path_that_is_too_long_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 100)))
    (tmp_path / ("x" * 100)).mkdir()
    with pytest.raises(CannotStart, match="longer than that of a socket may be"):
        await KeySocket.start(SECTION, HERE, url="u", key="k")
