"""docs/benchmarks.md: what was measured, on what, with which settings, and where the project is behind."""

import os
import platform
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.programs import ROOT, find_program
from tests.bench.races import Effort
from tests.bench.results import BEHIND, FAILED, SHARED, Result

PAGE: Final = ROOT / "docs" / "benchmarks.md"
#: what stands between these is written by hand, and survives
KEPT, KEPT_END = "<!-- causes: written by hand, kept by make bench -->", "<!-- causes: end -->"
#: distributions that decide how fast the gateway is
_LIBRARIES: Final = ("aiohttp", "httptools", "uvloop", "joserfc", "cryptography", "msgspec", "prometheus-client")

_METHOD: Final = """\
- One process of each contender, pinned to core 0: one worker, one thread, one `--concurrency`. wrk (one thread, 64
  connections that are kept, unless a row says otherwise) and nginx, the API behind, share core 1; its usual response is
  129 bytes of JSON. If anything else ran on core 0, the figures say so.
- In each round every contender runs once, and the order rotates. A ratio is taken in each round; the table has the
  median of the ratios, and the least and the greatest. Absolute figures are medians over the rounds: on a virtual
  machine they move, and mean little away from their neighbours. Beside them stand the share of core 0 that the
  contender used, and the ratio by the processor time it used, which other programs on the machine disturb less.
- Before a contender is measured it is proved to work: a good token gets 200; no token, an expired one, one with changed
  claims and one without its signature get 401; the API sees the subject and the client of the token, also when the
  request already had such a header, and no token. A run in which any request failed is no result.
- Tokens: RS256 with a key of 2048 bits, 822 bytes, `typ: at+jwt`. HAProxy verifies every one of them; it has no memory.
  Envoy's memory of tokens is set to 10,000 entries, the gateway's own size (Envoy's default is 100). In the rows with
  6,000 and 12,000 tokens the counters of both are read: all look-ups found their token, or none.
- **Access logs are on everywhere**: one JSON object a line with the same kind of fields, written to a file; the rows
  that say so are without. The gateway and Envoy count requests for their metrics as they do by default.
- The gateway runs with its defaults, compiled as its wheel is. It writes three identity headers, `X-Forwarded-For`, `-Proto` and `-Host` and a
  request id; HAProxy writes two identity headers and nothing else, which is in its favour; Envoy two, with its own
  request id and `X-Forwarded-Proto`.
- The usual aiohttp proxy (tests/bench/usual_proxy.py) is `web.Application` and `ClientSession`. It judges nothing and
  logs nothing.
- WebSocket rows: client and server are one asyncio program on core 1, which is busier than the contender. So the second
  line compares by the processor time that each contender used.
- Memory is what /proc says is resident; its peak for the rows with bodies (VmHWM, reset before each).
"""


def page(results: Sequence[Result], effort: Effort, settings: Mapping[str, str]) -> str:
    """The whole page; `settings`: what each program was configured with."""
    kept = _kept(PAGE.read_text() if PAGE.exists() else "")
    return "\n".join(_lines(results, effort, settings, kept)) + "\n"


def _kept(text: str) -> str:
    _, begin, rest = text.partition(KEPT)
    inside, end, _ = rest.partition(KEPT_END)
    return inside.strip("\n") if begin and end else "Nothing is written here yet."


