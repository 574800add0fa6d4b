"""How long tests may take: a plugin of pytest.

A test outside tests/e2e, tests/kubernetes and tests/bench, which run whole programs, takes at most LONG seconds on a machine with two
cores, both of which run tests, compiled or not. Those that took longer are listed at the end. In CI one that took longer than
TOO_LONG fails the run: ten times as much, since a machine that does other things as well must not make tests fail that are quick enough.

What a test makes processors do is the same beside whatever else: one that takes MOST seconds of that fails, wherever it runs. What its
own process took counts, and what programs took that it has ended. Of tests that share a fixture of their module only the test itself counts.
"""

import os
import resource
from collections.abc import Generator
from typing import Any, Final

import pytest

#: seconds
LONG: Final = 2.0
TOO_LONG: Final = 20.0
#: seconds of processor time: a third of it is what the longest of them takes, and a busy machine doubles that
MOST: Final = 3.0
#: folders of tests that may take longer
_ELSEWHERE: Final = ("tests/e2e/", "tests/kubernetes/", "tests/bench/")

_took: dict[str, float] = {}
#: seconds of processor time of the parts of the test that runs, and what this process had taken at the end of the last one
_parts: dict[str, float] = {}
_so_far = [0.0]


def shares(item: pytest.Item) -> bool:
    """Whether it asks for a fixture that other tests of its module are given as well."""
    known = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return any(definitions[-1].scope in {"class", "module"} for definitions in known.values())


def _taken() -> float:
    """Seconds of processor time that this process has taken, and its programs that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, Any, Any]:
    """Begins to count."""
    _parts.clear()
    _so_far[0] = _taken()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Counts, and fails a test at its end that took too much."""
    report = yield
    taken = _taken()
    _parts[call.when] = taken - _so_far[0]
    _so_far[0] = taken
    if call.when == "teardown" and report.passed and not item.nodeid.startswith(_ELSEWHERE):
        took = _parts.get("call", 0.0) if shares(item) else sum(_parts.values())
        if took > MOST:
            report.outcome = "failed"
            report.longrepr = f"took {took:.2f} s of processor time, more than {MOST:g} s: tests/durations.py"
    return report


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
