"""Two workers and one Redis: a flood over both of them gets what the rate says, to the request."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from process import serving
from proxies import CADDY, ENVOY, NGINX, Program, asking, decisions_file

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.redis_server import RedisServer
from tests.wire import RawClient, RawUpstream

LIMIT = 20


async def test_two_workers_and_one_redis_share_a_bucket(tmp_path: Path, issuer: DemoIssuer, redis: RedisServer) -> None:
    api = RawUpstream()
    await api.start()
    config = tmp_path / "gateway.yaml"
    config.write_text(f"""
upstream: {api.url}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: 2
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
limits: {{drain_delay: 0s, drain: 5s}}
{redis.yaml().replace("}]}", "}], timeout: 5s}")}
rates: [{{name: all, per: subject, limit: {LIMIT}, window: 24h}}]
""")
    api.response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    async with serving(config=str(config)) as gateway:
        await gateway.ready()
        for place in range(2):
            await gateway.wait_for(f"worker {place} serves")
        token = issuer.access_token()
        statuses: Counter[int] = Counter()
        for _ in range(4):
            # A connection each: the kernel hands them to both workers.
            responses = await asyncio.gather(*(gateway.ask(token) for _ in range(10)))
            statuses.update(status for status, _, _ in responses)
        assert statuses == {200: LIMIT, 429: 40 - LIMIT}
        _, page = await gateway.admin("/metrics")
        assert f'gateway_rate_limited_total{{name="all"}} {40 - LIMIT}.0' in page
        assert await gateway.stop() == 0
    await api.stop()


def limited(config: str) -> str:
    """The file, with a rate in it."""
    path = Path(config)
    path.write_text(path.read_text() + "rates: [{name: site, per: address, limit: 2, window: 24h}]\n")
    return config


@pytest.mark.parametrize("program", [NGINX, CADDY, ENVOY], ids=lambda program: program.name)
async def test_behind_each_proxy_of_the_examples_the_clients_own_address_counts_whatever_it_says(
    tmp_path: Path, issuer: DemoIssuer, program: Program
) -> None:
    api = EchoApi()
    await api.start()
    config = limited(decisions_file(tmp_path, api=api.url, issuer=issuer.url, dead_issuer="http://127.0.0.1:1"))
    async with asking(program, tmp_path, config=config, api=api.url) as proxy:
        token = issuer.access_token()

        async def ask(source: str, claimed: str) -> int:
            """From another address than the proxy's own, which is a proxy to the gateway."""
            host, port = proxy.address.split(":")
            client = RawClient(*await asyncio.open_connection(host, int(port), local_addr=(source, 0)))
            lines = f"Host: api.test\r\nX-Forwarded-For: {claimed}\r\nAuthorization: Bearer {token}"
            response = await client.ask(f"GET /orders/1 HTTP/1.1\r\n{lines}\r\n\r\n".encode())
            await client.close()
            return response.status

        assert [await ask("127.0.0.2", f"203.0.113.{number}") for number in range(3)] == [200, 200, 429]
        assert await ask("127.0.0.3", "127.0.0.2") == 200
    await api.stop()