def _lines(results: Sequence[Result], effort: Effort, settings: Mapping[str, str], kept: str) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Made by `make bench`: do not edit, except between the marks below. Ratios above 1 are in the gateway's favour."
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, {effort.rounds} rounds of {effort.seconds} s for each contender"
    yield from (f"- {line}" for line in machine())
    yield f"- {', '.join(versions())}"
    yield ""
    if effort.quick:
        yield "**A quick run**: a first look, no result."
        yield ""
    if any(SHARED in result.details for result in results):
        yield "**Other programs ran on the core under test** (see the figures): run this again on an idle machine."
        yield ""
    yield "| measure | target | found | least .. greatest | verdict |"
    yield "|---|---|---|---|---|"
    for result in results:
        yield f"| {result.measure} | {result.target} | {result.found} | {result.spread} | {result.verdict} |"
    yield ""
    yield "## Where the project is behind"
    yield ""
    behind = [result for result in results if result.verdict in (BEHIND, FAILED)]
    for result in behind:
        missed = result.details if result.verdict == FAILED else f"{result.found}, and the target is {result.target}"
        yield f"- {result.measure}: {missed}"
    if not behind:
        yield "Nowhere in this run: every target is met."
    yield ""
    yield KEPT
    yield ""
    yield kept
    yield ""
    yield KEPT_END
    yield ""
    yield "## The figures behind"
    yield ""
    yield "| row | measure | medians |"
    yield "|---|---|---|"
    for result in results:
        yield f"| {result.row} | {result.measure} | {result.details} |"
    yield ""
    yield "## How it is measured"
    yield ""
    yield _METHOD
    yield "`make bench` takes twenty-five minutes. `make bench QUICK=1` takes two; its rounds are too few and too short for more than a first look."
    yield "`make bench BEFORE=DIR` races this wheel against the one unpacked in DIR (`build/compiled` of another clone) in every row with a steady load: what a change costs."
    yield "[profiling.md](profiling.md) shows where the time goes."
    yield ""
    yield "## Settings"
    yield ""
    for name, text in settings.items():
        yield f"<details><summary>{name}</summary>"
        yield ""
        yield "```"
        yield text.rstrip("\n")
        yield "```"
        yield ""
        yield "</details>"
        yield ""
    yield "The benchmark is in `tests/bench/`; `python tests/bench --help` runs single rows."


def machine() -> Iterator[str]:
    """Processor, cores, memory, kernel, and what else was going on."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    total = re.search(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    mhz = re.search(r"^cpu MHz\s*: (\d+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    hypervisor = (
        ", virtual" if re.search(r"^flags.*\bhypervisor\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE) else ""
    )
    yield (
        f"{cpu[1] if cpu else platform.processor()}{f' at {mhz[1]} MHz' if mhz else ''}{hypervisor}, "
        f"{os.cpu_count()} cores, {int(total[1]) / 2**20:.0f} GiB of memory"
        if total
        else "?"
    )
    yield f"Linux {platform.release().partition('-')[0]}, {_distribution()}"


def _distribution() -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE)
    return found[1] if found else "an unknown distribution"


def versions() -> Iterator[str]:
    """Every program and library whose version matters."""
    # Asked as the contender is started: this program may find the source first.
    asked = [sys.executable, "-c", "import gateway.process.summary; print(gateway.process.summary.IS_COMPILED)"]
    compiled = subprocess.run(asked, capture_output=True, text=True, check=True, cwd="/").stdout.strip() == "True"
    yield f"Bearer Gateway {version('bearer-gateway')} {'as compiled into its wheel' if compiled else 'from its source'}"
    yield f"Python {platform.python_version()}"
    yield ssl.OPENSSL_VERSION.rpartition(" ")[0].rpartition(" ")[0].rpartition(" ")[0] or ssl.OPENSSL_VERSION
    for name in _LIBRARIES:
        yield f"{name} {version(name)}"
    for name, option, pattern in (
        ("haproxy", "-v", r"version (\S+)"),
        ("envoy", "--version", r"/(\d+\.\d+\.\d+)/"),
        ("nginx", "-v", r"nginx/(\S+)"),
        ("wrk", "-v", r"wrk (\S+)"),
    ):
        done = subprocess.run([find_program(name), option], capture_output=True, text=True, check=False)
        found = re.search(pattern, done.stdout + done.stderr)
        yield f"{name} {found[1] if found else '?'}"


if __name__ == "__main__":
    sys.stdout.write("\n".join([*machine(), *versions()]) + "\n")
