from typing import Any

import pytest

from gateway.store.health import Health, Memory


def health(**fields: Any) -> Health:
    return Health(**{"run_id": "1", "is_cluster": False, "policy": "noeviction", "evicted": 0, **fields})


@pytest.mark.parametrize(
    ("info", "read"),
    [
        (b"# Server\r\nrun_id:a\r\nredis_mode:standalone\r\nmaxmemory_policy:allkeys-lru\r\nevicted_keys:3\r\n",
         Health("a", False, "allkeys-lru", 3)),
        (b"redis_mode:cluster\r\n", Health("", True, None, 0)),
        (b"cluster_enabled:1\r\n", Health("", True, None, 0)),
        (b"evicted_keys:-1\r\nno colon\r\n\xff:1", Health("", False, None, 0)),
        (None, Health("", False, None, 0)),
    ],
)  # fmt: skip
def test_what_counts_of_what_it_says(info: object, read: Health) -> None:
    assert Health.read(info) == read


def test_a_policy_that_throws_away_is_told_once() -> None:
    memory = Memory()
    lost, (told,) = memory.take(health(policy="allkeys-lru"))
    assert (lost, memory.evicts) == (False, True)
    assert "maxmemory-policy is 'allkeys-lru', not noeviction" in told
    assert memory.take(health(policy="allkeys-lru")) == (False, [])
    assert memory.take(health()) == (False, [])
    assert not memory.evicts
    assert len(memory.take(health(policy="volatile-ttl"))[1]) == 1


def test_what_was_thrown_away_is_noticed() -> None:
    memory = Memory()
    assert memory.take(health(evicted=5)) == (False, [])
    assert memory.take(health(evicted=7)) == (True, ["the store threw away 2 keys for want of memory"])
    assert memory.take(health(evicted=7)) == (False, [])


def test_another_one_may_have_forgotten() -> None:
    memory = Memory()
    memory.take(health(evicted=5))
    assert memory.take(health(run_id="2")) == (True, ["the store was started anew, or is another one than before"])
    assert memory.take(health(run_id="2")) == (False, [])


def test_one_that_does_not_tell_is_told_of_once() -> None:
    memory = Memory()
    assert memory.take(None) == (
        False,
        ["the store does not let us ask whether it throws keys away: its ACL lacks +info"],
    )
    assert memory.take(None) == (False, [])
    assert memory.take(health()) == (False, [])
    assert len(memory.take(None)[1]) == 1
