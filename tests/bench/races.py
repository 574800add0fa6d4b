"""Contenders under the same load, one after the other in every round: requests a second, and what is behind them."""

import re
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from tests.bench.load import CONNECTIONS, Requests, Run, drive
from tests.bench.peers import Peer, Site, Starter, running
from tests.bench.possession import Client
from tests.bench.programs import CannotMeasure
from tests.bench.proof import bearer, prove_asking, prove_forwarding, prove_judging, prove_possession
from tests.bench.results import FULL_LOAD, SHARED, Result, ratio_result

#: shares of look-ups that find their token in memory, at least and at most
ALL, MOST, NONE = (0.98, 1.0), (0.75, 0.9), (0.0, 0.02)
#: share of a core that others may have before a figure says so
DISTURBED: Final = 0.05
#: share of its core above which the load may be what limits
LOADED: Final = 0.95
#: proofs a second for the first run of a side that needs them, before its rate is known; and how many more than needed
FIRST_PROOFS, SPARE = 10_000, 1.6


@dataclass(frozen=True)
class Effort:
    """How much time a run takes."""

    rounds: int
    #: whole seconds of each run of wrk
    seconds: int
    quick: bool


@dataclass(frozen=True)
class Side:
    """One contender in a race: which program, and what is asked of it."""

    peer: str
    path: str = "/"
    #: whether requests carry tokens
    sends: bool = True
    #: whether tokens are judged on the path; then this is proved first
    judges: bool = True
    #: of the path, what comes before the API's own
    prefix: str = ""
    #: of its requests, as load.lua has it
    shape: str = "plain"
    #: jwt, opaque (an issuer is asked), or bound (to the key of a client, which proves that it has it)
    token: str = "jwt"


@dataclass(frozen=True)
class Comparison:
    """A line of the report: one contender in terms of another."""

    measure: str
    over: str
    under: str
    #: at least; None: no target
    target: float | None = None
    #: rate: requests a second; p99: how long all but one of a hundred take at most, the other's over one's own
    of: str = "rate"

    def figure(self, run: Run) -> float:
        """Of one contender in one round; the greater, the better."""
        return 1 / max(run.p99, 1.0) if self.of == "p99" else run.rate


@dataclass(frozen=True)
class Race:
    """One or more lines of the report that come from the same rounds."""

    row: str
    peers: Mapping[str, Starter]
    sides: Mapping[str, Side]
    comparisons: tuple[Comparison, ...]
    connections: int = CONNECTIONS
    #: different tokens, used in turn
    tokens: int = 1
    #: how often each is used before anything counts
    passes: int = 1
    #: by side: share of look-ups that find their token in memory, at least and at most; not looked at where none is said
    hits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def measure(self, site: Site, effort: Effort) -> Iterator[Result]:
        """Proves, warms up, races. CannotMeasure."""
        client = Client(site.tokens)
        with running(site, self.peers) as peers:
            for side in self.sides.values():
                prove(peers[side.peer], side, site, client)
            runs = self._rounds(peers, site, effort, client)
        for comparison in self.comparisons:
            over, under = runs[comparison.over], runs[comparison.under]
            by_processor = median(
                left.by_processor / right.by_processor for left, right in zip(over, under, strict=True)
            )
            yield ratio_result(
                self.row,
                comparison.measure,
                [comparison.figure(run) for run in over],
                [comparison.figure(run) for run in under],
                target=comparison.target,
                details=f"{comparison.over} {told(over)}; {comparison.under} {told(under)}; "
                f"{by_processor:.2f} by processor time",
            )

    def _rounds(self, peers: Mapping[str, Peer], site: Site, effort: Effort, client: Client) -> dict[str, list[Run]]:
        """Every contender once a round, the first of one round being the last of the next."""
        #: where in the tokens the next run begins: a memory must not meet those it just saw
        at: dict[str, int] = defaultdict(int)
        runs: dict[str, list[Run]] = {name: [] for name in self.sides}
        rates: dict[str, float] = dict.fromkeys(self.sides, FIRST_PROOFS)

        def one(name: str, seconds: int) -> Run:
            side = self.sides[name]
            asked = requests_of(side, site, self.tokens, client, count=int(rates[name] * seconds * SPARE))
            run = drive(peers[side.peer], replace(asked, at=at[name]), seconds=seconds, connections=self.connections)
            at[name] += run.requests + self.connections
            rates[name] = run.rate
            return run

        for name in self.sides:
            one(name, 1)
            while self.tokens > 1 and at[name] < self.passes * self.tokens:
                one(name, 1)
        before = {name: _lookups(peers[side.peer]) for name, side in self.sides.items()}
        order = list(self.sides)
        targets = any(comparison.target is not None for comparison in self.comparisons)
        for _ in range(effort.rounds if targets or not effort.quick else 1):
            for name in order:
                runs[name].append(one(name, effort.seconds))
            order = order[1:] + order[:1]
        for name, share in self.hits.items():
            check_hits(name, share, before[name], _lookups(peers[self.sides[name].peer]))
        return runs


