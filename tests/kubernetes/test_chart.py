"""helm/bearer-gateway by the programs that read charts: helm 3 and 4, helm-unittest, helm-docs, kubeconform, kube-score."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.core.config.file import Config
from gateway.settings.document import parse_document
from gateway.settings.settings import load
from tests.chart import CHART, VALUES
from tests.kubernetes.hostile import BELOW_CONFIG, HEAD, TEXTS, Means, Outcome, Refused
from tests.kubernetes.schemas import LOCATION, write_schemas, write_schemas_of_crds
from tests.kubernetes.tools import crds, tool

SOUND = CHART / "tests" / "values" / "sound.yaml"
#: everything that can be turned on
EVERYTHING = [
    "--set=networkPolicy.enabled=true,networkPolicy.from[0].podSelector.matchLabels.a=b,ingress.enabled=true,autoscaling.enabled=true",
    "--set=autoscaling.requestsPerPod=100,httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,serviceMonitor.enabled=true",
    "--set=prometheusRule.enabled=true,dashboard.enabled=true,secrets.a.secretName=b,files.c.configMapName=d",
    "--set=ports.decisions=8082,config.decisions=:8082",
    "--set=ports.decisionsGrpc=9001,config.decisions_grpc=:9001",
    "--set=networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b",
]
KINDS = [
    "configmap-v1",
    "deployment-apps-v1",
    "horizontalpodautoscaler-autoscaling-v2",
    "ingress-networking-v1",
    "networkpolicy-networking-v1",
    "pod-v1",
    "poddisruptionbudget-policy-v1",
    "service-v1",
    "serviceaccount-v1",
]
CRDS = ["httproute-gateway-v1", "prometheusrule-monitoring-v1", "servicemonitor-monitoring-v1"]


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Path:
    return tool(request.param)


def run(*command: str | Path, cwd: Path | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, input=text)


def template(helm: Path, *arguments: str | Path, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    return run(helm, "template", "orders", chart, "--namespace=shop", *arguments)


def objects(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], Any]:
    """What was rendered, by kind and name."""
    assert done.returncode == 0, done.stderr
    reader = YAML(typ="safe", pure=True)
    # As the API server: there `yes` is a boolean.
    reader.version = (1, 1)
    found = [made for made in reader.load_all(done.stdout) if made]
    return {(made["kind"], made["metadata"]["name"]): made for made in found}


def text_of(done: subprocess.CompletedProcess[str]) -> str:
    """The gateway.yaml of the ConfigMap, as Kubernetes would have it."""
    # kubectl and the API server read YAML 1.1, a subset of which Helm has written.
    text: str = objects(done)["ConfigMap", "orders-bearer-gateway"]["data"]["gateway.yaml"]
    return text


def config_of(text: str, folder: Path) -> Config:
    """What the gateway makes of it."""
    path = folder / "gateway.yaml"
    path.write_text(text, newline="")
    loaded = load(str(path), {})
    assert loaded.config is not None, loaded.problems
    return loaded.config


def meant(text: str) -> str:
    """A whole configuration: what every values file has in common, below it `text`, and what the chart adds."""
    common, said = parse_document(HEAD).values["config"], parse_document(text).values
    limits = {"limits": {"connections": 2000} | said.get("limits", {})}
    return json.dumps({**common, **said, **limits}, ensure_ascii=False)


def values_file(folder: Path, below: str) -> Path:
    path = folder / "values.yaml"
    own_issuers = below.startswith("issuers:")
    head = HEAD.replace(HEAD[HEAD.index("  issuers:") :], "") if own_issuers else HEAD
    is_mapping = re.match(r"[A-Za-z_]+:", below)
    path.write_text(
        head + "".join(f"  {line}" for line in below.splitlines(keepends=True)) if is_mapping else f"config: {below}\n",
        newline="",
    )
    return path


@pytest.mark.parametrize(
    "arguments", [[], ["-f", SOUND], ["-f", SOUND, *EVERYTHING]], ids=["bare", "sound", "everything"]
)
def test_the_chart_is_clean(helm: Path, arguments: list[str | Path]) -> None:
    done = run(helm, "lint", "--strict", CHART, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_templates_do_what_they_are_for() -> None:
    done = run(tool("untt"), "--strict", CHART)
    assert done.returncode == 0, done.stdout


def test_the_readme_is_made_from_the_values(tmp_path: Path) -> None:
    copied = tmp_path / "bearer-gateway"
    shutil.copytree(CHART, copied)
    done = run(tool("helm-docs"), "--chart-search-root", copied, "--sort-values-order", "file")
    assert done.returncode == 0, done.stderr
    assert (copied / "README.md").read_text() == (CHART / "README.md").read_text(), "run `make chart`"


@pytest.fixture(scope="module")
def schemas_of_crds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """They are large, so they are read once."""
    folder = tmp_path_factory.mktemp("crds")
    for name in ("gateway", "monitoring"):
        write_schemas_of_crds(crds(name), CRDS, folder)
    return folder


@pytest.mark.parametrize("version", ["1.29", "1.34", "1.37"])
def test_every_object_is_one_of_kubernetes(helm: Path, version: str, schemas_of_crds: Path, tmp_path: Path) -> None:
    write_schemas(version, KINDS, tmp_path)
    done = template(helm, "-f", SOUND, *EVERYTHING, "--kube-version", version)
    kinds = {kind.lower() for kind, _ in objects(done)}
    assert kinds == {name.split("-")[0] for name in KINDS + CRDS}
    locations = [
        word for folder in (tmp_path, schemas_of_crds) for word in ("-schema-location", f"{folder}/{LOCATION}")
    ]
    checked = run(tool("kubeconform"), "-strict", "-summary", *locations, text=done.stdout)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_that_a_cluster_s_reviewer_would_ask_for_is_missing(helm: Path, tmp_path: Path) -> None:
    done = template(helm, "-f", SOUND, *EVERYTHING, "--set=autoscaling.requestsPerPod=null")
    checked = run(
        tool("kube-score"), "score", "--output-format", "json", "--kubernetes-version", "v1.37", "-", text=done.stdout
    )
    found = [
        (entry["type_meta"]["kind"], check["check"]["id"])
        for entry in json.loads(checked.stdout)
        for check in entry["checks"]
        if not check["skipped"] and check["grade"] <= 5
    ]
    assert set(found) <= ACCEPTED, set(found) - ACCEPTED


#: what kube-score does not like, and why it stays
ACCEPTED = {
    ("Deployment", "container-image-pull-policy"),  # a tag of ours is never moved; an air-gapped node has to start too
    ("Pod", "container-image-pull-policy"),
    ("Deployment", "container-resources"),  # no limit of cpu: throttling would add to every latency
    ("Pod", "container-resources"),
    ("Deployment", "container-ephemeral-storage-request-and-limit"),  # nothing is written but to a bounded emptyDir
    ("Pod", "container-ephemeral-storage-request-and-limit"),
    ("Deployment", "deployment-has-host-podantiaffinity"),  # topology spread constraints do that
    ("Pod", "pod-networkpolicy"),  # the pod of `helm test` takes no traffic
    ("Deployment", "pod-probes-identical"),
}


@pytest.mark.parametrize(("below", "outcome"), BELOW_CONFIG.values(), ids=BELOW_CONFIG.keys())
def test_a_mapping_means_what_was_meant_or_is_refused(helm: Path, below: str, outcome: Outcome, tmp_path: Path) -> None:
    done = template(helm, "-f", values_file(tmp_path, below))
    if isinstance(outcome, Refused):
        assert done.returncode != 0, done.stdout
        assert re.search(outcome.pattern, done.stderr), done.stderr
        assert "hunter2" not in done.stderr
    elif isinstance(outcome, Means):
        assert config_of(text_of(done), tmp_path) == config_of(meant(outcome.text), tmp_path)
    else:
        path = tmp_path / "gateway.yaml"
        path.write_text(text_of(done))
        assert [problem.path for problem in load(str(path), {}).problems] == [outcome.path]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_is_inserted_unchanged(helm: Path, text: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text, newline="")
    assert text_of(template(helm, "--set-file", f"config={path}")) == text
    # As a value of a values file it is the same, as far as that can say it.
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps({"config": text}, ensure_ascii=False))
    assert text_of(template(helm, "-f", values)) == text


def test_a_configuration_of_the_documentation_is_the_same_as_text_and_as_mapping(helm: Path, tmp_path: Path) -> None:
    text = (CHART.parents[1] / "deploy" / "gateway.yaml").read_text()
    path, values = tmp_path / "plain.yaml", tmp_path / "values.yaml"
    path.write_text(text)
    values.write_text("config:\n" + "".join(f"  {line}" for line in text.splitlines(keepends=True)))
    ports = re.findall(r"^decisions: \S*:(\d+)", text, re.MULTILINE)
    more = [f"--set=ports.decisions={port}" for port in ports]
    listens: dict[str, str] = dict(re.findall(r"^(listen|admin): \S*:(\d+)", text, re.MULTILINE))
    more += [f"--set=ports.{ {'listen': 'http'}.get(key, key) }={port}" for key, port in listens.items()]
    as_text = config_of(text_of(template(helm, "--set-file", f"config={path}", *more)), tmp_path)
    as_mapping = config_of(
        text_of(template(helm, "-f", values, "--set=config.limits.connections=10000", *more)), tmp_path
    )
    assert as_text == as_mapping


def examples() -> list[str]:
    """The values in the documentation."""
    pages = [CHART / "README.md", CHART.parents[1] / "docs" / "kubernetes.md"]
    blocks = [block for page in pages for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    return [block for block in blocks if re.match(r"# values.yaml\n|image:|secrets:", block)]


@pytest.mark.parametrize("values", examples())
def test_values_in_the_documentation_are_sound(helm: Path, values: str, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(values)
    objects(template(helm, "-f", SOUND, "-f", path))


def test_values_of_an_earlier_release_come_back_as_they_were(helm: Path, tmp_path: Path) -> None:
    """Helm keeps values as JSON and reads its numbers as floats: `--reuse-values`."""
    path = tmp_path / "values.json"
    config = {
        "upstream": "http://a",
        "issuers": [{"issuer": "https://i/", "audience": "a"}],
        "limits": {"body_bytes": 10485760.0},
    }
    path.write_text(
        json.dumps(
            {"config": config, "replicas": 2.0, "ports": {"http": 8080.0}, "terminationGracePeriodSeconds": 30.0}
        )
    )
    done = template(helm, "-f", path)
    assert config_of(text_of(done), tmp_path).limits.body_bytes == 10485760
    deployment = objects(done)["Deployment", "orders-bearer-gateway"]["spec"]
    assert (deployment["replicas"], deployment["template"]["spec"]["terminationGracePeriodSeconds"]) == (2, 30)


def strings(schema: Mapping[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    """Where a value of the chart may be a text."""
    for key, member in schema.items():
        if key != "workload" and ("enum" in member or member.get("type") == "string" or "anyOf" in member):
            yield (*path, key)
        yield from strings(member.get("properties", {}), *path, key)


def filled(text: str, folder: Path) -> Path:
    """Values with that text in every such place, but for `store`, which goes with no ConfigMap of somebody else's."""
    values: dict[str, Any] = {"config": {}, "secrets": {text: {"secretName": text, "key": text}}, "env": []}
    values |= {"files": {text: {"configMapName": text, "key": text}}, "labels": {text: text}, "podLabels": {text: text}}
    values |= {"podAnnotations": {text: text}, "nodeSelector": {text: text}, "imagePullSecrets": [{"name": text}]}
    places = [path for path in strings(VALUES) if path[-1] != "digest" and path[0] != "store"]
    assert {("existingConfigMap",), ("service", "type"), ("rollingUpdate", "maxSurge")} <= set(places)
    for *above, key in places:
        within = values
        for name in above:
            within = within.setdefault(name, {})
        within[key] = text
    values["serviceAccount"]["create"] = False
    values["ingress"]["hosts"] = [text]
    values["httpRoute"] = {"hostnames": [text]}
    path = folder / "values.json"
    path.write_text(json.dumps(values))
    return path


