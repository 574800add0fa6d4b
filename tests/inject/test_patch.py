"""A stream as a whole; and manifests as people write them, in every way of injecting."""

import copy
import difflib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.inject.patch import Patched, inject, remove
from tests.inject.manifests import (
    CONFIG,
    CORPUS,
    DEPLOYMENT,
    HEADLESS,
    NUMERIC,
    SERVICE,
    gateway_of,
    injected,
    objects,
    pod_of,
    problems,
    said,
    wanted,
)

WAYS: dict[str, dict[str, Any]] = {
    "workload": {"unsafe": True},
    "all": {"part": "all", "metrics_from": "monitoring", "unsafe": True},
    "loopback": {"part": "all", "loopback": True, "unsafe": True},
    "take-port": {"take_port": True},
    "container": {"is_native": False, "unsafe": True},
}
#: which port, where there are several; and those that have nothing for a gateway
PORTS = {"metrics-exporter.yaml": "http-metrics", "boutique-cart.yaml": "7070"}
JOBS = {"job-batch.yaml", "cronjob-report.yaml"}
#: all of them in the two ways that people go, and each in another one besides
OTHERS = [way for way in WAYS if way not in {"workload", "all"}]
CASES = [
    (path, way)
    for number, path in enumerate(CORPUS)
    for way in ("workload", "all", OTHERS[number % len(OTHERS)])
    if not (way == "container" and path.name in JOBS)
]


#: a manifest of the corpus, and what became of it in one way of injecting
Corpus = Callable[[Path, str], tuple[str, Patched]]


@pytest.fixture(scope="module")
def patched_corpus() -> Corpus:
    """Each is injected once for all tests."""

    @cache
    def patched_corpus(path: Path, way: str) -> tuple[str, Patched]:
        text = path.read_bytes().decode()
        asked = wanted(target=PORTS.get(path.name), **WAYS[way])
        patched = inject(text, asked)
        assert patched.is_sound, said(patched)
        return text, patched

    return patched_corpus


def test_there_are_thirty() -> None:
    assert len(CORPUS) == 30


@pytest.mark.parametrize(("path", "way"), CASES, ids=lambda value: getattr(value, "name", value))
def test_twice_is_once_and_the_way_back_leads_to_the_very_bytes(patched_corpus: Corpus, path: Path, way: str) -> None:
    text, patched = patched_corpus(path, way)
    again = inject(patched.text, wanted(target=PORTS.get(path.name), **WAYS[way]))
    assert again.text == patched.text
    assert again.remarks == patched.remarks
    assert remove(patched.text) == Patched(text)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_only_our_lines_differ(patched_corpus: Corpus, path: Path) -> None:
    text, patched = patched_corpus(path, "all")
    gone = [
        line[1:].strip()
        for line in difflib.unified_diff(text.splitlines(), patched.text.splitlines(), n=0, lineterm="")
        if line.startswith("-") and not line.startswith("---")
    ]
    if path.suffix == ".json":
        return
    # A name, a number, or brackets that something was put into.
    for line in gone:
        assert line.lstrip("- ").startswith(
            ("name:", "port:", "targetPort:", "terminationGracePeriodSeconds:", "{")
        ) or any(mark in line for mark in ("{", "[", "volumes:")), line
    assert len(gone) <= 12


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_others_read_of_it_is_what_was_there_and_ours(patched_corpus: Corpus, path: Path) -> None:
    text, patched = patched_corpus(path, "container" if path.name not in JOBS else "workload")
    before, after = objects(text), objects(patched.text)
    added = after.keys() - before.keys()
    assert all(name.startswith("ConfigMap/bearer-gateway-") for name in added)
    for name, value in before.items():
        now = after[name]
        if now == value:
            continue
        if "bearer-gateway.io/original" not in now["metadata"].get("annotations", {}):
            raise AssertionError(f"{name} has changed and does not say so")
        stripped = _without_ours(now)
        assert _names(stripped) == _names(value)


def _without_ours(value: dict[str, Any]) -> dict[str, Any]:
    value = copy.deepcopy(value)
    if "template" in value["spec"] or value["kind"] in {"Pod", "CronJob"}:
        pod = pod_of(value)
        for part in ("containers", "initContainers", "volumes"):
            pod[part] = [one for one in pod.get(part) or () if not one["name"].startswith("bearer-gateway")]
    return value


def _names(value: dict[str, Any]) -> Any:
    if "template" in value["spec"] or value["kind"] in {"Pod", "CronJob"}:
        return [(one["name"], one.get("image"), one.get("env")) for one in pod_of(value)["containers"]]
    return [value["kind"], value["metadata"]["name"]]


def test_json_stays_json(patched_corpus: Corpus) -> None:
    for path in CORPUS:
        if path.suffix == ".json":
            decoder, rest = json.JSONDecoder(), patched_corpus(path, "all")[1].text.strip()
            while rest:
                value, end = decoder.raw_decode(rest)
                assert value["kind"]
                rest = rest[end:].strip()


