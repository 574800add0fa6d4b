"""The key that signs assertions: read, followed when its file changes, and published before and after it signs."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from gateway.admin.pages import KEYS_KEPT
from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.section import Seconds
from gateway.core.upstream.assertion import SigningKey
from gateway.settings.files import read_signing_key
from gateway.signing.signing_keys import AHEAD, INTERVAL, MARGIN, SigningKeys
from tests.issuer import SimulatedClock

LIFETIME = 300
Make = Callable[..., SigningKeys]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


def renew(file: Path) -> str:
    """Another key in the file; its kid."""
    key = ECKey.generate_key("P-256")
    write(file, key.as_pem(private=True))
    return key.thumbprint()


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def read(file: Path) -> bytes:
    return file.read_bytes()


def remove(file: Path) -> None:
    file.unlink()


@pytest_asyncio.fixture
async def make(clock: SimulatedClock, file: Path) -> AsyncIterator[Make]:
    """Keys that follow the file, on a clock that the test moves."""
    made: list[SigningKeys] = []

    def make(read: Callable[[str], SigningKey] = read_signing_key) -> SigningKeys:
        assertion = AssertionSection(issuer="g", key=KeyFile(file=str(file)), lifetime=Seconds(LIFETIME))
        made.append(SigningKeys(assertion, read=read, monotonic=clock.monotonic, sleep=clock.sleep))
        return made[-1]

    yield make
    for keys in made:
        await keys.stop()


def published(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in json.loads(keys.published())["keys"]]


def state(keys: SigningKeys) -> tuple[str, list[str]]:
    """Which key signs, and which others are published."""
    first, *others = published(keys)
    assert first == keys.current().kid
    return first, others


async def test_without_a_file_a_key_is_made_and_nothing_is_followed() -> None:
    one, other = (SigningKeys(AssertionSection(issuer="g"), read=read_signing_key) for _ in range(2))
    await one.start()
    assert one.current().alg == "ES256"
    assert published(one) == [one.current().kid]
    assert published(one) != published(other)
    assert len(asyncio.all_tasks()) == 1
    await one.stop()


async def test_a_new_key_is_published_at_once_signs_later_and_the_old_one_stays_for_what_it_signed(
    make: Make, clock: SimulatedClock, file: Path
) -> None:
    old = renew(file)
    keys = make()
    await keys.start()
    await clock.advance(100 * INTERVAL)
    assert state(keys) == (old, [])
    new = renew(file)
    await clock.advance(INTERVAL)
    assert state(keys) == (old, [new])
    await clock.advance(AHEAD - INTERVAL)
    assert state(keys) == (old, [new])
    await clock.advance(INTERVAL)
    assert state(keys) == (new, [old])
    await clock.advance(LIFETIME + MARGIN - INTERVAL)
    assert state(keys) == (new, [old])
    await clock.advance(INTERVAL)
    assert state(keys) == (new, [])


def test_an_api_may_not_keep_the_set_for_longer_than_a_new_key_is_published_ahead() -> None:
    assert KEYS_KEPT + 2 * INTERVAL <= AHEAD


async def test_a_change_that_is_taken_back_never_comes_into_force(
    make: Make, clock: SimulatedClock, file: Path
) -> None:
    old = renew(file)
    kept = read(file)
    keys = make()
    await keys.start()
    renew(file)
    await clock.advance(INTERVAL)
    write(file, kept)
    await clock.advance(INTERVAL)
    assert state(keys) == (old, [])
    await clock.advance(2 * AHEAD)
    assert state(keys) == (old, [])


async def test_of_two_changes_in_a_row_the_last_counts(make: Make, clock: SimulatedClock, file: Path) -> None:
    old = renew(file)
    keys = make()
    await keys.start()
    renew(file)
    await clock.advance(INTERVAL)
    last = renew(file)
    await clock.advance(INTERVAL)
    assert state(keys) == (old, [last])
    await clock.advance(AHEAD)
    assert state(keys) == (last, [old])


async def test_a_key_that_comes_back_is_published_once(make: Make, clock: SimulatedClock, file: Path) -> None:
    old = renew(file)
    kept = read(file)
    keys = make()
    await keys.start()
    new = renew(file)
    await clock.advance(AHEAD + INTERVAL)
    write(file, kept)
    await clock.advance(INTERVAL)
    assert state(keys) == (new, [old])
    await clock.advance(AHEAD)
    assert state(keys) == (old, [new])
    await clock.advance(LIFETIME + MARGIN)
    assert state(keys) == (old, [])


async def test_the_same_key_in_another_form_changes_nothing(make: Make, clock: SimulatedClock, file: Path) -> None:
    key = ECKey.generate_key("P-256")
    write(file, key.as_pem(private=True))
    keys = make()
    before = keys.current()
    await keys.start()
    write(file, json.dumps(key.as_dict(private=True)).encode())
    await clock.advance(2 * AHEAD)
    assert keys.current() is before
    assert published(keys) == [before.kid]


async def test_a_broken_file_leaves_the_old_key_and_is_told_of_once(
    make: Make, clock: SimulatedClock, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = renew(file)
    keys = make()
    await keys.start()
    with caplog.at_level(logging.INFO):
        write(file, b"-----BEGIN nonsense")
        await clock.advance(10 * INTERVAL)
        assert len(caplog.messages) == 1
        assert caplog.messages[0].endswith(f"; {old} goes on signing")
        remove(file)
        await clock.advance(10 * INTERVAL)
        told = [message.split(";")[0] for message in caplog.messages[1:]]
        assert told == ["assertion.key.file names a file that does not exist"]
        assert state(keys) == (old, [])
        new = renew(file)
        await clock.advance(INTERVAL + AHEAD)
        assert state(keys) == (new, [old])
        remove(file)
        await clock.advance(INTERVAL)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO", "INFO", "WARNING"]


async def test_a_bug_in_reading_does_not_end_the_following(
    make: Make, clock: SimulatedClock, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    has_bug = False

    def read(path: str) -> SigningKey:
        if has_bug:
            raise ZeroDivisionError
        return read_signing_key(path)

    old = renew(file)
    keys = make(read=read)
    await keys.start()
    has_bug = True
    await clock.advance(INTERVAL)
    has_bug = False
    assert "internal error (ZeroDivisionError)" in caplog.text
    new = renew(file)
    await clock.advance(INTERVAL)
    assert state(keys) == (old, [new])


async def test_stopping_twice_leaves_no_task(make: Make, clock: SimulatedClock, file: Path) -> None:
    renew(file)
    keys = make()
    await keys.start()
    await clock.idle()
    await keys.stop()
    await keys.stop()
    assert len(asyncio.all_tasks()) == 1


def test_a_file_spoilt_after_it_was_checked_cannot_be_started_with(file: Path) -> None:
    with pytest.raises(ValueError, match="a file that does not exist"):
        SigningKeys(AssertionSection(issuer="g", key=KeyFile(file=str(file))), read=read_signing_key)