ATTACKS = [
    "x\n      hostPID: true",
    "x\n---\na: b",
    "a: b",
    "010",
    "123",
    "1e3",
    "yes",
    "null",
    "*a",
    "&a",
    "a #b",
    "'\"",
    "{{ 1 }}",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_stays_one_text_wherever_it_is_written(helm: Path, attack: str, tmp_path: Path) -> None:
    """Even where nobody asks the schema."""
    without = "config.decisions=:8082|config.decisions_grpc=:9001|secrets.a.secretName=b,files.c.configMapName=d,?"
    everything = [re.sub(without, "", argument).strip(",") for argument in EVERYTHING]

    def rendered(text: str) -> list[Any]:
        done = template(helm, "-f", filled(text, tmp_path), *everything, "--skip-schema-validation")
        made = (json.dumps(found) for found in objects(done).values())
        return sorted((json.loads(found.replace(json.dumps(attack)[1:-1], "plain")) for found in made), key=named)

    def named(made: Any) -> tuple[str, str]:
        return made["kind"], made["metadata"]["name"]

    assert rendered(attack) == rendered("plain")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_of_the_store_stays_one_text(helm: Path, attack: str, tmp_path: Path) -> None:
    secret = {"secretName": attack, "key": attack}
    store: dict[str, Any] = {"url": attack, "username": attack, "password": secret, "sentinelUsername": attack}
    store |= {"sentinelPassword": secret, "secrets": [secret], "ca": {"configMapName": attack, "key": attack}}
    path = tmp_path / "values.json"
    path.write_text(json.dumps({"store": store, "networkPolicy": {"enabled": True}}))
    done = template(helm, "-f", SOUND, "-f", path, "--skip-schema-validation")
    at = "/etc/bearer-gateway/secrets/store"
    assert parse_document(text_of(done)).values["store"] == {
        "url": attack,
        "username": attack,
        "password": {"file": f"{at}-password/{attack}"},
        "sentinel_username": attack,
        "sentinel_password": {"file": f"{at}-sentinel-password/{attack}"},
        "secrets": [{"file": f"{at}-secret-0/{attack}"}],
        "ca_file": f"/etc/bearer-gateway/files/store-ca/{attack}",
    }
    pod = objects(done)["Deployment", "orders-bearer-gateway"]["spec"]["template"]["spec"]
    named = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert named == [attack] * 3


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ("priorityClassName=x\n      hostNetwork: true", []),
        ("serviceAccount.name=x\n      hostPID: true", ["--set=serviceAccount.create=false"]),
        ("existingConfigMap=x\n        - name: evil\n          hostPath: {path: /etc}", ["--set-json=config={}"]),
        ("ingress.className=a\n  foo: b", ["--set=ingress.enabled=true"]),
        ("fullnameOverride=a\n  foo: b", []),
        ("nameOverride=a\n  foo: b", []),
        ("serviceMonitor.namespace=a\n  foo: b", ["--set=serviceMonitor.enabled=true"]),
    ],
)
def test_a_name_that_is_none_is_refused(helm: Path, value: str, arguments: list[str]) -> None:
    base: list[str | Path] = [] if "existingConfigMap" in value else ["-f", SOUND]
    done = template(helm, *base, *arguments, "--set-string", value.replace("{", "\\{").replace("}", "\\}"))
    assert done.returncode != 0, done.stdout
    assert "does not match pattern" in done.stderr.lower(), done.stderr


