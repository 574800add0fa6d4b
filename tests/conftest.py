"""What holds for every test."""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that was skipped was not run, and what was not run did not pass."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("a test was skipped: in CI that is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
