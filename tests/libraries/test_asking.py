"""What is asked of aiohttp comes without authorities of its own, and takes none from anybody else."""

import re
import ssl
import subprocess
import sys
import threading
from pathlib import Path

from gateway.authorities import trusting
from gateway.libraries.asking import trusting_nobody
from tests.relay.upstream.test_dialing import Authority

ROOT = Path(__file__).parents[2]
_LOADS = """
import ssl
from gateway.libraries.asking import aiohttp
from aiohttp import connector

theirs = connector._SSL_CONTEXT_VERIFIED
print(theirs.cert_store_stats()["x509_ca"], theirs.verify_mode.name, theirs.check_hostname)
print(ssl.create_default_context().cert_store_stats()["x509_ca"])
"""


def test_its_own_contexts_trust_nobody_and_later_ones_the_system(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADS],
        env={"SSL_CERT_FILE": str(Authority(tmp_path).file), "SSL_CERT_DIR": "/nonexistent"},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["0 CERT_REQUIRED True", "1"]


def test_contexts_that_others_make_meanwhile_trust_whom_they_did() -> None:
    before = ssl.create_default_context().cert_store_stats()
    made: list[ssl.SSLContext] = []
    with trusting_nobody():
        thread = threading.Thread(target=lambda: made.append(trusting(None)))
        thread.start()
        thread.join()
        assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 0
    assert made[0].cert_store_stats() == before
    assert ssl.create_default_context().cert_store_stats() == before


def test_it_is_imported_nowhere_else() -> None:
    others = {
        str(path.relative_to(ROOT / "gateway"))
        for path in (ROOT / "gateway").rglob("*.py")
        if re.search(r"^\s*(?:import|from) (?:aiohttp|prometheus_client)\b", path.read_text(), re.MULTILINE)
    }
    # What demonstrates stands in for others.
    assert {path for path in others if not path.startswith("demo/")} == {
        "libraries/asking.py",
        "libraries/counting.py",
        "libraries/serving.py",
    }