def test_a_named_service_stays_and_leads_to_the_gateway() -> None:
    patched = injected(DEPLOYMENT + SERVICE)
    found = objects(patched.text)
    assert found["Service/web"] == objects(SERVICE)["Service/web"]
    assert gateway_of(found["Deployment/web"])["ports"][0] == {
        "name": "http",
        "containerPort": 15080,
        "protocol": "TCP",
    }


def test_a_service_by_number_waits_for_the_second_part() -> None:
    first = injected(DEPLOYMENT + NUMERIC)
    assert objects(first.text)["Service/web"] == objects(NUMERIC)["Service/web"]
    assert "NOT GUARDED YET" in said(first)
    second = injected(DEPLOYMENT + NUMERIC, part="service")
    assert objects(second.text)["Service/web"]["spec"]["ports"][0]["targetPort"] == 15080
    assert objects(second.text)["Deployment/web"] == objects(first.text)["Deployment/web"]
    assert inject(first.text, wanted(part="service")).text == second.text
    bare = injected(
        DEPLOYMENT + NUMERIC.replace("    targetPort: 8080\n", "").replace("port: 80", "port: 8080"), part="all"
    )
    assert objects(bare.text)["Service/web"]["spec"]["ports"][0] == {"name": "http", "port": 8080, "targetPort": 15080}


def test_a_headless_service_wants_the_apis_number() -> None:
    (problem,) = problems(DEPLOYMENT + HEADLESS)
    assert "which is headless" in problem
    patched = injected(DEPLOYMENT + HEADLESS, take_port=True)
    gateway = gateway_of(objects(patched.text)["Deployment/web"])
    assert gateway["ports"][0] == {"name": "http", "containerPort": 8080, "protocol": "TCP"}
    assert "container api must listen on 127.0.0.1:8080 only" in said(patched)
    assert len(patched.configs[0]) > len(CONFIG)
    assert injected(DEPLOYMENT + HEADLESS, unsafe=True)


def test_a_number_is_not_left_without_a_listener() -> None:
    (problem,) = problems(DEPLOYMENT + NUMERIC, loopback=True)
    assert "where nobody listens any more with --loopback" in problem
    for changes in ({"part": "service"}, {"part": "all"}, {"take_port": True}):
        injected(DEPLOYMENT + NUMERIC, loopback=True, **changes)


def test_what_is_not_guarded_is_said() -> None:
    text = DEPLOYMENT.replace("        readiness", "        - {name: m, containerPort: 9102}\n        readiness")
    more = SERVICE + "  - {name: m, port: 9102, targetPort: m}\n  - {name: x, port: 1, targetPort: nobody}\n"
    told = said(injected(text + more, target="http"))
    assert "Service/web port m leads to 9102 of the API: not guarded" in told
    assert "Service/web port x leads to a port that no container declares" in told


def test_a_service_that_is_asked_in_the_clear_is_told_of_tls() -> None:
    sentence = "Service/web port http: leads to a gateway that speaks TLS"
    assert sentence in said(injected(DEPLOYMENT + SERVICE, speaks_tls=True))
    assert "speaks TLS" not in said(injected(DEPLOYMENT + SERVICE))
    knows = SERVICE.replace("    port: 80\n", "    port: 443\n    appProtocol: https\n")
    named = SERVICE.replace("- name: http", "- name: https")
    for text in (knows, named):
        assert "speaks TLS" not in said(injected(DEPLOYMENT + text, target="http", speaks_tls=True))
    # What does not lead to the gateway is as it was.
    more = "  - {name: m, port: 9102, targetPort: m}\n"
    two = DEPLOYMENT.replace("        readiness", "        - {name: m, containerPort: 9102}\n        readiness")
    assert "port m: leads to a gateway" not in said(injected(two + SERVICE + more, target="http", speaks_tls=True))


def test_a_stream_without_an_api_is_no_success() -> None:
    assert problems("kind: ConfigMap\n")[0] == "problem  the stream has nothing that a gateway was put beside"
    assert "has no workload shop" in problems(DEPLOYMENT, names=("shop",))[0]
    assert "is not valid YAML" in problems("kind: Pod\na: [")[0]
    assert "Rollout/web: runs containers" in said(
        injected(f"{DEPLOYMENT}---\n{DEPLOYMENT.replace('Deployment', 'Rollout')}")
    )


def test_what_has_no_effect_is_said() -> None:
    assert "--metrics-from has no effect" in said(injected(DEPLOYMENT, loopback=True, metrics_from="m"))
    assert "--metrics-from has no effect" not in said(injected(DEPLOYMENT, metrics_from="m"))


def test_one_that_cannot_be_done_stops_all() -> None:
    other = DEPLOYMENT.replace("name: web\n", "name: b\n", 1).replace(
        "      containers:", "      hostNetwork: true\n      containers:"
    )
    (problem,) = problems(f"{DEPLOYMENT}---\n{other}")
    assert problem.startswith("problem  Deployment/b: ")


