"""The arithmetic of asking."""

import pytest

from gateway.remote.keys.schedule import BUCKET_SIZE, Misses, TokenBucket, backoff, refresh_after


def test_the_bucket_holds_three_and_gains_one_every_ten_seconds() -> None:
    bucket = TokenBucket()
    for _ in range(BUCKET_SIZE):
        assert bucket.wait(100.0) == 0.0
        bucket.spend(100.0)
    assert bucket.wait(100.0) == 10.0
    assert bucket.wait(104.0) == 6.0
    assert bucket.wait(110.0) == 0.0
    bucket.spend(110.0)
    assert bucket.wait(110.0) == 10.0
    bucket = TokenBucket()
    bucket.spend(0.0)
    assert bucket.wait(1_000.0) == 0.0


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.999])
def test_backoff_grows_from_one_second_to_sixty_and_never_leaves_these_bounds(chance: float) -> None:
    waits = [backoff(failures, chance) for failures in range(1, 2_000)]
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert 30.0 < waits[-1] <= 60.0


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_a_refresh_comes_at_about_80_percent(chance: float) -> None:
    assert 0.75 <= refresh_after(100.0, chance) / 100.0 <= 0.85


def test_what_is_missing_is_held_for_30_seconds_from_the_first_time() -> None:
    misses = Misses()
    misses.remember(("RS256", "a"), 0.0)
    misses.remember(("RS256", "a"), 20.0)
    assert misses.has(("RS256", "a"), 29.9)
    assert not misses.has(("ES256", "a"), 29.9)
    assert not misses.has(("RS256", "a"), 30.0)
    assert len(misses) == 0


def test_a_thousand_are_held_and_the_oldest_go_first() -> None:
    misses = Misses()
    for n in range(1_500):
        misses.remember(("RS256", str(n)), 0.0)
    assert len(misses) == 1_000
    assert not misses.has(("RS256", "499"), 0.0)
    assert misses.has(("RS256", "500"), 0.0)
    misses.clear()
    assert len(misses) == 0
