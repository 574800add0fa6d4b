"""The plugin that runs tests in several processes, in a run of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.forked import COMPUTING, PIECE, PROGRAMS, Turns, turns_of

ROOT = Path(__file__).parents[1]
TESTS = """
import os, random, warnings
import pytest

def note(name):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{name} {os.getpid()} {random.random()}\\n")

@pytest.fixture(scope="module")
def shared():
    note("shared")
    yield
    note("put-away")

@pytest.mark.parametrize("number", range(100))
def test_shares(number, shared): note("shares")

@pytest.mark.parametrize("number", range(100))
def test_alone(number, tmp_path):
    print("said by", number)
    note("alone")
    assert number != 5
    if number == 6: os._exit(7)
    if number == 7: pytest.skip("not now")
    if number == 8: warnings.warn("look here")
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests" / "test_some.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "tests.forked", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={**environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "NOTES": str(folder / "notes")},
    )  # fmt: skip


def test_every_test_is_run_once_and_told_of_as_if_there_were_one_process(tmp_path: Path) -> None:
    done = run(tmp_path, "--processes", "3")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 197 passed, 1 skipped, 1 warning in" in done.stdout
    assert "assert 5 != 5" in done.stdout
    assert "said by 5" in done.stdout
    assert "the process that ran this test ended with 7" in done.stdout
    assert "look here" in done.stdout
    for number in range(100):
        assert done.stdout.count(f"test_some.py::test_shares[{number}]\n") == 1
    notes = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    by_name = {name: [line for line in notes if line[0] == name] for name, *_ in notes}
    assert {name: len(lines) for name, lines in by_name.items()} == {
        "shared": 1, "shares": 100, "put-away": 1, "alone": 100
    }  # fmt: skip
    # Who shares is together, and who need not is not; and nobody draws the numbers of another.
    assert len({process for _, process, _ in by_name["shares"]}) == 1
    assert len({process for _, process, _ in by_name["alone"]}) > 1
    assert len({drawn for *_, drawn in notes}) == len(notes)
    # The next run knows what failed.
    assert '"tests/test_some.py::test_alone[5]": true' in (tmp_path / ".pytest_cache/v/cache/lastfailed").read_text()


def test_programs_come_first_and_only_so_many_run_at_a_time(request: pytest.FixtureRequest) -> None:
    items = [item for item in request.session.items if item.nodeid.startswith("tests/test_forked.py")]

    class Item:
        def __init__(self, nodeid: str, *markers: str) -> None:
            self.nodeid = nodeid
            self._markers = markers

        def get_closest_marker(self, name: str) -> bool | None:
            return name in self._markers or None

    programs: list[Any] = [Item("tests/e2e/test_some.py::test_it") for _ in range(PROGRAMS + 1)]
    alone: Any = Item("tests/test_other.py::test_it", "alone")
    assert [len(turn) for turn in turns_of(programs)] == [1] * len(programs)
    turns = Turns.of([alone, *items * (PIECE * COMPUTING), *programs])
    dealt = [turns.next() for _ in range(PROGRAMS + COMPUTING + 1)]
    assert dealt[:PROGRAMS] == [[program] for program in programs[:PROGRAMS]]
    assert all(turn and turn[0] in items for turn in dealt[PROGRAMS:-1])
    assert dealt[-1] is None
    turns.ended([programs[0]])
    assert turns.next() == [programs[-1]]
    assert turns.next() is None
    # What measures time waits for all others, and they for it.
    for turn in [*dealt[1:-1], [programs[-1]]]:
        assert turn is not None
        turns.ended(turn)
    while (turn := turns.next()) != [alone]:
        assert turn is not None
        turns.ended(turn)
    assert turns.next() is None
