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
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.before import rows_against
from tests.bench.certificate import make_certificate
from tests.bench.flame import FORMATS, profile
from tests.bench.go_rivals import KINDS, found_rivals
from tests.bench.introspection import introspection
from tests.bench.machine import machine, processor, versions
from tests.bench.peers import Site, start_api
from tests.bench.picture import PICTURE, picture
from tests.bench.programs import LOAD, ROOT, TESTED, CannotMeasure, wait_until_it_listens
from tests.bench.races import Effort, Race
from tests.bench.report import PAGE, kept_part, page
from tests.bench.results import FAILED, MEETS, Result, failed
from tests.bench.rows import ROWS, Row
from tests.bench.store import STORE, Run, Store, read_store, write_store
from tests.bench.tokens import Tokens

#: rounds, and seconds of each contender in one
FULL = Effort(rounds=9, seconds=3, quick=False)
QUICK = Effort(rounds=2, seconds=1, quick=True)
#: programs whose settings the page shows
SHOWN = ("gateway", "haproxy", "envoy", *KINDS, "nginx")
#: rows that a quick run leaves out
NOT_IN_QUICK = {"quiet", "context", "thrashing", "funnel", "rivals"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures the rows asked for; 1 when one of them failed, 2 when there is nothing to run on."""
    arguments = _parser().parse_args(argv)
    if arguments.page:
        publish(read_store())
        return 0
    try:
        found_rivals()
    except CannotMeasure as error:
        print(error, file=sys.stderr)
        return 2
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
        if results and _is_to_be_written(arguments, wrong=wrong):
            _write(results, effort, site)
    return int(wrong)


def _is_to_be_written(arguments: argparse.Namespace, *, wrong: bool) -> bool:
    whole = arguments.rows is None and not arguments.quick and not wrong
    return not arguments.no_write and (arguments.write or whole)


def _write(results: Sequence[Result], effort: Effort, site: Site) -> None:
    """Keeps the figures in the column of this processor, and makes page and picture anew."""
    shown = {name: site.settings[name] for name in SHOWN if name in site.settings}
    settings = {name: text.replace(str(site.directory), "/tmp/bench") for name, text in shown.items()}
    run = Run(
        f"{datetime.now(UTC):%Y-%m-%d}",
        effort.rounds,
        effort.seconds,
        effort.quick,
        tuple(machine()),
        tuple(versions()),
    )
    store = read_store().with_results(results, processor(), run, settings, [row.row for row in ROWS])
    write_store(store)
    publish(store)


def publish(store: Store) -> None:
    """Writes page and picture of what is kept."""
    PAGE.write_text(page(store, kept_part()))
    PICTURE.write_text(picture(store))
    for path in (STORE, PAGE, PICTURE):
        print(f"written: {path.relative_to(ROOT)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/bench", description="The gateway beside its peers.")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: two minutes, nothing written")
    names = [row.row for row in ROWS]
    parser.add_argument("--rows", nargs="+", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--seconds", type=int, help="seconds of each contender in a round")
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks.* whatever happened, single rows and quick runs too"
    )
    parser.add_argument("--no-write", action="store_true", help="never write docs/benchmarks.*")
    parser.add_argument("--page", action="store_true", help="instead: page and picture anew, of docs/benchmarks.json")
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
        tokens = Tokens(directory)
        nginx, port = start_api(directory)
        try:
            wait_until_it_listens(nginx, port)
            with introspection(tokens) as issuer:
                settings = {"nginx": (directory / "nginx.conf").read_text()}
                yield Site(directory, tokens, nginx, port, settings, make_certificate(directory), issuer)
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
        print(f"{'':10} found {result.found}, target {result.line.target or 'none'}, spread {result.range}")
    print(f"{'':10} {result.verdict.strip('*')}: {result.details}", flush=True)
