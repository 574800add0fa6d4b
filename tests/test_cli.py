"""The command line as a shell sees it: which commands there are. What each does is in tests/commands."""

import os
import re
import subprocess
import sys
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from gateway import cli
from gateway.commands.parser import load_command
from tests.commands.program import run

ROOT = Path(__file__).parents[1]
#: what is called again and again may take: seconds of processor time (idle machines need a third), KiB of memory
MOST_SECONDS, MOST_MEMORY = 0.06, 15 * 1024


def test_a_wrong_command_line_is_2() -> None:
    done = run("check", "--konfig", "x")
    assert done.returncode == 2
    assert "usage: bearer-gateway" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["fly"]])
def test_without_a_command_that_exists_it_is_2_as_well(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: bearer-gateway" in capsys.readouterr().err


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("bearer-gateway 0.")


def test_every_command_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert load_command(name).HELP.split(" ")[0] in listed
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        assert f"usage: bearer-gateway {name}" in capsys.readouterr().out


def test_every_module_of_commands_that_runs_is_a_command() -> None:
    modules = {path.stem for path in (ROOT / "gateway" / "commands").glob("*.py") if "\nHELP" in path.read_text()}
    assert set(cli.COMMANDS) == modules


def test_a_command_loads_nothing_that_only_others_need() -> None:
    code = "import sys; from gateway.cli import main; main(['schema']); print('uvloop' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"


def _call(*words: str) -> tuple[float, int, set[str]]:
    """What a command takes on its own: seconds of processor time, KiB at most, and the modules it loads."""
    code = (
        "import sys; from gateway.cli import main; main(sys.argv[1:]); "
        "print(*sys.modules, *(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    # Without site: what lies about in an environment of developers is nobody's of ours.
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as out:
        printed = out.read()
    used = os.wait4(process.pid, 0)[2]
    process.returncode = 0
    memory = re.search(r"VmHWM:\s+(\d+) kB", printed)
    assert memory is not None, printed
    return used.ru_utime + used.ru_stime, int(memory[1]), set(printed.split())


@pytest.mark.parametrize("words", [("health", "--url", "http://127.0.0.1:1/", "--timeout=1"), ("drain", "--pid=2")])
def test_what_probes_call_is_quick_and_small(words: tuple[str, ...]) -> None:
    runs = sorted(_call(*words) for _ in range(5))
    # The quickest: whatever else runs on the machine only adds to it.
    assert runs[0][0] < MOST_SECONDS
    assert max(memory for _, memory, _ in runs) < MOST_MEMORY
    assert not runs[0][2] & {"argparse", "typing", "dataclasses", "re", "asyncio", "json", "logging", "encodings.idna"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["health", "--expect", "abc"], "must be a status from 200 to 599"),
        (["health", "--timeout", "soon"], "must be a number of seconds from 0 to 3600"),
        (["health", "--url", "127.0.0.1:9090"], "must be a URL that begins with http:// or unix:/"),
        (["drain", "--pid", "abc"], "must be the number of a process"),
    ],
)
def test_a_wrong_value_is_told_in_words(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def _unread(*words: str) -> tuple[int, str]:
    """Exit code and complaints of a command whose output nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    return done.returncode, done.stderr


def test_whoever_has_read_enough_is_no_reason_for_a_traceback() -> None:
    assert _unread("schema") == (1, "")


def test_nor_is_whoever_has_of_what_probes_call() -> None:
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request).start()
        assert _unread("health", "--url", f"http://127.0.0.1:{server.server_port}/none", "--expect", "404") == (1, "")
