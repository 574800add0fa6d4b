"""docs/benchmarks.md: what was measured, on what, with which settings, and where the project is behind."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.bench.programs import ROOT
from tests.bench.results import BEHIND, FAILED, FULL_LOAD, SHARED, Line
from tests.bench.store import Column, Store

PAGE: Final = ROOT / "docs" / "benchmarks.md"
#: what stands between these is written by hand, and survives
KEPT, KEPT_END = "<!-- causes: written by hand, kept by make bench -->", "<!-- causes: end -->"

_METHOD: Final = """\
- One process of each contender, pinned to core 0: one worker, one thread, one `--concurrency`, `GOMAXPROCS=1`. wrk (one
  thread, 64 connections that are kept, unless a row says otherwise) and nginx, the API behind, share core 1; its usual
  response is 129 bytes of JSON. If anything else ran on core 0, the figures say so; and also if core 1 had nothing left
  while core 0 had: then the load is what was measured.
- In each round every contender runs once, and the order rotates. A ratio is taken in each round; the table has the
  median of the ratios, and the least and the greatest. Absolute figures are medians over the rounds: on a virtual
  machine they move, and mean little away from their neighbours. Beside them stand the share of core 0 that the
  contender used, that of core 1 which load and API used, and the ratio by the processor time of the contender, which
  other programs on the machine disturb less.
- Before a contender is measured it is proved to work: a good token gets 200; no token, an expired one, one with changed
  claims and one without its signature get 401; the API sees the subject and the client of the token, also when the
  request already had such a header, and no token. A run in which any request failed is no result.
