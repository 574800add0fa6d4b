"""Alerts, dashboard and runbook fit what the gateway exports: promtool judges them, and a real Prometheus evaluates them."""

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from process import START_SECONDS, STOP_SECONDS, GatewayProcess, serving
from proxies import free_port
from ruamel.yaml import YAML

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.prover import bound_to, proof
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
UNIT_TESTS = sorted(RULES.parent.glob("*_test.yaml"))
DASHBOARD = ROOT / "deploy" / "grafana" / "bearer-gateway.json"
RUNBOOK = ROOT / "docs" / "runbook.md"
RUNBOOK_URL = "https://github.com/bearer-gateway/bearer-gateway/blob/main/docs/runbook.md#"
SEVERITIES = {"critical", "warning", "info"}
#: what Grafana puts in the place of variables
VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$job": ".*"}
#: what has no result here: nothing was a week ago, and TLS is spoken elsewhere
WITHOUT_RESULT = ("offset 1w", "gateway_tls_")


def plain(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


def rules() -> list[dict[str, Any]]:
    return [rule for group in plain(RULES)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def expressions() -> Iterator[str]:
    """Every expression of the dashboard, as Prometheus gets it."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield expression


def metrics_of(expression: str) -> set[str]:
    """The names of metrics, and of what rules record, in an expression."""
    return set(re.findall(r"\b(?:gateway[_:]|process_)[a-z0-9_:]+", expression))


async def promtool(*arguments: str | Path) -> None:
    """It has nothing to complain of."""
    program = shutil.which("promtool")
    assert program, "make test installs it"
    checking = await asyncio.create_subprocess_exec(
        program, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        # It need not be thrifty with memory: a fifth of its work is to look for what it can free.
        env={**os.environ, "GOGC": "400"},
    )  # fmt: skip
    said, _ = await checking.communicate()
    assert checking.returncode == 0, said.decode()


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.name)
async def test_alerts_fire_where_they_should_and_nowhere_else(path: Path) -> None:
    await promtool("test", "rules", path)


def test_every_alert_is_tested_where_it_fires_and_where_it_does_not() -> None:
    checked = [check for path in UNIT_TESTS for test in plain(path)["tests"] for check in test["alert_rule_test"]]
    for fires in (True, False):
        assert {check["alertname"] for check in checked if bool(check["exp_alerts"]) is fires} == set(ALERTS)


def test_every_alert_says_how_bad_it_is_since_when_and_where_to_read_on() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == sorted(sections, key=list(ALERTS).index)
    assert sections == list(ALERTS)
    for name, alert in ALERTS.items():
        assert alert["for"]
        assert alert["labels"]["severity"] in SEVERITIES
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == RUNBOOK_URL + name.lower()


def test_every_section_of_the_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for section in re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]:
        parts = re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)
        assert parts == ["Means", "Look", "Do"], section


def test_the_dashboard_asks_in_the_order_in_which_one_asks() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Is it up?", "Whom does it refuse?", "Is it slow?", "Is it the provider?", "Is it the API?", "Is it the process?", "Is it the store?", "Is it a revocation, a rate, an exchange?", "Is it TLS, a proof, a condition?"]  # fmt: skip
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places = sorted((panel["gridPos"]["y"], panel["gridPos"]["x"]) for panel in dashboard["panels"])
    assert len(places) == len(set(places))


async def test_expressions_of_the_dashboard_and_of_the_runbook_can_be_parsed(tmp_path: Path) -> None:
    of_runbook = re.findall(r"```promql\n(.*?)```", RUNBOOK.read_text(), re.DOTALL)
    asked = [*expressions(), *(line for block in of_runbook for line in block.splitlines() if line)]
    assert len(asked) > 40
    path = tmp_path / "rules.yaml"
    made = [{"record": f"asked:{number}", "expr": one} for number, one in enumerate(asked)]
    path.write_text(json.dumps({"groups": [{"name": "asked", "rules": made}]}))
    await promtool("check", "rules", path)
    await promtool("check", "rules", RULES)


@asynccontextmanager
async def gateway_with_traffic(
    directory: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer, *, workers: int
) -> AsyncIterator[GatewayProcess]:
    """A gateway that has admitted, reported, refused, counted, asked in vain, and failed to reach an API."""
    path = directory / "gateway.yaml"
    path.write_text(f"""
upstreams:
  default: {{url: "{api.url}"}}
  gone: {{url: "http://127.0.0.1:{free_port()}"}}
  tokens:
    url: "http://127.0.0.1:{free_port()}"
    authorization:
      client_credentials:
        token_endpoint: "http://127.0.0.1:{free_port()}/token"
        client_id: gateway
        client_secret: {{env: PATH}}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: {workers}
issuers:
  - issuer: {issuer.url}
    audience: {issuer.audience}
    userinfo: {{claims: [nickname], endpoint: "http://127.0.0.1:{free_port()}/me"}}
    introspection: {{auth: none, endpoint: "http://127.0.0.1:{free_port()}/introspect"}}
    backchannel_logout: {{client_ids: [app]}}
revocation: {{}}
{redis.yaml().replace("}]}", "}], on_failure: {replay: local}}")}
external_url: https://api.test
dpop: {{}}
identity_headers: {{X-User-Id: sub, X-Nickname: nickname}}
routes:
  - {{path: /gone/*, upstream: gone}}
  - {{path: /tried/*, mode: report}}
  - {{path: /counted/*, rates: [{{name: few, per: route, limit: 1, window: 1h}}]}}
  - {{path: /told/*, condition: 'request.method == "GET"'}}
  - {{path: /*}}
limits: {{connections: 500, drain_delay: 0s}}
""")
    (directory / "metrics").mkdir()
    env = {"PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics")} if workers > 1 else {}
    async with serving(config=str(path), env=env) as gateway:
        await gateway.ready()
        for place in range(workers if workers > 1 else 0):
            await gateway.wait_for(f"worker {place} serves")
        await ask_everything(gateway, issuer)
        yield gateway


#: requests that it makes
ASKED = 10


async def ask_everything(gateway: GatewayProcess, issuer: DemoIssuer) -> None:
    token = issuer.access_token()
    assert (await gateway.ask(token, path="/a"))[0] == 200
    assert (await gateway.ask(token, path="/a"))[0] == 200
    assert (await gateway.ask(token, path="/gone/a"))[0] == 502
    assert (await gateway.ask(path="/tried/a"))[0] == 200
    assert (await gateway.ask(path="/a"))[0] == 401
    assert (await gateway.ask("opaque", path="/a"))[0] == 503
    assert (await gateway.ask(token, path="/counted/a"))[0] in {200, 429}
    assert (await gateway.ask(token, path="/counted/a"))[0] == 429
    bound = issuer.access_token(cnf=bound_to())
    sent = proof(bound.encode(), htu="https://api.test/a", iat=time.time()).decode()
    proven = {"Authorization": f"DPoP {bound}", "DPoP": sent}
    assert (await gateway.ask(path="/a", headers=proven))[0] == 200
    assert (await gateway.ask(token, path="/told/a"))[0] == 200


@pytest.mark.parametrize("workers", [1, 2])
async def test_every_metric_that_is_asked_for_is_exported(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer, workers: int
) -> None:
    asked = {name for one in (*expressions(), *(str(rule["expr"]) for rule in rules())) for name in metrics_of(one)}
    assert len(asked) > 25
    # Only where TLS is spoken: tests/process/test_secure.py and tests/relay/client/test_secure.py look for them.
    asked -= {"gateway_tls_certificate_expiry_timestamp_seconds", "gateway_tls_handshakes_failed_total"}
    async with gateway_with_traffic(tmp_path, issuer, api, redis, workers=workers) as gateway:
        exported: set[str] = set()
        page = ""
        async with asyncio.timeout(START_SECONDS):
            # The lag is sampled, and workers count, once a second; the page is kept for one.
            while not asked <= RECORDED | exported or counted(page, "gateway_own_duration_seconds_count") < ASKED:
                await asyncio.sleep(0.2)
                page = (await gateway.admin("/metrics"))[1]
                exported = set(re.findall(r"^(\w+)[{ ]", page, re.MULTILINE))
    assert counted(page, "gateway_ready") == 1
    assert counted(page, "gateway_connections_limit") == 500 * workers
    assert counted(page, "gateway_access_lines_dropped_total") == 0
    assert 0 <= counted(page, "gateway_event_loop_lag_seconds") < 60
    assert counted(page, "process_open_fds") > 10 * workers
    assert counted(page, "process_resident_memory_bytes") > 20_000_000 * (workers + (workers > 1))
    assert counted(page, "process_cpu_seconds_total") > 0.02 * workers
    assert len(re.findall(r'^gateway_config_info\{hash="[0-9a-f]{12}"\} 1\.0$', page, re.MULTILINE)) == 1
    assert counted(page, "gateway_own_duration_seconds_count") == ASKED
    assert counted(page, "gateway_jwks_age_limit_seconds") > 86400


def counted(page: str, name: str) -> float:
    """What a metric comes to, over all labels."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


@asynccontextmanager
async def prometheus(directory: Path, gateway: GatewayProcess) -> AsyncIterator[str]:
    """A real one that scrapes the gateway each second; its address."""
    program = shutil.which("prometheus")
    assert program, "make test installs it"
    url = f"http://127.0.0.1:{free_port()}"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "gateway", "static_configs": [{"targets": [gateway.admin_url.removeprefix("http://")]}]}
        ],
    }
    (directory / "prometheus.yml").write_text(json.dumps(config))
    running = await asyncio.create_subprocess_exec(
        program, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={url.removeprefix('http://')}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield url
    finally:
        running.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await running.wait()


async def api_of(session: aiohttp.ClientSession, url: str, **parameters: str) -> Any:
    async with session.get(url, params=parameters) as response:
        told = await response.json()
        assert told["status"] == "success", (parameters, told)
        return told["data"]


async def test_a_real_prometheus_evaluates_every_rule_and_every_expression_of_the_dashboard(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    async with (
        gateway_with_traffic(tmp_path, issuer, api, redis, workers=1) as gateway,
        prometheus(tmp_path, gateway) as url,
        aiohttp.ClientSession() as session,
        asyncio.timeout(3 * START_SECONDS),
    ):
        while True:
            try:
                if (await api_of(session, f"{url}/api/v1/query", query="gateway:own_duration_seconds:p99_5m"))[
                    "result"
                ]:
                    break
            except (aiohttp.ClientError, AssertionError, ValueError):
                pass  # it starts
            await asyncio.sleep(0.2)
        await ask_everything(gateway, issuer)
        await asyncio.sleep(2.5)  # two scrapes, for a rate
        groups = (await api_of(session, f"{url}/api/v1/rules"))["groups"]
        known = [rule for group in groups for rule in group["rules"]]
        assert len(known) == len(rules())
        assert {(rule["name"], rule["health"], rule.get("lastError")) for rule in known} == {
            (rule.get("alert") or rule["record"], "ok", None) for rule in rules()
        }
        for expression in expressions():
            found = (await api_of(session, f"{url}/api/v1/query", query=expression))["result"]
            assert found or any(word in expression for word in WITHOUT_RESULT), expression
        (target,) = (await api_of(session, f"{url}/api/v1/targets"))["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
