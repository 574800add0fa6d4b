"""The program as a shell sees it, and configurations for it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOUND = """
upstream: http://127.0.0.1:3000
issuers:
  - issuer: https://tenant.eu.auth0.com/
    audience: https://api.example.com
    preset: auth0
"""
WITH_SECRET = (
    SOUND
    + """
upstreams:
  shop:
    url: https://shop.example
    authorization: {bearer: {env: SHOP_TOKEN}}
    headers: {X-Tenant: blue}
"""
)


class Done(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT, env={**environ, **variables}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
