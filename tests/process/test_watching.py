"""A file that changes is read anew once it is whole: two looks find the same, or one behind a volume of Kubernetes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.process import watching
from gateway.process.reloader import Reloader
from gateway.process.replacing import Wanted
from gateway.process.watching import INTERVAL, Watcher
from gateway.settings.settings import load
from gateway.settings.source import Reading, Source

WHOLE = "upstream: http://127.0.0.1:1\nissuers: [{issuer: https://a.test, audience: a}]\n"
SECRET = "store: {{url: 'redis://a', password: {{file: {}}}, secrets: [{{file: {}}}]}}\n"


class World:
    """Looks when it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: list[Wanted] = []
        source = Source(str(path), {})
        loaded = load(str(path), {})
        assert loaded.config is not None, loaded.problems
        self.reloader = Reloader(source, loaded.config, self.use, loaded=loaded)
        self.turns = asyncio.Semaphore(0)
        self.now = 0.0
        self.watcher = Watcher(source, self.reloader, clock=lambda: self.now)

    async def use(self, wanted: Wanted) -> Sequence[str]:
        self.used.append(wanted)
        return ()

    async def start(self) -> None:
        self.watcher._used = self.watcher._seen = (await self.watcher._look()).digests

    async def looks(self, count: int = 1) -> int:
        """How often something was used after so many looks."""
        for _ in range(count):
            await self.watcher.look()
        return len(self.used)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    path = tmp_path / "gateway.yaml"
    path.write_text(WHOLE)
    made = World(path)
    await made.start()
    return made


async def test_a_file_half_written_does_not_go_live(world: World) -> None:
    assert await world.looks(3) == 0
    # A configuration cut after two lines is sound.
    world.path.write_text(WHOLE)
    world.path.write_text(f"{WHOLE}routes: [{{path: /a")
    assert await world.looks() == 0
    world.path.write_text(f"{WHOLE}routes: [{{path: /a}}]\n")
    assert await world.looks() == 0
    assert await world.looks() == 1
    assert await world.looks(3) == 1


async def test_what_is_written_while_the_gateway_starts_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(WHOLE)
    world = World(path)
    path.write_text(f"{WHOLE}realm: another\n")
    await world.watcher.start()
    assert await world.looks() == 1
    assert world.used[0].config.realm == "another"
    assert await world.looks(2) == 1
    await world.watcher.stop()


async def test_one_that_is_not_sound_and_takes_long_to_read_is_tried_again_more_seldom(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[None] = []
    read = world.reloader._source.read  # type: ignore[union-attr]

    def counted() -> Reading:
        reads.append(None)
        return read()

    monkeypatch.setattr(world.reloader._source, "read", counted)
    # However little it takes: as one of some thousand routes, for which it takes seconds.
    monkeypatch.setattr(watching, "SELDOM", 1e9)
    monkeypatch.setattr(watching, "LONGEST", 27.0)
    world.path.write_text("nonsense")
    for count in (0, 1, 1, 1, 1, 1, 1, 2, 2):
        world.now += INTERVAL
        await world.looks()
        assert len(reads) == count, world.now
    # What changes is read at once.
    world.path.write_text(f"{WHOLE}realm: another\n")
    await world.looks(2)
    assert (len(reads), len(world.used)) == (3, 1)


async def test_behind_a_volume_of_kubernetes_one_look_is_enough(tmp_path: Path) -> None:
    for version, realm in (("..1", "one"), ("..2", "two")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "gateway.yaml").write_text(f"{WHOLE}realm: {realm}\n")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "gateway.yaml").symlink_to("..data/gateway.yaml")
    world = World(tmp_path / "gateway.yaml")
    await world.start()
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert await world.looks() == 1
    assert world.used[0].config.realm == "two"


async def test_one_that_is_not_sound_is_tried_again_at_each_look(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    authorities = world.path.with_name("ca.pem")
    world.path.write_text(WHOLE.replace("audience: a", f"audience: a, ca_file: {authorities}"))
    assert await world.looks(4) == 0
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    # The file that it names is watched although the text was not sound.
    world.path.write_text(WHOLE)
    assert await world.looks(2) == 1


async def test_secrets_that_it_names_are_watched(tmp_path: Path) -> None:
    secret, seal = tmp_path / "secret", tmp_path / "seal"
    secret.write_text("one")
    seal.write_text("x" * 32)
    path = tmp_path / "gateway.yaml"
    path.write_text(WHOLE + SECRET.format(secret, seal))
    world = World(path)
    await world.start()
    secret.write_text("two")
    assert await world.looks() == 0
    assert await world.looks() == 1
    assert "two" in world.used[0].secrets.values()
    secret.unlink()
    assert await world.looks(3) == 1
    assert world.reloader.last_problems


async def test_it_looks_until_it_is_stopped_whatever_happens(world: World, caplog: pytest.LogCaptureFixture) -> None:
    looked = asyncio.Semaphore(0)

    async def sleep(_: float) -> None:
        looked.release()
        await asyncio.sleep(0)

    def look(_: object) -> object:
        raise RuntimeError("a secret")

    watcher = Watcher(Source(str(world.path), {}), world.reloader, sleep=sleep)
    await watcher.start()
    watcher._source.look = look  # type: ignore[assignment,method-assign]
    for _ in range(3):
        await looked.acquire()
    await watcher.stop()
    await watcher.stop()
    assert "a secret" not in caplog.text
