"""What the benchmark runs on, and which versions of everything run in it."""

import os
import platform
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.go_rivals import rival_versions
from tests.bench.programs import find_program

#: distributions that decide how fast the gateway is
_LIBRARIES: Final = ("aiohttp", "httptools", "uvloop", "joserfc", "cryptography", "msgspec", "prometheus-client")
#: kHz, of a processor whose clock moves; machines that are virtual have none
_GREATEST: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
#: clocks that differ by less are one: a virtual machine's is measured when it starts
_STEP: Final = 100


@dataclass(frozen=True)
class Processor:
    """A model and its clock: what a figure is from."""

    model: str
    #: MHz
    clock: int

    @property
    def key(self) -> str:
        """The same for all machines with this one."""
        return f"{self.model}, {round(self.clock / _STEP) * _STEP:,} MHz"

    @property
    def title(self) -> str:
        """Short, for a reader."""
        model = re.sub(r"\((R|TM)\)|\b(CPU|Processor)\b|@.*|\d+-Core", " ", self.model)
        return f"{' '.join(model.split())}, {round(self.clock / _STEP) * _STEP:,} MHz"


def processor() -> Processor:
    """That of this machine."""
    told = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    if _GREATEST.exists():
        clock = int(_GREATEST.read_text()) // 1000
    else:
        found = re.search(r"^cpu MHz\s*: (\d+)", told, re.MULTILINE)
        clock = int(found[1]) if found else 0
    return Processor(model[1].strip() if model else platform.processor() or platform.machine(), clock)


def machine() -> Iterator[str]:
    """Processor, cores, memory, kernel."""
    found = processor()
    total = re.search(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    virtual = re.search(r"^flags.*\bhypervisor\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = f", {int(total[1]) / 2**20:.0f} GiB of memory" if total else ""
    yield f"{found.model} at {found.clock} MHz{', virtual' if virtual else ''}, {os.cpu_count()} cores{memory}"
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
    yield from rival_versions()


if __name__ == "__main__":
    sys.stdout.write("\n".join([*machine(), *versions()]) + "\n")
