"""Runs wrk against one program and believes it only when every request was answered with a 2xx."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.peers import Peer
from tests.bench.programs import LOAD, TESTED, CannotMeasure, core_seconds, find_program

_SCRIPT: Final = Path(__file__).with_name("load.lua")
#: keep-alive connections, where a row says nothing else
CONNECTIONS: Final = 64
#: lines that a program may hold back for a while
BUFFERED_LINES: Final = 500


@dataclass(frozen=True)
class Run:
    """What one run of wrk found."""

    requests: int
    seconds: float
    #: microseconds
    p50: float
    p99: float
    #: share of its core that the load used, the API behind and all else there included
    load: float
    #: share of its core that the program under test used, 0..1
    busy: float
    #: share of its core that others used, the hypervisor among them
    disturbed: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def by_processor(self) -> float:
        """Requests for each second of processor time of the program under test."""
        return self.rate / max(self.busy, 0.001)


@dataclass(frozen=True)
class Requests:
    """What is asked for."""

    path: str = "/"
    #: plain, browser, traced, fronted, post, dpop: as load.lua has them
    shape: str = "plain"
    #: a file of tokens, used in turn; None: requests carry none
    tokens: Path | None = None
    #: how many of them come later
    at: int = 0
    #: a file of DPoP proofs, each used once
    proofs: Path | None = None

    def arguments(self) -> list[str]:
        """Of load.lua."""
        return [self.shape, str(self.tokens or "-"), str(self.at), *([] if self.proofs is None else [str(self.proofs)])]


def drive(peer: Peer, requests: Requests, *, seconds: int, connections: int = CONNECTIONS) -> Run:
    """Requests for whole seconds.

    CannotMeasure: a refused or failed request, a socket error, a program that ended or does not log as it should.
    """
    program = peer.program
    command = [
        find_program("taskset"), "-c", str(LOAD), find_program("wrk"), "--threads", "1", "--connections", str(connections),
        "--duration", f"{seconds}s", "--timeout", "10s", "--latency", "--script", str(_SCRIPT), peer.url + requests.path,
        "--", *requests.arguments(),
    ]  # fmt: skip
    used, stolen = core_seconds(TESTED)
    load, _ = core_seconds(LOAD)
    spent, began = program.processor_seconds(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    spent, took = program.processor_seconds() - spent, time.monotonic() - began
    load = core_seconds(LOAD)[0] - load
    others = sum(core_seconds(TESTED)) - used - stolen - spent if peer.tested else 0.0
    logged = program.output.read_bytes().count(b"\n")
    program.empty_output()
    if not program.running:
        raise CannotMeasure(f"{program.name} ended under load: {program.complaint()}")
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise CannotMeasure(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}") from None
    errors = {what: found[what] for what in ("connect", "read", "write", "timeout", "status") if found[what]}
    if errors or not found["requests"]:
        told = ", ".join(f"{count} of {what}" for what, count in errors.items()) or "no response at all"
        raise CannotMeasure(f"{program.name} under load: errors: {told}; {found['requests']} requests")
    if (not logged or logged < found["requests"] - BUFFERED_LINES) if peer.logs else logged:
        raise CannotMeasure(f"{program.name} logged {logged} lines for {found['requests']} requests")
    return Run(
        requests=found["requests"],
        seconds=found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        load=min(1.0, load / took),
        busy=min(1.0, spent / took),
        disturbed=max(0.0, others / took),
    )
