"""Tests in several processes, a plugin of pytest: `--processes 6`.

To find eighteen thousand tests takes more than ten seconds of a processor. That is done once: whoever runs them is forked behind it,
takes one turn after the other from the process that collected, and tells it each report. Nothing else is shared: captured output,
temporary folders and coverage are each process's own.

A turn is a piece of one file. Tests that share a fixture of their module stay together; of the others in tests/e2e and
tests/kubernetes, which run whole programs, each is a turn, elsewhere PIECE of them are. Programs wait more than they work:
PROGRAMS processes begin with those, the others with what computes, and who has run out of its own helps the others, as long
as not more than COMPUTING compute. What measures time (`pytest.mark.alone`) is run when all others are through, by one process.
"""

import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final, Literal

import coverage
import pytest

from tests.durations import shares

#: tests of a file at a time
PIECE: Final = 40
#: of the processes: how many run whole programs at most, and how many what computes; a machine with two processors bears so many
PROGRAMS: Final = 4
COMPUTING: Final = 2
#: seconds that one has for it when it is interrupted
PUTS_AWAY: Final = 10.0
#: tests of whole programs
_PROGRAMS: Final = ("tests/e2e/", "tests/kubernetes/")

Turn = list[pytest.Item]
#: whole programs, what computes, and what measures time
Kind = Literal["program", "computing", "alone"]


def kind_of(item: pytest.Item) -> Kind:
    """Beside whom it can be run."""
    if item.get_closest_marker("alone") is not None:
        return "alone"
    return "program" if item.nodeid.startswith(_PROGRAMS) else "computing"


def turns_of(items: list[pytest.Item]) -> Iterator[Turn]:
    """The tests in the order in which they stand, in pieces. Each piece can be run by somebody else."""
    for (nodeid, together, _), of_file in groupby(
        items, lambda item: (item.nodeid.partition("::")[0], shares(item), kind_of(item))
    ):
        held = list(of_file)
        size = len(held) if together else 1 if nodeid.startswith(_PROGRAMS) else PIECE
        for start in range(0, len(held), size):
            yield held[start : start + size]


@dataclass
class Turns:
    """What is left to be run, and what is being run: of programs and of what computes."""

    left: dict[Kind, list[Turn]]
    running: dict[Kind, int] = field(default_factory=lambda: {"program": 0, "computing": 0, "alone": 0})

    @classmethod
    def of(cls, items: list[pytest.Item]) -> "Turns":
        """Programs first that share the most: else they would be waited for at the end."""
        left: dict[Kind, list[Turn]] = {"program": [], "computing": [], "alone": []}
        for turn in turns_of(items):
            left[kind_of(turn[0])].append(turn)
        left["program"].sort(key=len, reverse=True)
        return cls(left)

    def next(self) -> Turn | None:
        """The next turn for somebody who has none: programs first. None: somebody else runs what is left."""
        most: tuple[tuple[Kind, int], ...] = (("program", PROGRAMS), ("computing", COMPUTING))
        if not any(self.running.values()):
            most += (("alone", 1),)
        for kind, so_many in most:
            if self.left[kind] and self.running[kind] < so_many:
                self.running[kind] += 1
                return self.left[kind].pop(0)
        return None

    def ended(self, turn: Turn) -> None:
        """Somebody is through with it."""
        self.running[kind_of(turn[0])] -= 1


@dataclass
class Process:
    """One that runs tests, as the one that collected sees it."""

    pid: int
    wire: Connection
    turn: Turn
    #: what of the turn has ended
    done: int = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many there are."""
    parser.addoption("--processes", type=int, default=1, help="run the tests in so many processes (tests/forked.py)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Runs them in other processes, where there shall be several. Otherwise pytest does."""
    count = session.config.getoption("processes")
    if count < 2 or session.testsfailed or session.config.option.collectonly:
        return None
    Collected(session).run(count)
    return True


