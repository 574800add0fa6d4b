"""What is told of the program as a whole."""

import os
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from gateway.core.config.file import Config
from gateway.core.config.fingerprint import fingerprint
from gateway.observe.metrics.program_metrics import ProgramMetrics

CONFIG = Config(issuers=())


def told(metrics: ProgramMetrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.render(b"").decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_it_says_which_configuration_it_has_and_whether_it_is_ready() -> None:
    ready = False
    metrics = ProgramMetrics(CONFIG, is_ready=lambda: ready)
    text = metrics.render(b"others 1\n").decode()
    assert text.startswith("others 1\n")
    assert f'gateway_config_info{{hash="{fingerprint(CONFIG)}"}} 1.0' in text
    assert told(metrics)["gateway_ready"] == 0
    ready = True
    assert told(metrics)["gateway_ready"] == 1


def test_what_processes_take_is_added_up_and_who_is_gone_takes_nothing_but_the_time_it_took() -> None:
    alone = told(ProgramMetrics(CONFIG, is_ready=bool))
    work = "import sys; sum(range(3_000_000)); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        metrics = ProgramMetrics(CONFIG, is_ready=bool, workers=lambda: (other.pid,))
        both = told(metrics)
        assert both["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"] + 5_000_000
        assert both["process_open_fds"] >= alone["process_open_fds"] + 3
        assert both["process_cpu_seconds_total"] > alone["process_cpu_seconds_total"]
        assert both["process_max_fds"] == 2 * alone["process_max_fds"]
        assert both["process_start_time_seconds"] == alone["process_start_time_seconds"]
        other.communicate()
    after = told(metrics)
    assert after["process_cpu_seconds_total"] >= both["process_cpu_seconds_total"]
    assert after["process_resident_memory_bytes"] < both["process_resident_memory_bytes"]
    assert os.getpid() != other.pid


def test_the_time_that_was_taken_never_falls() -> None:
    metrics = ProgramMetrics(CONFIG, is_ready=bool)
    taken = told(metrics)["process_cpu_seconds_total"]
    assert taken == round(taken, 2)
    # As of a worker that is gone, and not among those yet whose time is known.
    metrics._taken = taken + 60
    assert told(metrics)["process_cpu_seconds_total"] == taken + 60
