"""A secret whose file is renewed is shown to the API as it is now, without a restart and without a word of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from process import GatewayProcess, serving

from gateway.demo.issuer import DemoIssuer
from tests.wire import RawUpstream

#: seconds within which a file is looked at again
SOON = 30.0


def put(path: Path, text: str) -> None:
    """As a mounted secret changes: at once."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)


@asynccontextmanager
async def program(
    directory: Path, issuer: DemoIssuer, *, workers: int
) -> AsyncIterator[tuple[GatewayProcess, dict[str, RawUpstream]]]:
    apis = {"default": RawUpstream(), "basic": RawUpstream()}
    for api in apis.values():
        await api.start()
    (directory / "metrics").mkdir()
    for name in ("bearer", "key", "password"):
        put(directory / name, f"first-{name}\n")
    path = directory / "gateway.yaml"
    path.write_text(f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: {workers}
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
upstreams:
  default:
    url: {apis["default"].url}
    authorization: {{bearer: {{file: {directory}/bearer}}}}
    headers: {{X-Key: {{file: {directory}/key}}}}
  basic:
    url: {apis["basic"].url}
    authorization: {{basic: {{user: u, password: {{file: {directory}/password}}}}}}
routes: [{{path: /basic/*, upstream: basic}}, {{path: /*}}]
limits: {{drain_delay: 0s, drain: 5s}}
""")
    env = {"PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics")}
    try:
        async with serving(config=str(path), env=env) as gateway:
            await gateway.ready()
            if workers > 1:
                for place in range(workers):
                    await gateway.wait_for(f"worker {place} serves")
            yield gateway, apis
    finally:
        for api in apis.values():
            await api.stop()


async def raw(gateway: GatewayProcess, token: str, path: str) -> bytes:
    return await gateway.raw(
        f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )


async def shown(gateway: GatewayProcess, apis: dict[str, RawUpstream], token: str) -> list[bytes]:
    """What each API was shown just now."""
    for path in ("/any", "/basic/any"):
        assert (await raw(gateway, token, path)).startswith(b"HTTP/1.1 200")
    last = apis["default"].last
    return [
        *last.values(b"Authorization"),
        *last.values(b"X-Key"),
        *apis["basic"].last.values(b"Authorization"),
    ]


FIRST = [b"Bearer first-bearer", b"first-key", b"Basic dTpmaXJzdC1wYXNzd29yZA=="]
SECOND = [b"Bearer second-bearer", b"second-key", b"Basic dTpzZWNvbmQtcGFzc3dvcmQ="]


async def test_renewed_secrets_are_shown_by_every_worker(tmp_path: Path, issuer: DemoIssuer) -> None:
    token = issuer.access_token()
    async with program(tmp_path, issuer, workers=2) as (gateway, apis):
        assert await shown(gateway, apis, token) == FIRST
        for name in ("bearer", "key", "password"):
            put(tmp_path / name, f"second-{name}\n")
        # Several times in a row.
        in_a_row = 0
        ends = asyncio.get_running_loop().time() + SOON
        while in_a_row < 8:
            assert asyncio.get_running_loop().time() < ends, "the old ones are still in use"
            in_a_row = in_a_row + 1 if await shown(gateway, apis, token) == SECOND else 0
            await asyncio.sleep(0 if in_a_row else 0.5)
        output = gateway.output.decode()
        assert "second-bearer" not in output
        assert "second-key" not in output
        assert "second-password" not in output


async def test_spoilt_secrets_leave_the_old_ones_in_use_and_are_told(tmp_path: Path, issuer: DemoIssuer) -> None:
    """Each in another way, all at the same time: files are looked at every ten seconds."""
    token = issuer.access_token()
    async with program(tmp_path, issuer, workers=1) as (gateway, apis):
        assert await shown(gateway, apis, token) == FIRST
        (tmp_path / "bearer").unlink()
        put(tmp_path / "key", "spoilt-1\nspoilt-2\n")
        put(tmp_path / "password", "")
        async with asyncio.timeout(SOON):
            for where in (r"authorization\.bearer", r"headers\.X-Key", r"basic\.password"):
                await gateway.wait_for(where)
        assert await shown(gateway, apis, token) == FIRST
        assert "spoilt-" not in gateway.output.decode()
        for name in ("bearer", "key", "password"):
            put(tmp_path / name, f"second-{name}\n")
        async with asyncio.timeout(SOON):
            while await shown(gateway, apis, token) != SECOND:  # noqa: ASYNC110 -- asked for again
                await asyncio.sleep(0.5)
        assert "second-" not in gateway.output.decode()
