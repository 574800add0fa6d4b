"""A secret whose file is renewed is shown to the API as it is now, without a restart and without a word of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
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


@pytest.mark.parametrize("workers", [1, 2])
async def test_renewed_secrets_are_shown(tmp_path: Path, issuer: DemoIssuer, workers: int) -> None:
    token = issuer.access_token()
    async with program(tmp_path, issuer, workers=workers) as (gateway, apis):
        assert await shown(gateway, apis, token) == FIRST
        for name in ("bearer", "key", "password"):
            put(tmp_path / name, f"second-{name}\n")
        # By every worker, several times in a row.
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


@pytest.mark.parametrize("spoilt", ["gone", "two lines", "empty"])
async def test_a_spoilt_secret_leaves_the_old_one_in_use_and_is_told(
    tmp_path: Path, issuer: DemoIssuer, spoilt: str
) -> None:
    token = issuer.access_token()
    async with program(tmp_path, issuer, workers=1) as (gateway, apis):
        assert await shown(gateway, apis, token) == FIRST
        path = tmp_path / "bearer"
        if spoilt == "gone":
            path.unlink()
        else:
            put(path, "spoilt-1\nspoilt-2\n" if spoilt == "two lines" else "")
        async with asyncio.timeout(SOON):
            await gateway.wait_for(r"authorization\.bearer")
        assert await shown(gateway, apis, token) == FIRST
        assert "spoilt-" not in gateway.output.decode()
        put(path, "second-bearer\n")
        async with asyncio.timeout(SOON):
            while (await shown(gateway, apis, token))[0] != SECOND[0]:  # noqa: ASYNC110 -- asked for again
                await asyncio.sleep(0.5)