def test_a_name_that_looks_like_something_else_is_a_text(helm: Path) -> None:
    made = objects(
        template(
            helm,
            "-f",
            SOUND,
            "--set-string=fullnameOverride=123,ingress.className=yes,priorityClassName=1e3",
            "--set=ingress.enabled=true",
        )
    )
    assert made["Ingress", "123"]["spec"]["ingressClassName"] == "yes"
    pod = made["Deployment", "123"]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["priorityClassName"]) == ("123", "1e3")
    assert pod["volumes"][0] == {"name": "config", "configMap": {"name": "123"}}
    made = objects(template(helm, "--set-json=config={}", "--set-string=existingConfigMap=010"))
    pod = made["Deployment", "orders-bearer-gateway"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"] == {"name": "010"}
    done = run(helm, "template", "123", CHART, "-f", SOUND, "--namespace=456", *EVERYTHING, "--set=fullnameOverride=a")
    for made in objects(done).values():
        assert made["metadata"]["namespace"] == "456"
        assert re.fullmatch("a(-[a-z]+)?", made["metadata"]["name"])
        # Whatever else has the name or namespace of the release, it is a text there.
        assert not {123, 456} & set(scalars(made)), made


def scalars(part: Any) -> Iterator[Any]:
    if isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from scalars(inner)
    else:
        yield part


def test_an_argument_of_the_sidecar_stays_one_text(helm: Path, parent: Path) -> None:
    attack = "x\\n    hostPID: true"
    names = ("image", "imagePullPolicy", "portName", "configMap")
    arguments = " ".join(f'"{name}" "{attack}"' for name in names)
    pod = pod_of(
        sidecar(
            helm, parent, f'dict "context" $ {arguments} "secrets" (dict "{attack}" (dict "secretName" "{attack}"))'
        )
    )
    text = attack.replace("\\n", "\n")
    (gateway,) = pod["initContainers"]
    assert [gateway["image"], gateway["imagePullPolicy"], gateway["ports"][0]["name"]] == [text] * 3
    assert {"name": "bearer-gateway-config", "configMap": {"name": text}} in pod["volumes"]
    assert f"bearer-gateway-secret-{text}" in [volume["name"] for volume in pod["volumes"]]
    assert "hostPID" not in pod


def test_what_the_chart_writes_by_itself_is_not_written_twice(helm: Path, tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    ours = {
        "app.kubernetes.io/name": "evil",
        "app.kubernetes.io/component": "evil",
        "helm.sh/chart": "evil",
        "team": "a",
    }
    constraint = {"topologyKey": "a", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": None}
    constraints = [constraint, {**constraint, "matchLabelKeys": ["b"]}]
    watched = {"enabled": True, "labels": {**ours, "team": "b"}}
    values = {
        "labels": ours,
        "podLabels": ours,
        "serviceMonitor": watched,
        "prometheusRule": watched,
        "dashboard": watched,
    }
    annotations = {"checksum/config": "evil", "kubectl.kubernetes.io/default-container": "evil", "c": "d"}
    values |= {"podAnnotations": annotations, "topologySpreadConstraints": constraints}
    path.write_text(json.dumps(values))
    # A key that stands there twice is an error of this parser.
    made = objects(template(helm, "-f", SOUND, "-f", path))
    for (kind, name), it in made.items():
        labels = it["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "bearer-gateway"
        assert "evil" not in labels.values()
        more = kind in ("ServiceMonitor", "PrometheusRule") or name.endswith("-dashboard")
        assert labels["team"] == ("b" if more else "a")
    pod = made["Deployment", "orders-bearer-gateway"]["spec"]["template"]
    assert re.fullmatch("[0-9a-f]{64}", pod["metadata"]["annotations"].pop("checksum/config"))
    assert pod["metadata"]["annotations"] == {"kubectl.kubernetes.io/default-container": "bearer-gateway", "c": "d"}
    first, second = pod["spec"]["topologySpreadConstraints"]
    assert first["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert (first["matchLabelKeys"], second["matchLabelKeys"]) == (["pod-template-hash"], ["b"])


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart with this one in it."""
    made = tmp_path / "parent"
    (made / "templates").mkdir(parents=True)
    shutil.copytree(CHART, made / "charts" / "bearer-gateway")
    dependency = {"name": "bearer-gateway", "version": ">0.0.0", "repository": ""}
    described = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (made / "Chart.yaml").write_text(json.dumps(described))
    (made / "values.yaml").write_text("{}")
    return made


def test_the_chart_works_within_another_one_with_global_values(helm: Path, parent: Path, tmp_path: Path) -> None:
    (parent / "values.yaml").write_text(json.dumps({"global": {"a": "b"}}))
    values = tmp_path / "given.yaml"
    below = YAML(typ="safe", pure=True).load(HEAD + "  limits: {body_rate: null, drain: 1s}")
    values.write_text(json.dumps({"bearer-gateway": below}))
    config = config_of(text_of(template(helm, "-f", values, chart=parent)), tmp_path)
    assert config.limits.body_rate is None
    assert float(config.limits.drain) == 1.0


SIDECAR = """
{{- $gateway := %s }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders}
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec:
      %s:
        {{- include "bearer-gateway.sidecar" $gateway | nindent 8 }}
      containers:
        - {name: api, image: api}
      volumes:
        {{- include "bearer-gateway.sidecar.volumes" $gateway | nindent 8 }}
"""
VARIABLES = '(list (dict "name" "GATEWAY_UPSTREAM" "value" "http://127.0.0.1:3000"))'


def sidecar(
    helm: Path, parent: Path, arguments: str, place: str = "initContainers"
) -> subprocess.CompletedProcess[str]:
    (parent / "templates" / "deployment.yaml").write_text(SIDECAR % (arguments, place))
    return template(helm, "--set=bearer-gateway.workload=none", chart=parent)


def pod_of(done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    made = objects(done)
    assert made.keys() == {("Deployment", "orders")}
    pod: Mapping[str, Any] = made["Deployment", "orders"]["spec"]["template"]["spec"]
    return pod


def test_another_chart_has_a_sidecar_by_one_line(helm: Path, parent: Path, tmp_path: Path) -> None:
    done = sidecar(helm, parent, f'dict "context" $ "env" {VARIABLES}')
    pod = pod_of(done)
    (gateway,) = pod["initContainers"]
    version = YAML(typ="safe").load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert gateway["image"] == f"bearer-gateway:{version}"
    assert gateway["restartPolicy"] == "Always"
    assert {"name": "GATEWAY_LISTEN", "value": ":15080"} in gateway["env"]
    assert gateway["ports"] == [
        {"name": "gateway", "containerPort": 15080},
        {"name": "gateway-admin", "containerPort": 15090},
    ]
    assert gateway["lifecycle"]["preStop"]["exec"]["command"] == ["bearer-gateway", "drain"]
    assert gateway["startupProbe"]["httpGet"]["path"] == "/livez"
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/readyz"
    mounted = {mount["name"]: mount["mountPath"] for mount in gateway["volumeMounts"]}
    assert mounted["bearer-gateway-no-token"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mounted.keys() == {volume["name"] for volume in pod["volumes"]}
    write_schemas("1.29", KINDS, tmp_path / "schemas")
    location = f"{tmp_path}/schemas/{LOCATION}"
    assert run(tool("kubeconform"), "-strict", "-schema-location", location, text=done.stdout).returncode == 0


PLAIN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders}
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec:
      containers: [{name: api, image: api, ports: [{name: http, containerPort: 3000}]}]
"""


def test_the_sidecar_is_the_one_that_inject_writes(helm: Path, parent: Path) -> None:
    told = ["--image", "registry/gateway:1", "--issuer", "https://login.example.com/", "--audience", "orders"]
    injected = run(sys.executable, "-m", "gateway", "inject", "-f", "-", *told, cwd=CHART.parents[1], text=PLAIN)
    assert injected.returncode == 0, injected.stderr
    (written,) = (
        made for made in YAML(typ="safe", pure=True).load_all(injected.stdout) if made["kind"] == "Deployment"
    )
    pod = written["spec"]["template"]["spec"]
    by_inject = pod["initContainers"][0]
    by_chart = pod_of(sidecar(helm, parent, f'dict "context" $ "env" {VARIABLES} "image" "registry/gateway:1"'))
    (ours,) = by_chart["initContainers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        by_inject[probe]["httpGet"]["port"] = "gateway-admin"
    same = by_inject.keys() - {"env", "ports", "volumeMounts"}
    assert {key: ours[key] for key in same} == {key: by_inject[key] for key in same}
    volumes = [volume for volume in pod["volumes"] if volume["name"].startswith("bearer-gateway-")]
    assert sorted(by_chart["volumes"], key=str) == sorted(volumes, key=str)


def test_the_sidecar_takes_every_argument(helm: Path, parent: Path) -> None:
    arguments = (
        'dict "context" $ "configMap" "orders" "secrets" (dict "a" (dict "secretName" "b" "key" "c")) '
        '"files" (dict "ca" (dict "configMapName" "d")) "image" "registry/gateway:1" "imagePullPolicy" "Always" "listen" 8000 "admin" 9000 '
        '"portName" "http" "resources" (dict "limits" (dict "memory" "1Gi")) "native" false "job" true "token" true'
    )
    pod = pod_of(sidecar(helm, parent, arguments))
    gateway = pod["initContainers"][0]
    assert (gateway["image"], gateway["imagePullPolicy"]) == ("registry/gateway:1", "Always")
    assert "restartPolicy" not in gateway
    assert gateway["env"] == [
        {"name": "GATEWAY_CONFIG", "value": "/etc/bearer-gateway/config/gateway.yaml"},
        {"name": "GATEWAY_LISTEN", "value": ":8000"},
        {"name": "GATEWAY_ADMIN", "value": ":9000"},
        {"name": "GATEWAY_RELOAD", "value": "watch"},
    ]
    assert gateway["ports"][0] == {"name": "http", "containerPort": 8000}
    assert gateway["resources"] == {"limits": {"memory": "1Gi"}}
    assert gateway["lifecycle"]["preStop"]["exec"]["command"] == ["bearer-gateway", "drain", "--timeout", "0"]
    assert {volume["name"] for volume in pod["volumes"]} == {mount["name"] for mount in gateway["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == {
        "bearer-gateway-tmp",
        "bearer-gateway-config",
        "bearer-gateway-secret-a",
        "bearer-gateway-file-ca",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (f'dict "env" {VARIABLES}', "context is missing"),
        ('dict "context" $', "give env"),
        (f'dict "context" $ "env" {VARIABLES} "lisen" 1', "lisen is no argument"),
        (
            'dict "context" $ "env" (list (dict "name" "GATEWAY_LISTEN" "value" ":1"))',
            r"env\[0\]: GATEWAY_LISTEN is set by listen",
        ),
    ],
)
def test_a_sidecar_that_cannot_be_is_refused_with_a_sentence(
    helm: Path, parent: Path, arguments: str, sentence: str
) -> None:
    done = sidecar(helm, parent, arguments)
    assert done.returncode != 0
    assert re.search(f"bearer-gateway.sidecar: {sentence}", done.stderr), done.stderr
