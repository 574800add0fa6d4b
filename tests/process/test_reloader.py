"""The configuration is read anew: as a whole or not at all, one after another, and what came of it is told."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.core.config.fingerprint import fingerprint
from gateway.process.reloader import Reloader
from gateway.process.replacing import Wanted
from gateway.reloading import ReloadResult
from gateway.settings.settings import load
from gateway.settings.source import Source

WHOLE = "upstream: http://127.0.0.1:1\nissuers: [{issuer: https://a.test, audience: a}]\n"


class World:
    """A file, and whoever uses what stands in it."""

    def __init__(self, path: Path, environ: dict[str, str] | None = None) -> None:
        self.path = path
        path.write_text(WHOLE)
        loaded = load(str(path), environ or {})
        assert loaded.config is not None
        self.used: list[Wanted] = []
        self.wrong: Sequence[str] = ()
        self.held: asyncio.Event | None = None
        self.heard: list[ReloadResult | None] = []
        self.reloader = Reloader(
            Source(str(path), environ or {}),
            loaded.config,
            self.use,
            loaded=loaded,
            begun=lambda: self.heard.append(None),
            ended=self.heard.append,
            clock=lambda: 7.0,
        )

    async def use(self, wanted: Wanted) -> Sequence[str]:
        self.used.append(wanted)
        if self.held is not None:
            await self.held.wait()
        return self.wrong

    async def write(self, more: str) -> ReloadResult:
        self.path.write_text(WHOLE + more)
        return await self.reloader.reload()


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(tmp_path / "gateway.yaml")


async def test_another_one_is_used_and_what_changed_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = world.reloader.hash
    result = await world.write("routes: [{path: /a, access: public}]\n")
    assert (result.is_sound, result.changed) == (True, ("routes[0]: is new (/a)",))
    assert result.warnings == ("routes: /a is public from now on for GET /a, which default took",)
    assert result.hash == world.reloader.hash == fingerprint(world.used[0].config) != before
    assert world.heard == [None, result]
    assert [(record.levelname, record.getMessage()) for record in caplog.records][1:] == [
        ("INFO", "routes[0]: is new (/a)"),
        ("WARNING", result.warnings[0]),
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("routes: [", "is not valid YAML at line 3"),
        ("routes: [{path: a}]\n", "routes[0].path: "),
        ("workers: 2\n", "workers: cannot change while the gateway runs: restart it"),
    ],
)
async def test_what_is_not_sound_is_used_by_nobody_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture, more: str, problem: str
) -> None:
    before = world.reloader.hash
    for _ in range(2):
        result = await world.write(more)
        assert not result.is_sound
        assert problem in result.problems[0]
    assert (world.used, world.reloader.hash) == ([], before)
    assert world.reloader.last_problems == result.problems
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == len(result.problems)
    assert (await world.write("realm: other\n")).is_sound
    assert world.reloader.last_problems == ()


async def test_who_cannot_use_it_says_why_and_the_old_one_counts(world: World) -> None:
    world.wrong = ("it would not be ready",)
    result = await world.write("realm: other\n")
    assert result.problems == ("it would not be ready",)
    world.wrong = ()
    assert (await world.reloader.reload()).changed == ("realm: has changed",)
    assert (await world.reloader.reload()).changed == ()


async def test_a_second_one_waits_for_the_first(world: World) -> None:
    world.held = asyncio.Event()
    first = asyncio.create_task(world.write("realm: one\n"))
    while not world.used:  # noqa: ASYNC110 -- a thread reads
        await asyncio.sleep(0.001)
    second = asyncio.create_task(world.write("realm: two\n"))
    await asyncio.sleep(0)
    assert len(world.used) == 1
    world.held.set()
    assert ((await first).is_sound, (await second).is_sound) == (True, True)
    assert [wanted.config.realm for wanted in world.used] == ["one", "two"]


async def test_a_key_that_a_variable_sets_cannot_be_changed_in_the_file(tmp_path: Path) -> None:
    world = World(tmp_path / "gateway.yaml", {"GATEWAY_LOG_LEVEL": "error"})
    result = await world.write("log: {level: debug}\n")
    assert result.problems == (
        "log.level: is set by GATEWAY_LOG_LEVEL, which cannot change while the gateway runs: restart it",
    )
    assert (await world.write("log: {access: none}\n")).is_sound


async def test_a_bug_changes_nothing_and_quotes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def use(_: Wanted) -> Sequence[str]:
        raise RuntimeError("a secret")

    world.reloader._use = use
    assert (await world.write("realm: other\n")).problems == ("internal error (RuntimeError)",)
    assert "a secret" not in caplog.text


async def test_without_a_file_or_at_the_end_there_is_nothing_to_read(world: World) -> None:
    config = load(str(world.path), {}).config
    assert config is not None
    nothing = await Reloader(None, config, world.use).reload()
    assert nothing.problems == ("there is no file that could be read anew: its configuration stays",)
    world.reloader.stop()
    assert (await world.write("realm: other\n")).problems == ("the gateway is stopping: its configuration stays",)
    assert world.used == []
