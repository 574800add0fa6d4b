"""A profile of the gateway under the load of one row, by py-spy."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.load import Requests, drive
from tests.bench.peers import Site, running
from tests.bench.possession import Client
from tests.bench.programs import LOAD, CannotMeasure, find_program
from tests.bench.races import FIRST_PROOFS, SPARE, Race, prove, requests_of

#: samples a second; no multiple of anything that happens regularly
RATE: Final = 487
FORMATS: Final = ("flamegraph", "speedscope", "raw")
#: seconds of load before the first sample and after the last
MARGIN: Final = 2


def profile(race: Race, site: Site, out: Path, *, seconds: int, form: str, native: bool) -> float:
    """Writes a profile of the gateway's side of a race, and gives the requests a second while it was watched.

    CannotMeasure: py-spy fails, or the load does.
    """
    side = next(iter(race.sides.values()))
    client = Client(site.tokens)

    def requests(seconds: int) -> Requests:
        return requests_of(side, site, race.tokens, client, count=int(FIRST_PROOFS * seconds * SPARE))

    with running(site, {side.peer: race.peers[side.peer]}) as peers:
        peer = peers[side.peer]
        prove(peer, side, site, client)
        drive(peer, requests(MARGIN), seconds=MARGIN, connections=race.connections)
        asked = replace(requests(seconds + MARGIN), at=race.tokens // 2)
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [
            find_program("taskset"), "-c", str(LOAD), find_program("py-spy"), "record", "--pid", str(peer.program.process.pid),
            "--duration", str(seconds), "--rate", str(RATE), "--format", form, "--output", str(out),
            *(["--native"] if native else []),
        ]  # fmt: skip
        spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        run = drive(peer, asked, seconds=seconds + MARGIN, connections=race.connections)
        _, complaint = spy.communicate(timeout=60 + seconds)
        if spy.returncode:
            raise CannotMeasure(f"py-spy: {complaint.strip()}")
    return run.rate
