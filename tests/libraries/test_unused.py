"""What stands in for a module is gone when the library is there, and never in the way of the real one."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gateway.libraries.unused import without


def test_any_name_is_a_class_to_inherit_from() -> None:
    with without("no_such_module", "email.no_such_module"):
        kind = import_module("no_such_module").Base
        assert issubclass(type("Derived", (kind,), {}), kind)
        assert import_module("email.no_such_module").anything is not None
    assert not {"no_such_module", "email.no_such_module"} & set(sys.modules)
    with pytest.raises(ImportError):
        import_module("no_such_module")


def test_what_was_imported_before_stays() -> None:
    code = (
        "import http.server; before = http.server; import gateway.libraries.counting; "
        "from prometheus_client import MetricsHandler; "
        "print(issubclass(MetricsHandler, before.BaseHTTPRequestHandler))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
