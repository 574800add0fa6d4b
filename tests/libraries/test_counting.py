"""What counts comes without servers and clients, and leaves those of the standard library to whoever wants them."""

import subprocess
import sys
from pathlib import Path

_LOADS = """
import sys
from gateway.libraries.counting import CollectorRegistry, Counter, generate_latest

unused = ("http.server", "socketserver", "urllib.error", "urllib.request", "wsgiref.simple_server")
print([name for name in unused if name in sys.modules])
import http.server, urllib.error, urllib.request
print(issubclass(http.server.HTTPServer, http.server.socketserver.TCPServer), urllib.error.HTTPError.__mro__[1].__name__)
registry = CollectorRegistry()
Counter("a", "What is counted.", registry=registry).inc()
print(generate_latest(registry).decode().splitlines()[2])
"""


def test_what_nobody_uses_is_not_there_and_can_be_had_afterwards() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LOADS],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "True URLError", "a_total 1.0"]
