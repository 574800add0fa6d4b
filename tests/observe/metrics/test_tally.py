"""What is counted in plain numbers arrives in prometheus_client: all of it, once, whoever reads and whenever."""

import threading

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.observe.metrics.tally import Tally

BOUNDS = (0.1, 1.0)


class World:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tally = Tally(self.registry)
        self.counter = Counter("things", "Things.", registry=self.registry)
        self.histogram = Histogram("took_seconds", "Took.", buckets=BOUNDS, registry=self.registry)
        self.count = self.tally.count(self.counter)
        self.timing = self.tally.time(self.histogram, BOUNDS)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def world() -> World:
    return World()


def test_who_reads_the_registry_gets_what_was_counted_until_then(world: World) -> None:
    for expected in (1, 2):
        world.count.inc()
        assert world.value("things_total") == expected
    assert world.value("things_total") == 2


def test_observations_arrive_in_their_buckets(world: World) -> None:
    reference = Histogram("reference_seconds", "Took.", buckets=BOUNDS, registry=world.registry)
    for amount in (0.0, 0.1, 0.100001, 1.0, 7.5):
        world.timing.observe(amount)
        reference.observe(amount)
    for name in ("count", "sum"):
        assert world.value(f"took_seconds_{name}") == world.value(f"reference_seconds_{name}")
    for bound in ("0.1", "1.0", "+Inf"):
        ours = world.value("took_seconds_bucket", le=bound)
        assert ours == world.value("reference_seconds_bucket", le=bound)
    assert world.value("took_seconds_bucket", le="+Inf") == 5


def test_the_tally_itself_has_no_series(world: World) -> None:
    assert b"ally" not in generate_latest(world.registry)


def test_nothing_is_lost_or_counted_twice_while_others_read(world: World) -> None:
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            generate_latest(world.registry)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(20_000):
        world.count.inc()
        world.timing.observe(0.5)
    done.set()
    for reader in readers:
        reader.join()
    assert world.value("things_total") == 20_000
    assert world.value("took_seconds_bucket", le="1.0") == 20_000
    assert world.value("took_seconds_sum") == pytest.approx(10_000)


def test_prometheus_client_has_the_private_names_that_are_used(world: World) -> None:
    assert callable(world.histogram._sum.inc)
    assert [callable(bucket.inc) for bucket in world.histogram._buckets] == [True] * (len(BOUNDS) + 1)
