"""What the supervisor has for its workers, and when it has none: tests/e2e/test_supervisor.py has those that die or fall silent."""

import json
import tempfile
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.probes import ContainerProbes, Probe
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.observe.metrics.shared_metrics import VARIABLE
from gateway.process.listening import CannotStart
from gateway.process.supervisor import Supervisor
from tests.process.supervised import Supervised, config, supervised
from tests.wire import RawUpstream, config_for, get, keys_file


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    return keys_file(tmp_path)


async def test_a_worker_has_all_that_the_supervisor_has_for_it(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them, since a worker takes long to start: each of what follows is a matter of its own."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    upstream, api, secret = RawUpstream(), RawUpstream(), Secret(file="/nonexistent/by/now")
    await upstream.start()
    await api.start()
    key, path = ECKey.generate_key("P-256"), tmp_path / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    settings = config_for(
        None,
        jwks,
        workers=1,
        upstreams={"default": UpstreamSection(url=upstream.url, headers={"X-Api-Key": secret})},
        decisions="127.0.0.1:0",
        trusted_proxies=("127.0.0.1/32",),
        assertion=AssertionSection(issuer="https://gateway.test", key=KeyFile(file=str(path))),
        probes={"api": ContainerProbes(liveness=Probe(http=f"{api.url}/health", timeout=Seconds(10)))},
    )
    async with supervised(settings, caplog, secrets={secret: "open sesame"}) as it:
        await secrets_that_were_read_and_assertions_are_sent(it, upstream)
        (published,) = json.loads((await it.admin("/.well-known/jwks.json")).body)["keys"]
        assert published["x"] == key.as_dict(private=False)["x"]
        await the_decision_listener_is_its_too(it)
        await the_supervisor_asks_for_kubelet(it, api)
        await an_address_in_use_is_told(it, jwks, unused=f"unix:{tmp_path}/s")
        assert not (tmp_path / "s").exists()
        directory = it.supervisor._directory
        assert directory.parent == tmp_path
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()
    await upstream.stop()


async def secrets_that_were_read_and_assertions_are_sent(it: Supervised, upstream: RawUpstream) -> None:
    client = await it.client()
    assert (await client.ask(get())).body == b"ok"
    assert upstream.last.values(b"X-Api-Key") == [b"open sesame"]
    assert upstream.last.values(b"X-Gateway-Assertion")
    await client.close()


async def the_decision_listener_is_its_too(it: Supervised) -> None:
    decisions = it.supervisor._listeners.decisions
    assert decisions is not None
    client = await it.client(decisions.where)
    lines = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /orders", "X-Forwarded-Proto: https")
    response = await client.ask(get("/forward", "X-Forwarded-Host: api.test", *lines))
    assert response.status == 200, response
    await client.close()


async def the_supervisor_asks_for_kubelet(it: Supervised, api: RawUpstream) -> None:
    assert (await it.admin("/probe/api/liveness")).status == 200
    assert api.last.start == b"GET /health HTTP/1.1"
    await api.stop()
    response = await it.admin("/probe/api/liveness")
    assert response.status == 503
    assert json.loads(response.body)["reason"] == "it cannot be reached (ECONNREFUSED)"


async def an_address_in_use_is_told(it: Supervised, jwks: str, unused: str) -> None:
    taken = it.supervisor._listeners.traffic.where
    with pytest.raises(CannotStart, match=f"cannot listen on {taken}: Address already in use"):
        await Supervisor(config(jwks, listen=unused, admin=taken)).run()


async def test_a_directory_that_cannot_be_used_is_told(
    jwks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "x"))
    with pytest.raises(CannotStart, match=f"the workers cannot write their metrics: .*; {VARIABLE} names"):
        await Supervisor(config(jwks)).run()
