"""What a gateway takes that serves nobody yet: the memory that is promised, and nothing that only others need."""

import asyncio
import json
import re
from pathlib import Path

from process import serving

from tests.wire import demo_issuer

#: MiB, with room for other machines: of an interpreter, libraries and modules as this one has them it takes some 55
MOST = 60
_CONFIG = """
upstream: http://127.0.0.1:9
listen: 127.0.0.1:0
admin: 127.0.0.1:0
issuers:
  - issuer: https://issuer.example
    audience: https://api.example.com
    jwks_file: {}
"""


async def test_an_idle_gateway_is_small(tmp_path: Path) -> None:
    keys, config = tmp_path / "jwks.json", tmp_path / "gateway.yaml"
    keys.write_text(json.dumps(demo_issuer().jwks()))
    config.write_text(_CONFIG.format(keys))
    async with serving(config=str(config), anew=True) as gateway:
        await gateway.ready()
        # What was let go is so a moment later.
        await asyncio.sleep(0.2)
        process = Path(f"/proc/{gateway.process.pid}")
        resident = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
        mapped = set(re.findall(r"site-packages/(\w+)", (process / "maps").read_text()))
    assert resident is not None
    assert int(resident[1]) / 1024 < MOST
    # Nobody is asked for keys that are in a file.
    assert not mapped & {"aiohttp", "frozenlist", "multidict", "yarl", "grpc", "google", "redis", "cel_expr_python"}
    assert mapped >= {"uvloop", "msgspec"}