def check_hits(name: str, share: tuple[float, float], before: tuple[int, int], after: tuple[int, int]) -> None:
    """A memory found as many tokens as a row says, by its hits and misses before and after. CannotMeasure: not so."""
    hits, misses = after[0] - before[0], after[1] - before[1]
    least, most = share
    if not hits + misses or not least <= hits / (hits + misses) <= most:
        raise CannotMeasure(f"the memory of {name} had {hits} hits and {misses} misses")


def prove(peer: Peer, side: Side, site: Site, client: Client) -> None:
    """What a contender is measured for, it does. CannotMeasure."""
    if side.token == "bound":
        prove_possession(peer, client)
    elif side.token == "opaque":
        prove_asking(peer, site.tokens)
    else:
        prove_forwarding(peer, side.path, lambda: bearer(site.tokens.good) if side.sends else {})
        if side.judges:
            prove_judging(peer, site.tokens, prefix=side.prefix)


def requests_of(side: Side, site: Site, tokens: int, client: Client, *, count: int) -> Requests:
    """What a side is asked. `tokens`: how many different ones; `count`: of proofs, where it needs them."""
    if not side.sends:
        return Requests(side.path, side.shape)
    if side.token == "bound":
        return Requests(side.path, side.shape, client.token_file(), proofs=client.proof_file(side.path, count))
    return Requests(
        side.path, side.shape, site.tokens.opaque_file() if side.token == "opaque" else site.tokens.file(tokens)
    )


def told(runs: list[Run]) -> str:
    """Medians of the runs of one contender, for a reader."""
    rate, p50, p99 = (median(getattr(run, what) for run in runs) for what in ("rate", "p50", "p99"))
    busy = median(run.busy for run in runs)
    disturbed = median(run.disturbed for run in runs)
    shared = f", {SHARED} {disturbed:.0%} of it" if disturbed > DISTURBED else ""
    load = median(run.load for run in runs)
    full = f", {FULL_LOAD}" if load > LOADED and busy + disturbed < LOADED else ""
    figures = f"p50 {p50 / 1000:.2f} ms, p99 {p99 / 1000:.2f} ms, core {busy:.0%}{shared}, load's {load:.0%}{full}"
    return f"{rate:,.0f}/s ({figures})"


def _lookups(peer: Peer) -> tuple[int, int]:
    """Hits and misses in the memory of tokens since the program started; none where it does not count."""
    if peer.admin is None:
        return 0, 0
    path = "stats?filter=jwt_cache" if peer.program.name.startswith("envoy") else "metrics"
    with urllib.request.urlopen(f"http://127.0.0.1:{peer.admin}/{path}", timeout=10) as response:
        text = response.read().decode()
    counts = {}
    for what in ("hit", "miss"):
        found = re.search(rf'(?:lookups_total{{result="{what}"}}|jwt_cache_{what}:) ([0-9.e+]+)', text)
        counts[what] = int(float(found[1])) if found else 0
    return counts["hit"], counts["miss"]
