"""The console's server comes as the client does."""

import subprocess
import sys
from pathlib import Path


def test_it_brings_no_contexts_with_authorities() -> None:
    code = (
        "import gateway.libraries.serving; from aiohttp import connector; "
        "print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()['x509_ca'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