class Collected:
    """The process that collected, deals out turns and is told of reports."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._hook = session.config.hook
        self._turns = Turns.of(session.items)
        self._processes: list[Process] = []
        self._index = {id(item): index for index, item in enumerate(session.items)}
        # Made here: each has a folder of its own in it.
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self._begun = 0

    def run(self, count: int) -> None:
        """Returns when all have been run."""
        try:
            for _ in range(count):
                self._begin()
            while self._processes:
                ready = wait([process.wire for process in self._processes])
                for process in [one for one in self._processes if one.wire in ready]:
                    self._hear(process)
                if self._session.shouldfail:
                    raise self._session.Failed(self._session.shouldfail)
            assert not any(self._turns.left.values())  # or there were tests that nobody ran
        finally:
            self._end()

    def _end(self) -> None:
        """Ends those that are left, as where somebody interrupts: they put away what they have begun, if that does not take too long."""
        left = {process.pid for process in self._processes}
        for pid in left:
            os.kill(pid, signal.SIGINT)
        ends = time.monotonic() + PUTS_AWAY
        while left and time.monotonic() < ends:
            left = {pid for pid in left if os.waitpid(pid, os.WNOHANG) == (0, 0)}
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _begin(self) -> None:
        """One more process, if there is something for it."""
        if (turn := self._turns.next()) is None:
            return
        mine, its = Pipe()
        self._begun += 1
        with warnings.catch_warnings():
            # What is collected has started no thread that holds anything.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            mine.close()
            for other in self._processes:
                other.wire.close()
            _run_turns(self._session, its, self._begun)
        its.close()
        process = Process(pid, mine, turn)
        self._processes.append(process)
        self._deal(process)

    def _deal(self, process: Process) -> None:
        process.wire.send([self._index[id(item)] for item in process.turn])

    def _hear(self, process: Process) -> None:
        kind, said = "", None
        with suppress(EOFError, ConnectionError):
            kind, said = process.wire.recv()
        if not kind:
            self._lost(process)
        elif kind == "report":
            report = self._hook.pytest_report_from_serializable(config=self._session.config, data=said)
            self._hook.pytest_runtest_logreport(report=report)
        elif kind == "warning":
            self._hook.pytest_warning_recorded.call_historic(kwargs=said)
        elif kind == "ended":
            process.done += 1
        else:
            self._turns.ended(process.turn)
            if (turn := self._turns.next()) is None:
                process.wire.send(None)
                process.turn, process.done = [], 0
            else:
                process.turn, process.done = turn, 0
                self._deal(process)

    def _lost(self, process: Process) -> None:
        """It has ended. One that did so within a test failed that, and another one goes on behind it."""
        self._processes.remove(process)
        process.wire.close()
        _, status = os.waitpid(process.pid, 0)
        if not process.turn:
            return
        self._turns.ended(process.turn)
        item, *rest = process.turn[process.done :] or process.turn[-1:]
        why = f"the process that ran this test ended with {os.waitstatus_to_exitcode(status)}"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
        self._hook.pytest_runtest_logreport(report=report)
        if rest:
            self._turns.left[kind_of(item)].insert(0, rest)
        self._begin()


class Teller:
    """What a process that runs tests tells the one that collected."""

    def __init__(self, config: pytest.Config, wire: Connection) -> None:
        self._config = config
        self._wire = wire

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Each part of a test."""
        said = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._wire.send(("report", said))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: Any
    ) -> None:
        """A warning, as far as it can be told: as its text."""
        told = warnings.WarningMessage(
            UserWarning(str(warning_message.message)), UserWarning, warning_message.filename, warning_message.lineno
        )
        said = {"warning_message": told, "when": when, "nodeid": nodeid, "location": location}
        self._wire.send(("warning", said))


class _Whatever:
    """What may follow a turn, as pytest asks what stays for it: fixtures of the session do, and nothing else."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        """What has to be set up for it."""
        return [self._session]


def _run_turns(session: pytest.Session, wire: Connection, number: int) -> None:
    """What such a process does until there is nothing left for it. Never returns."""
    code = 1
    try:
        _be_yourself(session.config, number)
        session.config.pluginmanager.register(Teller(session.config, wire))
        while (turn := wire.recv()) is not None:
            items = [session.items[index] for index in turn]
            for item, following in zip(items, [*items[1:], _Whatever(session)], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                wire.send(("ended", None))
            wire.send(("through", None))
        session._setupstate.teardown_exact(None)
        if (measuring := coverage.Coverage.current()) is not None:
            measuring.stop()
            measuring.save()
        code = 0
    except KeyboardInterrupt:
        session._setupstate.teardown_exact(None)
    except BaseException:  # noqa: BLE001 -- whatever it is, nothing of the process that it was forked from may run here
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _be_yourself(config: pytest.Config, number: int) -> None:
    """What was made in the process that collected is not shared with it."""
    random.seed()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory._basetemp / f"process-{number}"
    factory._basetemp.mkdir(mode=0o700)
    # What is printed of reports is printed by the other one.
    capturing = config.pluginmanager.getplugin("capturemanager")
    capturing.stop_global_capturing()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    capturing.start_global_capturing()
    capturing.suspend_global_capture()
