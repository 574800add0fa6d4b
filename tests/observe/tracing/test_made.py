"""Traces as the configuration wants them."""

from pathlib import Path

import pytest

from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection
from gateway.observe.tracing.made import traces_of
from gateway.ports import Ending
from tests.collector import collecting
from tests.memory import facts
from tests.signer import issuer

SECRET = Secret(file="/run/secrets/collector")
CONFIG = Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),))


async def test_a_secret_that_was_replaced_is_shown_from_then_on() -> None:
    secrets = {SECRET: "one"}
    async with collecting() as collector:
        section = TracingSection(endpoint=collector.url, sample=1.0, headers={"X-Key": SECRET, "X-Tenant": "t"})
        traces = traces_of(
            section,
            config=lambda: CONFIG,
            read=secrets.__getitem__,
            happened=lambda event: None,
            environ={"OTEL_SERVICE_NAME": "edge"},
        )
        for secret in ("one", "two"):
            secrets[SECRET] = secret
            ending, _ = traces.sampler.begin(Ending(), facts(), 0.0)
            traces.request_ended(ending)
            if secret == "one":
                await collector.until(1)
            else:
                await traces.close()
            assert (collector.headers["x-key"], collector.headers["x-tenant"]) == (secret, "t")
        assert [taken.resource["service.name"] for taken in collector.taken] == ["edge", "edge"]


def test_authorities_that_were_spoilt_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tracing\.ca_file cannot be read"):
        traces_of(
            TracingSection(endpoint="https://c", ca_file=str(tmp_path / "none.pem")),
            config=lambda: CONFIG,
            read=lambda secret: "",
            happened=lambda event: None,
            environ={},
        )
