"""The cluster, what can be added to it, and who asks for it."""

import os
import re
from collections.abc import Iterator

import pytest

from tests.kubernetes import addons
from tests.kubernetes.cluster import SHARED, Cluster, running
from tests.kubernetes.image import IMAGE, ROOT, build_image
from tests.kubernetes.images import API, api_image


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: needs the one Kubernetes that a machine can have")
    config.addinivalue_line("markers", "long: waits for a minute and more, so it begins before others of its kind")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is built on demand takes as long as it takes; the tests themselves have their limit.

    `-m cluster` and `-m 'not cluster'` run at once (run.py): who needs the gateway's image comes last of those on the cluster,
    first of the others, which have it built meanwhile.
    """
    ours = [item for item in items if "kubernetes" in item.path.parts]
    for item in ours:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300, func_only=True))
        if "cluster" in _fixtures(item):
            item.add_marker(pytest.mark.cluster)
    others = [item for item in items if item not in ours]
    items[:] = [*others, *sorted(ours, key=_place)]


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _place(item: pytest.Item) -> tuple[bool, bool]:
    asks = _fixtures(item)
    is_last = "image" in asks if item.get_closest_marker("cluster") else "archive" not in asks
    return is_last, item.get_closest_marker("long") is None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Kubernetes of one node: the one that run.py has brought up, else one that is brought down at the end, whatever happens."""
    if shared := os.environ.get(SHARED):
        yield Cluster(int(shared))
        return
    with running() as cluster:
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of its own, under Pod Security restricted."""
    with cluster.namespace() as name:
        yield name


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> str:
    """The name of an image with an API that knows nothing of a gateway: images.py."""
    with cluster.once("api") as first:
        if first:
            cluster.load_image(api_image())
    return API


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """The name of the gateway's image; a chart that says nothing else uses it."""
    with cluster.once("image") as first:
        if first:
            cluster.load_image(build_image())
    return IMAGE


@pytest.fixture(scope="session")
def metrics_server(cluster: Cluster) -> None:
    """What an autoscaler asks."""
    with cluster.once("metrics-server") as first:
        if first:
            addons.start_metrics_server(cluster)


@pytest.fixture(scope="session")
def metrics_adapter(cluster: Cluster) -> None:
    """What an autoscaler asks about requests, by the rule of docs/kubernetes.md."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (rules,) = re.findall(r"```yaml\n(rules:\n.*?)```", page, re.DOTALL)
    with cluster.once("metrics-adapter") as first:
        if first:
            addons.start_metrics_adapter(cluster, rules)


@pytest.fixture(scope="session")
def network_policies(cluster: Cluster) -> None:
    """From now on somebody enforces NetworkPolicies."""
    with cluster.once("network-policies") as first:
        if first:
            addons.start_network_policies(cluster)


@pytest.fixture(scope="session")
def monitoring_crds(cluster: Cluster) -> None:
    """ServiceMonitor, PrometheusRule and the others are known."""
    with cluster.once("monitoring") as first:
        if first:
            addons.define(cluster, "monitoring")


@pytest.fixture(scope="session")
def gateway_crds(cluster: Cluster) -> None:
    """HTTPRoute and the others are known."""
    with cluster.once("gateway") as first:
        if first:
            addons.define(cluster, "gateway")
