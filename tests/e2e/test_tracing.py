"""The program itself traces: of several workers each, under the name that the environment gives, by no proxy."""

import json
from pathlib import Path

from process import serving

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.collector import collecting
from tests.wire import until


async def test_each_worker_sends_its_own(tmp_path: Path, issuer: DemoIssuer, api: EchoApi) -> None:
    (tmp_path / "metrics").mkdir()
    path = tmp_path / "gateway.yaml"
    async with collecting() as collector:
        path.write_text(
            json.dumps(
                {
                    "upstream": api.url,
                    "listen": "127.0.0.1:0",
                    "admin": "127.0.0.1:0",
                    "workers": 2,
                    "issuers": [{"issuer": issuer.url, "audience": issuer.audience}],
                    "tracing": {"endpoint": collector.url, "sample": 1},
                }
            )
        )
        env = {
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
            "OTEL_SERVICE_NAME": "edge",
            "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop",
            "OTEL_SDK_DISABLED": "true",
            "OTEL_TRACES_SAMPLER": "always_off",
            "http_proxy": "http://127.0.0.1:1",
        }
        async with serving(config=str(path), env=env) as gateway:
            await gateway.ready()
            for place in range(2):
                await gateway.wait_for(f"worker {place} serves")
            token = issuer.access_token()

            async def both() -> bool:
                assert (await gateway.ask(token))[0] == 200
                return len({taken.resource["service.instance.id"] for taken in collector.taken}) == 2

            while not await both():
                pass
            status, page = await gateway.admin("/metrics")
            assert status == 200
            assert "gateway_trace_spans_total" in page
            assert await gateway.stop() == 0
        assert {taken.resource["service.name"] for taken in collector.taken} == {"edge"}
        assert {taken.resource["service.namespace"] for taken in collector.taken} == {"shop"}
        await until(lambda: any(taken.is_server and "signature" in taken.events for taken in collector.taken))
        assert token.encode()[-40:] not in b"".join(collector.bodies)
