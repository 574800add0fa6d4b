# ruff: noqa: T201 -- a command line prints
"""The command line of the benchmark."""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.before import rows_against
from tests.bench.flame import FORMATS, profile
from tests.bench.peers import Site, start_api
from tests.bench.programs import LOAD, ROOT, TESTED, CannotMeasure, wait_until_it_listens
from tests.bench.races import Effort, Race
from tests.bench.report import PAGE, page
from tests.bench.results import FAILED, MEETS, Result, failed
from tests.bench.rows import ROWS, Row
from tests.bench.tokens import Tokens

#: rounds, and seconds of each contender in one
FULL = Effort(rounds=11, seconds=4, quick=False)
QUICK = Effort(rounds=2, seconds=1, quick=True)
#: programs whose settings the page shows
SHOWN = ("gateway", "haproxy", "envoy", "nginx")
#: rows that a quick run leaves out
NOT_IN_QUICK = {"quiet"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures the rows asked for; 1 when one of them failed, 2 when there is nothing to run on."""
    arguments = _parser().parse_args(argv)
    if len(os.sched_getaffinity(0) & {TESTED, LOAD}) < 2:
        print("Two cores are needed: one under test, one for the load.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {LOAD})
    chosen = QUICK if arguments.quick else FULL
    effort = Effort(arguments.rounds or chosen.rounds, arguments.seconds or chosen.seconds, chosen.quick)
    with _site() as site:
        if arguments.profile is not None:
            return _profile(site, arguments)
        if arguments.before is not None:
            try:
                races = rows_against(arguments.before)
            except CannotMeasure as error:
                print(error, file=sys.stderr)
                return 2
            found = list(_measured(site, arguments.rows, effort, races))
            return int(any(result.verdict != MEETS for result in found))
        results = list(_measured(site, arguments.rows, effort))
        wrong = any(result.verdict == FAILED for result in results)
        if arguments.rows is None and not arguments.no_write and (arguments.write or not (arguments.quick or wrong)):
            shown = {name: site.settings[name] for name in SHOWN if name in site.settings}
            settings = {name: text.replace(str(site.directory), "/tmp/bench") for name, text in shown.items()}
            PAGE.write_text(page(results, effort, settings))
            print(f"written: {PAGE.relative_to(ROOT)}")
    return int(wrong)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/bench", description="The gateway beside its peers.")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: two minutes, nothing written")
    names = [row.row for row in ROWS]
    parser.add_argument("--rows", nargs="+", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--seconds", type=int, help="seconds of each contender in a round")
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks.md whatever happened, after a quick run too"
    )
    parser.add_argument("--no-write", action="store_true", help="never write docs/benchmarks.md")
    parser.add_argument(
        "--before", type=Path, metavar="DIR", help="instead: this wheel against the one that is unpacked in DIR"
    )
    parser.add_argument("--profile", type=Path, metavar="FILE", help="instead: a profile of the gateway in --rows NAME")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of the profile (default: %(default)s)")
    parser.add_argument("--native", action="store_true", help="with frames of compiled code in the profile")
    return parser


def _profile(site: Site, arguments: argparse.Namespace) -> int:
    wanted = (arguments.rows or ["hot"])[0]
    race = next(row for row in ROWS if row.row == wanted)
    if not isinstance(race, Race):
        print(f"{wanted} is no row with a steady load", file=sys.stderr)
        return 2
    try:
        rate = profile(
            race,
            site,
            arguments.profile,
            seconds=arguments.seconds or 10,
            form=arguments.format,
            native=arguments.native,
        )
    except CannotMeasure as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.profile}: {rate:,.0f} requests/s while it was watched")
    return 0


@contextmanager
def _site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="bearer-bench-") as name:
        directory = Path(name)
        nginx, port = start_api(directory)
        try:
            wait_until_it_listens(nginx, port)
            yield Site(directory, Tokens(directory), nginx, port, {"nginx": (directory / "nginx.conf").read_text()})
        finally:
            nginx.stop()


def _measured(site: Site, rows: Sequence[str] | None, effort: Effort, known: Iterable[Row] = ROWS) -> Iterator[Result]:
    for row in known:
        if row.row not in rows if rows is not None else effort.quick and row.row in NOT_IN_QUICK:
            continue
        began = time.monotonic()
        try:
            for result in row.measure(site, effort):
                _print(result)
                yield result
        except CannotMeasure as error:
            wrong = failed(row.row, f"row `{row.row}`", " ".join(str(error).split()))
            _print(wrong)
            yield wrong
        print(f"{'':10} took {time.monotonic() - began:.0f} s\n", flush=True)


def _print(result: Result) -> None:
    print(f"{result.row:10} {result.measure}")
    if result.found:
        print(f"{'':10} found {result.found}, target {result.target or 'none'}, spread {result.spread}")
    print(f"{'':10} {result.verdict.strip('*')}: {result.details}", flush=True)
