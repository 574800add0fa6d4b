import pytest

from gateway.inject.pods import chosen, is_named, listed, mapping, unknown, within
from gateway.inject.reading import Unfit
from tests.inject.manifests import DEPLOYMENT, SERVICE, wanted, workloads

CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: web, labels: {tier: job}}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: cron}}
        spec:
          containers: [{name: a, ports: [{containerPort: 1}, {containerPort: 2, name: dns, protocol: UDP, hostPort: 2}]}]
          initContainers: [{name: b, ports: [{containerPort: 3}]}]
"""


def test_each_kind_has_its_pod_where_it_is() -> None:
    (one, two), _ = workloads(f"{DEPLOYMENT}---\n{CRON}")
    assert one.at == ("spec", "template", "spec")
    assert two.at == ("spec", "jobTemplate", "spec", "template", "spec")
    assert (one.is_job, two.is_job) == (False, True)
    assert two.pod_labels == {"app": "cron"}
    assert [container["name"] for container in two.all_containers] == ["a", "b"]
    assert [(port.number, port.name, port.protocol, port.is_host) for port in two.ports()] == [
        (1, None, "TCP", False),
        (2, "dns", "UDP", True),
    ]
    ((pod,), _) = workloads("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n")
    assert pod.at == ("spec",)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["Deployment/web", "CronJob/web"]),
        ({"names": ("web",)}, ["Deployment/web", "CronJob/web"]),
        ({"names": ("cronjob/web",)}, ["CronJob/web"]),
        ({"selector": (("tier", "job", True),)}, ["CronJob/web"]),
        ({"selector": (("tier", None, True),)}, ["CronJob/web"]),
        ({"selector": (("tier", "job", False),)}, ["Deployment/web"]),
        ({"selector": (("tier", None, False),)}, ["Deployment/web"]),
        ({"selector": (("tier", "web", True),)}, []),
    ],
)
def test_some_of_them_may_be_meant(changes: dict[str, object], names: list[str]) -> None:
    found, _ = workloads(f"{DEPLOYMENT}---\n{CRON}", **changes)
    assert [one.label for one in found] == names


def test_a_name_that_is_not_there_is_no_silence() -> None:
    with pytest.raises(Unfit, match=r"has no workload shop; it has Deployment/web"):
        workloads(DEPLOYMENT, names=("shop",))


def test_what_is_of_another_group_is_something_else() -> None:
    text = DEPLOYMENT.replace("apps/v1", "example.com/v1")
    _, objects = workloads(text)
    assert list(chosen(objects, wanted())) == []
    _, objects = workloads(text.replace("Deployment", "Rollout"))
    assert [one.label for one in unknown(objects)] == ["Rollout/web"]
    _, objects = workloads(DEPLOYMENT + SERVICE)
    assert list(unknown(objects)) == []


def test_labels_pick_pods() -> None:
    ((one,), _) = workloads(DEPLOYMENT)
    assert one.is_selected({"app": "web"}, "")
    assert not one.is_selected({"app": "web"}, "other")
    assert not one.is_selected({"app": "web", "x": "y"}, "")
    assert not one.is_selected({}, "")
    assert not one.is_selected(None, "")
    assert is_named(one.manifest, "DEPLOYMENT/web")
    assert not is_named(one.manifest, "Pod/web")


def test_other_forms_are_nothing() -> None:
    assert (mapping([]), listed({}), within([], ("a",))) == ({}, [], None)
