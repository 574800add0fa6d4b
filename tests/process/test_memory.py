"""What the process takes of the machine: descriptors that are not there are not counted on."""

import gc
import resource
from collections.abc import Iterator

import pytest

from gateway.core.config.upstreams import UpstreamSection
from gateway.process.listening import ADMIN_CONNECTIONS
from gateway.process.memory import (
    COLLECTED_AFTER,
    COLLECTED_TWICE_AFTER,
    RESERVED_DESCRIPTORS,
    room_for_connections,
    settle_memory,
)
from tests.wire import config_for


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    # As it was: tests that look for what is left behind need not look through all that there is.
    gc.freeze()


def test_client_connections_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_for("http://a", "/x", limits={"connections": 10_000})
    reserved = UpstreamSection(url="http://a").max_connections + ADMIN_CONNECTIONS + RESERVED_DESCRIPTORS
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    for limits, expected in (
        ((1024, 1024), 1024 - reserved),
        ((1024, 100_000), 10_000),
        ((-1, -1), 10_000),
        ((10, 10), 1),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limits=limits: limits)
        assert room_for_connections(config) == expected


def test_what_lives_as_long_as_the_process_is_looked_at_no_more(collector: None) -> None:
    gc.unfreeze()
    settle_memory()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[:2] == (COLLECTED_AFTER, COLLECTED_TWICE_AFTER)