- Tokens: RS256 with a key of 2048 bits, 822 bytes, `typ: at+jwt`. HAProxy verifies every one of them; it has no memory.
  Envoy's memory of tokens is set to 10,000 entries, the gateway's own size (Envoy's default is 100). In the rows with
  many tokens the counters of both are read: how many look-ups found their token. With 12,000 in turn Envoy finds none,
  the gateway four in five, since it does not let each that comes back push out another. A token of which neither knows
  anything any more is one never seen: 24,000 are used in turn.
- A request has Host and Authorization; more where a row says so: the 13 headers of a browser's `fetch`, the same each
  time; `traceparent` and `X-Request-Id`, other ones each time; or `X-Forwarded-For`, `-Proto` and `-Host` of a proxy in
  front that is trusted (Envoy: `xff_num_trusted_hops`), of another client each time, with that client's token.
- TLS: a certificate of P-256, TLS 1.3 where both can, connections kept.
- Revoked are others of the same issuer: 250,000 subjects, clients, sessions and tokens by `jti`, in a journal.
- An opaque token is known after its first question to the issuer, and asked about again in the background. Proofs (DPoP,
  ES256) are made by the load before each run, and each is used once; the gateway verifies every one.
- **Access logs are on everywhere**: one JSON object a line with the same kind of fields, written to a file (oauth2-proxy:
  its own line of text; Oathkeeper: three lines, since it has no other log); the rows that say so are without. The gateway and Envoy count requests for their metrics as
  they do by default.
- The gateway runs with its defaults, compiled as its wheel is. It writes three identity headers, `X-Forwarded-For`,
  `-Proto` and `-Host` and a request id; HAProxy writes two identity headers and nothing else, which is in its favour;
  Envoy two, with its own request id and `X-Forwarded-Proto`. The gateways in Go write the same two identity headers;
  oauth2-proxy and Oathkeeper pass on the token as well. None of the three remembers tokens that are JWTs.
- The usual aiohttp proxy (tests/bench/usual_proxy.py) is `web.Application` and `ClientSession`. It judges nothing and
  logs nothing.
- WebSocket rows: client and server are one asyncio program on core 1, which is busier than the contender. So the second
  line compares by the processor time that each contender used.
- Memory is what /proc says is resident; its peak for the rows with bodies (VmHWM, reset before each).
"""

_HOW: Final = """\
`make bench` takes half an hour. `make bench QUICK=1` takes three minutes; its rounds are too few and too short for more than a first look.
`make bench BEFORE=DIR` races this wheel against the one unpacked in DIR (`build/compiled` of another clone) in every row with a steady load: what a change costs.
`make bench BENCH_RIVALS=DIR` adds gateways in Go whose binaries are in DIR (or a list of paths, with `:` between): oauth2-proxy, heimdall, oathkeeper.
A run replaces the column of the processor it ran on, here and in [benchmarks.json](benchmarks.json), of which this page and the picture are made; other
columns stay. [profiling.md](profiling.md) shows where the time goes.
"""


def page(store: Store, kept: str) -> str:
    """The whole page. `kept`: the part that is written by hand."""
    return "\n".join(_lines(store, kept)) + "\n"


def kept_part(path: Path = PAGE) -> str:
    """What is written by hand into the page there is."""
    _, begin, rest = (path.read_text() if path.exists() else "").partition(KEPT)
    inside, end, _ = rest.partition(KEPT_END)
    return inside.strip("\n") if begin and end else "Nothing is written here yet."


def _lines(store: Store, kept: str) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Made by `make bench`: do not edit, except between the marks below. Ratios above 1 are in the gateway's favour."
    yield ""
    yield "![Ratios by row and processor, with their targets](benchmarks.svg)"
    yield ""
    for column in store.columns:
        yield from _machine(store, column)
    yield from _table(store)
    yield "## Where the project is behind"
    yield ""
    behind = list(_behind(store))
    yield from behind or ["Nowhere: every target is met."]
    yield ""
    yield KEPT
    yield ""
    yield kept
    yield ""
    yield KEPT_END
    yield ""
    yield "## The figures behind"
    yield ""
    for column in store.columns:
        yield f"### {column.processor.title}"
        yield ""
        yield "| row | measure | medians |"
        yield "|---|---|---|"
        for result in store.results(column):
            yield f"| {result.row} | {result.measure} | {result.details} |"
        yield ""
    yield "## How it is measured"
    yield ""
    yield _METHOD
    yield _HOW
    yield "## Settings"
    yield ""
    for name, text in store.settings.items():
        yield f"<details><summary>{name}</summary>"
        yield ""
        yield "```"
        yield text.rstrip("\n")
        yield "```"
        yield ""
        yield "</details>"
        yield ""
    yield "The benchmark is in `tests/bench/`; `python tests/bench --help` runs single rows."


def _machine(store: Store, column: Column) -> Iterator[str]:
    """What the figures of a column are from."""
    yield f"**{column.processor.title}**"
    yield ""
    # Measured in pieces: the machine and the versions are said once for all runs in a row that had them.
    for _, alike in groupby(enumerate(column.runs), lambda one: (one[1].machine, one[1].versions)):
        for number, run in alike:
            rows = dict.fromkeys(line.row for line in store.lines if _run_of(column, line) == number)
            which = "" if len(column.runs) == 1 else f": {', '.join(rows)}"
            yield f"- {run.date}, {run.rounds} rounds of {run.seconds} s for each contender{which}"
        yield from (f"- {line}" for line in run.machine)
        yield f"- {', '.join(run.versions)}"
    yield ""
    if any(run.quick for run in column.runs):
        yield "**A quick run**: a first look, no result."
        yield ""
    if any(SHARED in figure.details for figure in column.figures.values()):
        yield "**Other programs ran on the core under test** (see the figures): run this again on an idle machine."
        yield ""
    if any(FULL_LOAD in figure.details for figure in column.figures.values()):
        yield "**The core of the load was full** in some row (see the figures): there the contender could do more."
        yield ""


def _run_of(column: Column, line: Line) -> int | None:
    figure = column.figures.get(line.measure)
    return None if figure is None else figure.run


def _table(store: Store) -> Iterator[str]:
    yield "| measure | target | " + " | ".join(column.processor.title for column in store.columns) + " |"
    yield "|---|---|" + "---|" * len(store.columns)
    for line in store.lines:
        cells = [_cell(line, column) for column in store.columns]
        yield f"| {line.measure} | {line.target} | " + " | ".join(cells) + " |"
    yield ""


def _cell(line: Line, column: Column) -> str:
    figure = column.figures.get(line.measure)
    if figure is None:
        return "not measured"
    result = figure.result(line)
    return result.verdict if result.value is None else f"{result.found} ({result.range}), {result.verdict}"


def _behind(store: Store) -> Iterator[str]:
    for line in store.lines:
        found = []
        for column in store.columns:
            figure = column.figures.get(line.measure)
            result = None if figure is None else figure.result(line)
            if result is not None and result.verdict == FAILED:
                yield f"- {line.measure}: {result.details}, on {column.processor.title}"
            elif result is not None and result.verdict == BEHIND:
                found.append(f"{result.found} on {column.processor.title}")
        if found:
            yield f"- {line.measure}: {'; '.join(found)}; the target is {line.target}"
