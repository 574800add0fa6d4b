"""aiocache's memory with bounds. Nothing of redis-py is imported for it."""

import subprocess
import sys

import pytest

from gateway.store.memory import BoundedMemory


async def test_least_recently_used_goes_first() -> None:
    memory = BoundedMemory(entries=2)
    await memory.set(b"a", b"1")
    await memory.set(b"b", b"2")
    assert await memory.get(b"a") == b"1"
    await memory.set(b"c", b"3")
    assert [await memory.get(key) for key in (b"a", b"b", b"c")] == [b"1", None, b"3"]
    assert repr(memory) == "BoundedMemory(2 of 2 entries, 4 bytes)"


async def test_it_is_bounded_in_bytes() -> None:
    memory = BoundedMemory(entries=100, max_bytes=10)
    await memory.set(b"a", b"12345")
    await memory.set(b"b", b"12345")
    assert [await memory.get(key) for key in (b"a", b"b")] == [None, b"12345"]
    await memory.set(b"b", b"1")
    await memory.set(b"c", b"x" * 10)
    assert repr(memory) == "BoundedMemory(0 of 100 entries, 0 bytes)"


async def test_an_entry_ends_by_the_clock_and_without_a_timer() -> None:
    now = 0.0
    memory = BoundedMemory(entries=2, monotonic=lambda: now)
    await memory.set(b"a", b"1", ttl=5.0)
    now = 4.9
    assert await memory.get(b"a") == b"1"
    now = 5.0
    assert await memory.get(b"a") is None
    assert repr(memory) == "BoundedMemory(0 of 2 entries, 0 bytes)"
    assert memory._handlers == {}


async def test_what_is_there_is_not_added_again() -> None:
    memory = BoundedMemory(entries=2)
    assert await memory.add(b"a", b"1")
    with pytest.raises(ValueError, match="there already"):
        await memory.add(b"a", b"2")
    assert await memory.delete(b"a") == 1
    assert await memory.delete(b"a") == 0
    assert await memory.add(b"a", b"2")


def test_without_a_redis_its_client_is_not_imported() -> None:
    code = (
        "import sys, gateway.compose, gateway.store.memory; "
        "assert 'aiocache' in sys.modules; "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'redis']"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
