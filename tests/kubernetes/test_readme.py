"""The five lines of README.md for containers and Kubernetes, as they stand there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.readme import ROOT, commands
from tests.kubernetes.test_image import archive, first_response, free_port, loaded, settings
from tests.kubernetes.test_inject import CONFIG, WAITS, Shop, shop
from tests.kubernetes.tools import tool
from tests.kubernetes.workloads import container, deployment, listed, service

__all__ = ["archive", "loaded", "settings", "shop"]


class Operator:
    """Somebody with a clone, a cluster and a folder, who types."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        (folder / "helm").symlink_to(ROOT / "helm")
        programs = folder / "bin"
        programs.mkdir()
        (programs / "helm").symlink_to(tool("helm4"))
        (programs / "bearer-gateway").symlink_to(Path(sys.executable).parent / "bearer-gateway")
        kubeconfig = folder / "kubeconfig"
        shutil.copy(cluster.kubeconfig, kubeconfig)
        self._variables = {
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{programs}:{tool('kubectl').parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self.types("kubectl config set-context --current --namespace " + namespace)

    def types(self, line: str) -> str:
        script = f"cd {self._folder}; {line}"
        return self._cluster.run(
            "bash", "-euo", "pipefail", "-c", script, environment=self._variables, timeout=240
        ).stdout


@pytest.fixture
def operator(cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("operator")
    (folder / "gateway.yaml").write_text(CONFIG)
    return Operator(cluster, namespace, folder)


def test_a_sidecar_is_put_beside_an_api_without_a_failed_request(
    shop: Shop, operator: Operator, image: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    by_number = service("orders")
    by_number["spec"]["ports"][0]["targetPort"] = 8080
    before = listed(deployment("orders", container(**WAITS), replicas=2), by_number)
    operator.types(f"cat > api.yaml <<'END'\n{before}\nEND")
    operator.types("kubectl apply -f api.yaml")
    shop.cluster.wait_rollout("deployment/orders", shop.namespace)
    url, token = f"http://{shop.address('orders')}/", shop.token()
    assert shop.ask(url) == 200
    with shop.asked_all_the_time(url, token):
        for line in commands("As a sidecar"):
            operator.types(line.replace("IMAGE", image))
        shop.cluster.wait_rollout("deployment/orders", shop.namespace)
    assert {shop.ask(url) for _ in range(20)} == {401}
    assert shop.ask(url, token) == 200


def test_the_chart_is_installed_and_tested_in_front_of_an_api(shop: Shop, operator: Operator, image: str) -> None:
    shop.apply(listed(deployment("orders", container()), service("orders")), "deployment/orders")
    operator.types("echo 'upstream: http://orders' >> gateway.yaml")
    install, logs, test = commands("On Kubernetes, in front of APIs")
    operator.types(install.replace("REPOSITORY", image.rpartition(":")[0]))
    shop.cluster.wait_rollout("deployment/gateway-bearer-gateway", shop.namespace)
    assert "The configuration is sound." in operator.types(logs)
    assert "Succeeded" in operator.types(test)
    url = f"http://{shop.address('gateway-bearer-gateway')}/"
    assert shop.ask(url) == 401
    assert shop.ask(url, shop.token()) == 200


@pytest.fixture
def by_podman(loaded: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which `docker` is podman, in the machine's own network."""
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\ncommand="$1"; shift\nexec podman "$command" --network host --no-healthcheck --name readme "$@"\n'
    )
    docker.chmod(0o755)
    yield {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["podman", "rm", "--force", "--ignore", "--time", "0", "readme"], check=False, capture_output=True)


def test_a_container_is_checked_and_serves(by_podman: dict[str, str], tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    (tmp_path / "gateway.yaml").write_text(
        f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\nupstream: http://127.0.0.1:9\n"
        "issuers: [{issuer: https://login.example.com, audience: orders}]\n"
    )
    build, check, run = commands("In a container")
    assert build == "make image"  # what the fixture has done
    done = subprocess.run(
        check, shell=True, env=by_podman, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "The configuration is sound." in done.stdout, done.stderr
    serving = subprocess.Popen(["sh", "-c", f"exec {run}"], env=by_podman, cwd=tmp_path)
    try:
        assert first_response(f"http://127.0.0.1:{port}") == 401
    finally:
        serving.terminate()
        assert serving.wait(30) in (0, 143)
