"""The benchmark itself: its tokens are good, its arithmetic is right, and it believes no contender that does no work."""

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.core.claims import find_claim
from gateway.core.token.jwt import parse_token
from tests.bench.before import rows_against
from tests.bench.load import Requests, Run, drive
from tests.bench.peers import RESPONSE, Peer, gateway
from tests.bench.programs import LOAD, CannotMeasure, Program, start
from tests.bench.proof import prove_judging
from tests.bench.races import ALL, MOST, NONE, Comparison, Race, check_hits, told
from tests.bench.results import BEHIND, CONTEXT, FULL_LOAD, MEETS, bound_result, ratio_result
from tests.bench.rows import ROWS
from tests.bench.tokens import TOKEN_BYTES, Tokens, subject

#: rows with a load that two wheels can take in turn
STEADY = {
    "hot", "fitting", "thrashing", "unseen", "browser", "traced", "fronted", "funnel", "post", "tls", "opaque", "revoked", "operated", "dpop",
    "gate", "single", "large", "routes",
}  # fmt: skip


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path)


class _Careless(BaseHTTPRequestHandler):
    """Responses 200, or what it is told, to everything, and passes on what a client says of itself."""

    protocol_version = "HTTP/1.1"
    status = 200

    def do_GET(self) -> None:
        user, token = self.headers.get("X-User-Id", ""), self.headers.get("Authorization", "")
        body = json.dumps({"user": user, "client": "", "token": token}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        pass


@pytest.fixture
def idle_program(tmp_path: Path) -> Iterator[Program]:
    program = start("idle", ["sleep", "60"], tmp_path, core=LOAD)
    yield program
    program.stop()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """wrk leaves in the middle of a response."""


@pytest.fixture
def careless(idle_program: Program) -> Iterator[Peer]:
    with _Server(("127.0.0.1", 0), _Careless) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Peer(idle_program, server.server_address[1], "", logs=False)
        server.shutdown()
        thread.join()


def test_tokens_have_one_length_and_are_all_different(tokens: Tokens) -> None:
    lines = tokens.file(40).read_text().split()
    assert len(set(lines)) == 40
    assert {len(line) for line in lines} == {TOKEN_BYTES}
    assert lines[0] == tokens.good


def test_a_token_names_its_number(tokens: Tokens) -> None:
    lines = tokens.file(7).read_text().split()
    assert [find_claim(parse_token(line.encode()).claims, "sub") for line in lines] == [subject(n) for n in range(7)]


def test_a_program_that_lets_everybody_through_is_found_out(careless: Peer, tokens: Tokens) -> None:
    with pytest.raises(CannotMeasure, match="200 to no token"):
        prove_judging(careless, tokens)


def test_refused_requests_are_no_result(careless: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Careless, "status", 401)
    with pytest.raises(CannotMeasure, match="of status"):
        drive(careless, Requests(), seconds=1, connections=2)


def test_a_log_that_stays_empty_is_no_result(careless: Peer) -> None:
    peer = Peer(careless.program, careless.port, "", logs=True)
    with pytest.raises(CannotMeasure, match="logged 0 lines"):
        drive(peer, Requests(), seconds=1, connections=8)


def test_a_program_that_ended_is_no_result(careless: Peer) -> None:
    careless.program.stop()
    with pytest.raises(CannotMeasure, match="ended under load"):
        drive(careless, Requests(), seconds=1, connections=2)


def test_memory_and_time_are_those_of_the_program_and_its_children(tmp_path: Path) -> None:
    script = "import os, time\nblock = bytearray(64 << 20)\nos.fork()\nprint(1, flush=True)\ntime.sleep(60)"
    program = start("parent", ["python3", "-c", script], tmp_path, core=LOAD)
    try:
        while program.output.read_text().count("1") < 2 and program.running:
            pass
        assert program.resident() > 120
        assert program.processor_seconds() >= 0
    finally:
        program.stop()


@pytest.mark.parametrize(("target", "verdict"), [(1.0, BEHIND), (0.9, MEETS), (None, CONTEXT)])
def test_a_ratio_is_the_median_of_the_ratios_of_each_round(target: float | None, verdict: str) -> None:
    result = ratio_result("row", "measure", [90, 10, 300], [100, 20, 100], target=target, details="")
    assert (result.found, result.range, result.verdict) == ("0.90", "0.50 .. 3.00", verdict)


def test_of_memory_the_greatest_value_counts() -> None:
    result = bound_result("row", "measure", [1.0, 9.0, 2.0], at_most=8, unit="MiB", details="")
    assert (result.found, result.range, result.verdict) == ("9.0 MiB", "1.0 .. 9.0", BEHIND)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.row for row in ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("race", [row for row in ROWS if isinstance(row, Race)], ids=lambda race: race.row)
def test_a_race_compares_sides_that_it_has(race: Race) -> None:
    assert {side.peer for side in race.sides.values()} == set(race.peers)
    assert {name for comparison in race.comparisons for name in (comparison.over, comparison.under)} == set(race.sides)


@pytest.mark.parametrize(
    ("share", "hits", "misses", "good"),
    [
        (ALL, 100, 0, True),
        (ALL, 97, 3, False),
        (MOST, 80, 20, True),
        (MOST, 70, 30, False),
        (MOST, 95, 5, False),
        (NONE, 0, 100, True),
        (NONE, 3, 97, False),
        (NONE, 0, 0, False),
    ],
)
def test_a_memory_that_finds_more_or_less_than_a_row_says_is_no_result(
    share: tuple[float, float],
    hits: int,
    misses: int,
    good: bool,  # noqa: FBT001 -- a table
) -> None:
    with nullcontext() if good else pytest.raises(CannotMeasure, match=f"{hits} hits and {misses} misses"):
        check_hits("gateway", share, (7, 9), (7 + hits, 9 + misses))


def test_a_memory_is_looked_at_where_its_side_is_known() -> None:
    for race in (row for row in ROWS if isinstance(row, Race)):
        assert set(race.hits) in (set(), set(race.sides))
        # More than one token: it is said what is found of them.
        assert bool(race.hits) == (race.tokens > 1)


def test_a_wheel_races_the_one_before_on_every_side_of_every_steady_row(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "cli.py").touch()
    races = rows_against(tmp_path)
    assert {race.row for race in races} == STEADY
    assert sum(race.row == "gate" for race in races) == 3
    for race in races:
        after, before = (race.peers[name] for name in ("after", "before"))
        assert isinstance(after, gateway)
        assert isinstance(before, gateway)
        assert (after.wheel, before.wheel) == (None, tmp_path)
        assert after.routes == before.routes


def test_what_is_no_wheel_is_not_raced_against(tmp_path: Path) -> None:
    with pytest.raises(CannotMeasure, match="no unpacked wheel"):
        rows_against(tmp_path)


def test_the_usual_response_is_json_of_129_bytes() -> None:
    assert len(RESPONSE) == 129
    assert json.loads(RESPONSE)["order"]


def test_no_load_is_raced_twice(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "cli.py").touch()
    measures = [comparison.measure for race in rows_against(tmp_path) for comparison in race.comparisons]
    assert len(set(measures)) == len(measures)
    assert [measure for measure in measures if measure.startswith(("opaque", "revoked", "dpop"))] == [
        "opaque: this wheel against the one before",
        "revoked: this wheel against the one before",
        "dpop: this wheel against the one before",
    ]


def _run(*, rate: float, p99: float) -> Run:
    return Run(requests=int(rate), seconds=1, p50=1, p99=p99, load=0.5, busy=1, disturbed=0)


def test_the_slowest_of_a_hundred_count_the_other_way_round() -> None:
    gateway_run, envoy_run = _run(rate=200, p99=5_000), _run(rate=100, p99=8_000)
    rate, slow = Comparison("", "gateway", "envoy"), Comparison("", "gateway", "envoy", of="p99")
    assert rate.figure(gateway_run) / rate.figure(envoy_run) == 2
    assert slow.figure(gateway_run) / slow.figure(envoy_run) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("load", "busy", "disturbed", "full"),
    [(0.99, 0.7, 0.0, True), (0.99, 0.99, 0.0, False), (0.99, 0.5, 0.49, False), (0.5, 0.7, 0.0, False)],
)
def test_figures_say_when_the_load_is_what_was_measured(
    load: float,
    busy: float,
    disturbed: float,
    full: bool,  # noqa: FBT001 -- a table
) -> None:
    words = told([Run(requests=1, seconds=1, p50=1, p99=1, load=load, busy=busy, disturbed=disturbed)])
    assert (FULL_LOAD in words) is full
    assert f"load's {load:.0%}" in words


def test_envoys_slowest_are_a_line_of_the_first_row() -> None:
    hot = next(row for row in ROWS if row.row == "hot")
    assert isinstance(hot, Race)
    assert [(it.over, it.under, it.target) for it in hot.comparisons if it.of == "p99"] == [("gateway", "envoy", 1.0)]
