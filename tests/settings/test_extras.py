"""A configuration that needs a package which is not installed does not start."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gateway.settings.settings import load

PROBES = """
upstream: http://127.0.0.1:3000
issuers: [{issuer: https://i.example, audience: a}]
probes:
  api: {startup: {tcp: "127.0.0.1:8081"}, readiness: {grpc: "127.0.0.1:9000"}}
"""


STORE = """
upstream: http://127.0.0.1:3000
issuers: [{issuer: https://i.example, audience: a}]
store: {url: "rediss://redis.example", secrets: [{env: STORE_SECRET}]}
"""


def test_a_store_without_the_client_of_redis_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(STORE)
    environ = {"STORE_SECRET": "s" * 32}
    assert load(str(path), environ).problems == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [str(problem) for problem in load(str(path), environ).problems] == [
        "store.url: needs the package redis, which is not installed: it comes with bearer-gateway[redis]"
    ]


def test_a_grpc_probe_without_its_library_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(PROBES)
    assert load(str(path), {}).problems == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [str(problem) for problem in load(str(path), {}).problems] == [
        "probes.api.readiness.grpc: needs the package h2, which is not installed: it comes with bearer-gateway[grpc]"
    ]


CONDITION = """
upstream: http://127.0.0.1:3000
issuers: [{issuer: https://i.example, audience: a}]
routes:
  - path: /a
  - {path: /b, condition: "%s"}
"""


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("token.sub == 'a'", None),
        ("token.sub", None),
        ("1", "must be true or false; its result is of the type int"),
        ("identity.sub == 'a'", "cannot be compiled: there is no identity.sub"),
        ("", "must not be empty; leave it out for none"),
    ],
)
def test_a_condition_is_compiled_when_it_is_read(tmp_path: Path, condition: str, problem: str | None) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONDITION % condition)
    found = [str(one) for one in load(str(path), {}).problems]
    assert len(found) == (problem is not None)
    assert all(one.startswith(f"routes[1].condition: {problem}") for one in found)


def test_a_condition_without_its_library_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONDITION % "1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [str(problem) for problem in load(str(path), {}).problems] == [
        "routes[1].condition: needs the package cel-expr-python, which is not installed: pip install bearer-gateway[cel]"
    ]


def test_a_variable_that_turns_caches_off_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(PROBES)
    told = "AIOCACHE_DISABLE: is 1: nothing that others said is kept, so that they are asked again each time"
    assert [str(warning) for warning in load(str(path), {"AIOCACHE_DISABLE": "1"}).warnings] == [told]
    assert load(str(path), {"AIOCACHE_DISABLE": "0"}).warnings == []


PROXY = """
upstream: http://127.0.0.1:3000
issuers: [{issuer: https://i.example, audience: a, fetch: {proxy: "http://egress:3128"}}]
"""


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_only_the_environment_names_is_told_not_to_be_obeyed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(PROBES)
    told = f"{name}: is not obeyed: issuers are asked directly; issuers[].fetch.proxy names the proxy to ask them by"
    assert [str(warning) for warning in load(str(path), {name: "http://egress:3128"}).warnings] == [told]
    assert load(str(path), {name: ""}).warnings == []
    path.write_text(PROXY)
    assert load(str(path), {name: "http://egress:3128"}).warnings == []


CLUSTER = """
upstream: http://127.0.0.1:3000
issuers: [{issuer: https://kubernetes.default.svc.cluster.local, audience: orders, preset: kubernetes}]
"""


def test_outside_of_a_pod_preset_kubernetes_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(CLUSTER)
    assert [str(problem) for problem in load(str(path), {}).problems] == [
        "issuers[0].ca_file: names a file that does not exist",
        "issuers[0].fetch.authorization.file: names a file that does not exist",
    ]


def test_traces_without_the_messages_of_their_protocol_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(PROBES.partition("probes:")[0] + "tracing: {endpoint: 'https://c.example'}\n")
    assert load(str(path), {}).problems == []

    found = importlib.util.find_spec

    def missing(name: str) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
        return found(name)

    for find_spec in (missing, lambda name: None):
        monkeypatch.setattr(importlib.util, "find_spec", find_spec)
        (problem,) = load(str(path), {}).problems
        assert str(problem).startswith("tracing: needs the package opentelemetry-proto, which is not installed")


def test_calls_over_grpc_without_its_library_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.yaml"
    more = "decisions_grpc: 127.0.0.1:9001\ntrusted_proxies: [10.0.0.0/8]\n"
    path.write_text(PROBES.partition("probes:")[0] + more)
    assert load(str(path), {}).problems == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [str(problem) for problem in load(str(path), {}).problems] == [
        f"decisions_grpc: needs the package {package}, which is not installed: it comes with bearer-gateway[grpc]"
        for package in ("grpcio", "protobuf")
    ]
