"""The command line: finds the command, and has it run. What each one takes and does is its module in `commands`.

Exit codes: 0 as asked, 1 the configuration or the machine does not allow it, 2 the command line itself is wrong.
Imports next to nothing: probes and hooks call it again and again.
"""

import os
import sys

#: commands that probes and hooks call: run without argparse and whatever else takes as long as they do
_PROBES = ("health", "drain")
#: the same, and what would hold it in memory for as long as it serves
_QUICK = (*_PROBES, "serve")
#: in the order of --help; each is a module of `commands`
COMMANDS = ("init", "serve", "check", "rehearse", "schema", "explain", "revoke", "console", "inject", "demo", *_PROBES)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code. `argv`: without the program's name, by default the process's."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough, as `head` does. The interpreter is not to try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return code


def _run(words: list[str]) -> int:
    if words and words[0] in _QUICK:
        from gateway.commands.quick import run_quickly

        code = run_quickly(words[0], words[1:])
        if code is not None:
            return code
    from gateway.commands.parser import run_command

    return run_command(COMMANDS, words)
