"""How long tests may take: a plugin of pytest.

A test outside tests/e2e, tests/kubernetes and tests/bench, which run whole programs, takes at most LONG seconds on a machine with two
cores, both of which run tests, compiled or not. Those that took longer are listed at the end. In CI one that took longer than
TOO_LONG fails the run: ten times as much, since a machine that does other things as well must not make tests fail that are quick enough.
What counts is the test itself, not the fixtures that it shares with others.
"""

import os
from typing import Final

import pytest

#: seconds
LONG: Final = 2.0
TOO_LONG: Final = 20.0
#: folders of tests that may take longer
_ELSEWHERE: Final = ("tests/e2e/", "tests/kubernetes/", "tests/bench/")

_took: dict[str, float] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes a test that took long."""
    if report.when == "call" and report.duration > LONG and not report.nodeid.startswith(_ELSEWHERE):
        _took[report.nodeid] = report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists them, the longest first."""
    if _took:
        terminalreporter.section(f"tests that took more than {LONG:g} s")
        for nodeid, duration in sorted(_took.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{duration:6.2f} s  {nodeid}", red=duration > TOO_LONG)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the run in CI where one took far too long."""
    is_told = session.config.pluginmanager.get_plugin("terminalreporter") is not None
    if is_told and os.environ.get("CI") and any(duration > TOO_LONG for duration in _took.values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
