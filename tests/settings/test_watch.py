"""Secrets in files are followed: what is new and sound is used, what is broken is told of once, and none is shown."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection
from gateway.core.upstream.own_lines import SecretUse, secret_uses
from gateway.settings import watch
from gateway.settings.secrets import read_secret
from gateway.settings.watch import INTERVAL, FollowedSecrets
from tests.issuer import SimulatedClock
from tests.wire import get, starting

OLD, NEW = "old-and-long-enough-to-find", "new-and-long-enough-to-find"
Follow = Callable[..., FollowedSecrets]


class Files:
    """A bearer, a password and a header, each in a file of its own; what was told of them last."""

    def __init__(self, directory: Path) -> None:
        self.bearer, self.password, self.header = (directory / name for name in ("bearer", "password", "header"))
        for file in (self.bearer, self.password, self.header):
            file.write_text(f"{OLD}\n")
        self.told: list[dict[str, str]] = []

    def config(self) -> Config:
        one = UpstreamSection(
            url="http://a",
            authorization=UpstreamCredential(bearer=Secret(file=str(self.bearer))),
            headers={"X-Key": Secret(file=str(self.header)), "X-Env": Secret(env="KEY")},
        )
        basic = BasicCredential(user="u", password=Secret(file=str(self.password)))
        other = UpstreamSection(url="http://b", authorization=UpstreamCredential(basic=basic))
        return Config(issuers=(), upstreams={"one": one, "other": other})

    def replaced(self, secrets: Mapping[Secret, str]) -> None:
        self.told.append({Path(secret.file or "").name or "env": text for secret, text in secrets.items()})


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest_asyncio.fixture
async def followed(files: Files, clock: SimulatedClock) -> AsyncIterator[FollowedSecrets]:
    uses = list(secret_uses(files.config()))
    secrets = {use.secret: read_secret(use.secret, {"KEY": OLD}) for use in uses}
    made = FollowedSecrets(uses, secrets, replaced=files.replaced, sleep=clock.sleep)
    await made.start()
    yield made
    await made.stop()


async def test_each_replaced_file_is_told_with_all_the_others(
    followed: FollowedSecrets, files: Files, clock: SimulatedClock
) -> None:
    expected = dict.fromkeys(("bearer", "password", "header", "env"), OLD)
    for file in (files.bearer, files.password, files.header):
        file.write_text(f"{NEW}\n")
        await clock.advance(INTERVAL)
        expected[file.name] = NEW
        assert files.told[-1] == expected
    await clock.advance(10 * INTERVAL)
    assert len(files.told) == 3


async def test_a_broken_file_leaves_the_old_secret_and_is_told_of_once(
    followed: FollowedSecrets, files: Files, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = "upstreams.one.authorization.bearer.file"
    goes_on = "; what was read before goes on being used"
    for content, sentence in (
        (b"", "names a file that is empty"),
        (b"\n", "names a file that is empty"),
        (b"two words of " + NEW.encode(), "must hold one bearer token: letters, digits and -._~+/ only, and = at its end"),
        (b"\xff", "names a file that is not UTF-8 text"),
    ):  # fmt: skip
        files.bearer.write_bytes(content)
        await clock.advance(5 * INTERVAL)
        assert caplog.messages[-1] == f"{path} {sentence}{goes_on}"
    assert len(caplog.messages) == 3
    assert files.told == []
    files.bearer.unlink()
    await clock.advance(INTERVAL)
    files.bearer.write_text(OLD)
    await clock.advance(INTERVAL)
    assert caplog.messages[-1] == f"{path} can be read again"
    files.bearer.unlink()
    await clock.advance(INTERVAL)
    assert caplog.messages[-1] == f"{path} names a file that does not exist{goes_on}"
    assert files.told == []
    assert not any(part in caplog.text for part in (OLD, NEW, "two words"))


async def test_what_is_new_is_told_without_what_it_is(
    followed: FollowedSecrets, files: Files, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    files.password.write_text(NEW)
    files.bearer.write_text("")
    await clock.advance(INTERVAL)
    assert caplog.messages == [
        "upstreams.one.authorization.bearer.file names a file that is empty; what was read before goes on being used",
        "upstreams.other.authorization.basic.password.file has a new secret, which is used from now on",
    ]
    assert files.told == [{"bearer": OLD, "password": NEW, "header": OLD, "env": OLD}]
    assert NEW not in repr(followed)


async def test_a_file_that_is_fit_for_one_of_its_uses_only_is_not_taken(tmp_path: Path, clock: SimulatedClock) -> None:
    file = tmp_path / "s"
    told: list[Mapping[Secret, str]] = []
    file.write_text("fit")
    secret = Secret(file=str(file))

    def fussy(text: str) -> None:
        if text != "fit":
            raise ValueError("is not fit")

    uses = [SecretUse("a", secret, lambda _: None), SecretUse("b", secret, fussy)]
    followed = FollowedSecrets(uses, {secret: "fit"}, replaced=told.append, sleep=clock.sleep)
    await followed.start()
    file.write_text("unfit")
    await clock.advance(INTERVAL)
    await followed.stop()
    assert told == []


async def test_a_bug_does_not_end_the_following_and_shows_nothing(
    tmp_path: Path, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "s"
    file.write_text(OLD)
    secret = Secret(file=str(file))
    heard: list[str] = []

    def replaced(secrets: Mapping[Secret, str]) -> None:
        heard.append(secrets[secret])
        if len(heard) == 1:
            raise ZeroDivisionError(secrets[secret])

    followed = FollowedSecrets([SecretUse("a", secret, str)], {secret: OLD}, replaced=replaced, sleep=clock.sleep)
    await followed.start()
    file.write_text(NEW)
    await clock.advance(INTERVAL)
    assert caplog.messages == ["secrets in files could not be looked at: ZeroDivisionError"]
    file.write_text(OLD)
    await clock.advance(INTERVAL)
    await followed.stop()
    assert heard == [NEW, OLD]
    assert NEW not in caplog.text


async def test_without_files_there_is_nothing_to_follow() -> None:
    uses = [SecretUse("a", Secret(env="KEY"), str)]
    followed = FollowedSecrets(uses, {Secret(env="KEY"): OLD}, replaced=lambda _: None)
    await followed.start()
    assert len(asyncio.all_tasks()) == 1
    await followed.stop()


async def test_a_running_gateway_shows_the_new_secret_to_the_upstream(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0.01)
    basic = BasicCredential(user="u", password=Secret(file=str(files.password)))
    async with starting(tmp_path) as start:
        secrets = {"secrets": {Secret(file=str(file)): OLD for file in (files.password, files.header)}}
        gateway = await start(
            authorization=UpstreamCredential(basic=basic), headers={"X-Key": Secret(file=str(files.header))}, **secrets
        )
        client = await gateway.client()
        await client.ask(get())
        before = gateway.upstream.last.values(b"Authorization")
        assert gateway.upstream.last.values(b"X-Key") == [OLD.encode()]
        files.header.write_text(NEW)
        files.password.write_text(NEW)
        async with asyncio.timeout(5):
            while gateway.upstream.last.values(b"X-Key") != [NEW.encode()]:
                await client.ask(get())
            while gateway.upstream.last.values(b"Authorization") == before:
                await client.ask(get())
        gateway.silent_about(OLD, NEW)
