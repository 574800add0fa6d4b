"""What several processes count is added up; a successor goes on where the one before it ended."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from gateway.observe.metrics import shared_metrics
from gateway.observe.metrics.metrics import Metrics

#: One worker: its place, how often it counts, and how many connections it has.
WORKER = """
import sys
from gateway.observe.metrics.shared_metrics import share
from gateway.observe.metrics.metrics import Metrics
from gateway.ports import Ending
share(int(sys.argv[1]))
metrics = Metrics(("mine",), report_routes=3)
for _ in range(int(sys.argv[2])):
    ending = Ending(status=200)
    ending.duration = 0.003
    metrics.request_ended(ending)
    metrics.token_verified("mine", None)
metrics.tally.tell()
metrics.connections_open(int(sys.argv[3]))
metrics.upstream_connections("shop", idle=1, busy=2)
"""


def work(directory: Path, place: int, requests: int, connections: int) -> None:
    environment = {**os.environ, shared_metrics.VARIABLE: str(directory)}
    arguments = [sys.executable, "-c", WORKER, str(place), str(requests), str(connections)]
    subprocess.run(arguments, env=environment, check=True, timeout=60)


def samples(directory: Path) -> dict[str, float]:
    """Sums over all labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(shared_metrics.render(directory).decode()):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_workers_are_added_up_and_a_successor_goes_on(tmp_path: Path) -> None:
    work(tmp_path, 0, requests=3, connections=10)
    work(tmp_path, 1, requests=4, connections=20)
    found = samples(tmp_path)
    assert found["gateway_requests_total"] == 7
    assert found["gateway_request_duration_seconds_count"] == 7
    assert found["gateway_tokens_verified_total"] == 7
    assert found["gateway_connections_open"] == 30
    assert found["gateway_upstream_connections"] == 6
    assert found["gateway_report_mode_routes"] == 3
    assert found["gateway_build_info"] == 1
    shared_metrics.forget(tmp_path, 0)
    found = samples(tmp_path)
    assert (found["gateway_requests_total"], found["gateway_connections_open"]) == (7, 20)
    work(tmp_path, 0, requests=5, connections=1)
    found = samples(tmp_path)
    assert (found["gateway_requests_total"], found["gateway_connections_open"]) == (12, 21)


def test_only_files_of_workers_are_wiped(tmp_path: Path) -> None:
    work(tmp_path, 0, requests=1, connections=1)
    foreign = tmp_path / "counter_123.db"
    foreign.write_text("of somebody else")
    shared_metrics.wipe(tmp_path)
    assert list(tmp_path.iterdir()) == [foreign]


def test_a_file_that_is_only_half_made_is_waited_for(tmp_path: Path) -> None:
    work(tmp_path, 0, requests=1, connections=1)
    half = tmp_path / "counter_gateway-worker-1.db"
    half.touch()
    timer = threading.Timer(0.02, half.unlink)
    timer.start()
    assert b"gateway_requests_total{" in shared_metrics.render(tmp_path)
    timer.join()


def test_a_process_by_itself_counts_in_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(shared_metrics.VARIABLE, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())  # type: ignore[no-untyped-call]
    shared_metrics.keep_private()
    Metrics(("mine",))
    assert list(tmp_path.iterdir()) == []