def test_configurations_are_kept_by_what_they_say() -> None:
    text = f"{DEPLOYMENT}---\n" + DEPLOYMENT.replace("  name: web\n", "  name: b\n  namespace: n\n", 1)
    patched = injected(text)
    maps = [document for document in patched.text.split("---\n") if 'kind: "ConfigMap"' in document]
    assert len(maps) == 2
    assert ['namespace: "n"' in one for one in maps] == [False, True]
    assert patched.configs == [CONFIG]
    changed = injected(patched.text, config=CONFIG + "realm: x\n")
    assert changed.text.count('kind: "ConfigMap"') == 2
    assert CONFIG + "realm: x\n" in changed.configs
    assert remove(changed.text).text == text


def test_a_config_map_that_is_there_is_mounted() -> None:
    patched = injected(DEPLOYMENT, config=None, config_map=("mine", "g.yaml"))
    assert patched.configs == []
    assert {"name": "bearer-gateway-config", "configMap": {"name": "mine"}} in pod_of(
        objects(patched.text)["Deployment/web"]
    )["volumes"]
    assert 'kind: "ConfigMap"' not in injected(DEPLOYMENT, config=None).text


def test_an_annotation_of_somebody_else_stops_all() -> None:
    text = DEPLOYMENT.replace("  name: web\n", "  name: web\n  annotations: {bearer-gateway.io/original: x}\n", 1)
    assert "cannot be read" in problems(text)[0]
    assert not remove(text).is_sound


def test_aliases_on_the_way_stop_all() -> None:
    text = DEPLOYMENT.replace("        ports:\n", "        env: &e []\n        args: *e\n        ports:\n")
    injected(text)
    text = DEPLOYMENT.replace("      labels: {app: web}", "      labels: &l {app: web}").replace(
        "metadata:\n  name: web", "metadata:\n  name: web\n  annotations: *l"
    )
    assert (
        "anchor and aliases"
        in problems(text.replace("*l", "&l {app: web}").replace("labels: &l {app: web}", "labels: *l"))[0]
    )


def test_a_workload_beside_without_a_gateway_is_said_to_be_unguarded() -> None:
    canary = DEPLOYMENT.replace("  name: web\n", "  name: web-canary\n")
    for service, part in ((SERVICE, "workload"), (NUMERIC, "all")):
        text = f"{DEPLOYMENT}{service}---\n{canary}"
        told = said(injected(text, names=("web",), part=part))
        assert "Service/web: also leads to Deployment/web-canary, which gets no gateway: NOT GUARDED" in told
    assert "also leads to" not in said(injected(f"{DEPLOYMENT}{SERVICE}---\n{canary}"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("spec:\n  selector: {app: web}", "spec:\n  clusterIPs: 5\n  selector: {app: web}"),
        ("        - name: http\n", "        - name: [http]\n"),
        ("  - name: http\n", "  - name: [http]\n"),
        ("    targetPort: http", "    targetPort: [http]"),
        ("    targetPort: http", "    targetPort: http\n    appProtocol: 5"),
        ("      - name: api\n", "      - name: {a: b}\n"),
        ("ports: [", "protocol: [TCP]\n    ports: ["),
        ("policyTypes: [Ingress]", "policyTypes: 5"),
        ("policyTypes: [Ingress]", "policyTypes: Ingress"),
        ("podSelector: {}", "podSelector: {matchExpressions: [5]}"),
        ("podSelector: {}", "podSelector: {matchExpressions: [{key: app, operator: In, values: 5}]}"),
        ("podSelector: {}", "podSelector: []"),
        ("  ingress:\n", "  ingress: {a: 5}\n  other:\n"),
        ("port: 8080}", "port: [8080]}"),
        ("port: 8080}", "port: 8080, protocol: [TCP]}"),
        ("    port: http\n", "    port: [http]\n"),
        ("{app: web}", "[app]"),
        ("{app: web}", "{app: [web]}"),
        ("name: web", "name: [web]"),
        ("name: web", "name: web\n  annotations: 5"),
        ("name: web", "name: web\n  labels: 5"),
        ("    spec:\n", "    spec:\n      volumes: 5\n      terminationGracePeriodSeconds: [5]\n"),
        ("    spec:\n", "    spec:\n      initContainers: {a: 5}\n"),
    ],
)
def test_odd_types_make_a_sentence_and_no_traceback(old: str, new: str) -> None:
    policy = (
        "---\nkind: NetworkPolicy\nmetadata: {name: old}\nspec:\n  podSelector: {}\n"
        "  policyTypes: [Ingress]\n  ingress:\n  - ports: [{port: 8080}]\n"
    )
    text = DEPLOYMENT + SERVICE + policy
    assert old in text
    for part in ("workload", "all"):
        patched = inject(text.replace(old, new), wanted(part=part))
        assert patched.remarks
        assert patched.is_sound == bool(patched.text)


def test_a_hyphen_in_a_comment_behind_a_dash_is_no_place_for_a_container() -> None:
    text = DEPLOYMENT.replace("      - name: api", "      - # the api - ours-\n        name: api")
    patched = injected(text + SERVICE)
    assert [one["name"] for one in pod_of(objects(patched.text)["Deployment/web"])["containers"]] == ["api"]
    assert remove(patched.text).text == text + SERVICE
