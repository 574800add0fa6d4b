"""What holds for every test."""

import gc
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import sampled
from tests.minted import MINTED

pytest_plugins = ["tests.durations", "tests.forked", "tests.redis_server"]

# How long an example takes is the machine's matter, and several tests share it.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """What a test leaves in this process is not that of the tests that follow: the log that a command set up, and on
    whose behalf something is done.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    MINTED.begin()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sampled._CURRENT.set(None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Hypothesis makes its tables of all characters once for a clone, which takes seconds: not those of some test.

    What the collection made stays for good: tests that look for what is left behind need not look through it, nor do the
    processes copy it that share it.
    """
    if any(getattr(getattr(item, "obj", None), "is_hypothesis_test", False) for item in session.items):
        settings(max_examples=1, database=None, deadline=None, suppress_health_check=list(HealthCheck))(
            given(st.text())(lambda _: None)
        )()
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that was skipped was not run, and what was not run did not pass."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("a test was skipped: in CI that is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
