"""What a Kubernetes of one node consists of here, and how each part is told about the others.

Nothing listens outside the cluster's own network namespace. Pods are in 198.18.0.0/24, Services in 198.19.0.0/16.
"""

import json
from pathlib import Path
from typing import Any, Final

from tests.kubernetes.pki import Authority
from tests.kubernetes.tools import tool

NODE: Final = "localhost"
#: of the node, as pods see it
NODE_ADDRESS: Final = "198.18.0.1"
PODS: Final = "198.18.0.0/24"
SERVICES: Final = "198.19.0.0/16"
API_SERVER: Final = "https://127.0.0.1:16443"
PAUSE: Final = "localhost/pause:1"
#: where kube-proxy says what it has done, in the cluster's network
PROXY_METRICS: Final = "http://127.0.0.1:10249/metrics"
_PROXY_ADDRESS: Final = "127.0.0.1:10249"
_DOMAIN: Final = "cluster.local"
_ETCD: Final = "http://127.0.0.1:12379"
_ETCD_PEERS: Final = "http://127.0.0.1:12380"


def write_certificates(folder: Path) -> None:
    """Who is who, in `folder`/pki, and how to reach the API server as the administrator and as the node."""
    pki = folder / "pki"
    pki.mkdir()
    authority = Authority(pki)
    names = ("127.0.0.1", "localhost", NODE_ADDRESS, "kubernetes.default.svc", "198.19.0.1")
    authority.issue("apiserver", "kube-apiserver", addresses=names)
    authority.issue("admin", "admin", group="system:masters")
    authority.issue("kubelet", f"system:node:{NODE}", group="system:nodes", addresses=(NODE, "127.0.0.1"))
    authority.issue("serviceaccounts", "serviceaccounts")
    told = tuple(f"{name}.kube-system.svc" for name in ("metrics-server", "prometheus-adapter"))
    authority.issue("metrics", "metrics", addresses=told)
    for name, who in (("kubeconfig", "admin"), ("kubelet.kubeconfig", "kubelet")):
        cluster = {"server": API_SERVER, "certificate-authority": str(pki / "ca.crt")}
        user = {"client-certificate": str(pki / f"{who}.crt"), "client-key": str(pki / f"{who}.key")}
        _write(
            folder / name,
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": who, "user": user}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": who}}],
                "current-context": "test",
            },
        )


def write_network(folder: Path) -> None:
    """How a pod gets its address: a pair of interfaces and a route each, so that all of its traffic passes iptables."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = {"type": "ptp", "ipMasq": False, "ipam": {**addresses, "dataDir": str(folder / "addresses")}}
    (folder / "cni").mkdir()
    _write(folder / "cni" / "10-pods.conflist", {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]})


def etcd() -> list[str]:
    return [
        "etcd",
        "--data-dir=etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEERS}",
        f"--initial-advertise-peer-urls={_ETCD_PEERS}",
        f"--initial-cluster=default={_ETCD_PEERS}",
        "--unsafe-no-fsync",
    ]


def api_server() -> list[str]:
    return [
        str(tool("kube-apiserver")),
        f"--etcd-servers={_ETCD}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_ADDRESS}",
        "--secure-port=16443",
        "--tls-cert-file=pki/apiserver.crt",
        "--tls-private-key-file=pki/apiserver.key",
        "--client-ca-file=pki/ca.crt",
        "--kubelet-client-certificate=pki/admin.crt",
        "--kubelet-client-key=pki/admin.key",
        "--kubelet-certificate-authority=pki/ca.crt",
        "--kubelet-preferred-address-types=Hostname",
        "--service-account-key-file=pki/serviceaccounts.key",
        "--service-account-signing-key-file=pki/serviceaccounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # so that metrics-server can answer for it
        "--requestheader-client-ca-file=pki/ca.crt",
        "--requestheader-allowed-names=admin",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--proxy-client-cert-file=pki/admin.crt",
        "--proxy-client-key-file=pki/admin.key",
    ]


def controller_manager() -> list[str]:
    return [
        str(tool("kube-controller-manager")),
        "--kubeconfig=kubeconfig",
        "--service-account-private-key-file=pki/serviceaccounts.key",
        "--root-ca-file=pki/ca.crt",
        "--cluster-signing-cert-file=pki/ca.crt",
        "--cluster-signing-key-file=pki/ca.key",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--authentication-skip-lookup=true",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={PODS}",
        # Five minutes and more are the defaults: nobody waits that long to see an autoscaler work.
        "--horizontal-pod-autoscaler-sync-period=2s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    ]


def scheduler() -> list[str]:
    return [
        str(tool("kube-scheduler")),
        "--kubeconfig=kubeconfig",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--authentication-skip-lookup=true",
    ]


def containerd(folder: Path) -> list[str]:
    unused = ["snapshotter.v1.btrfs", "snapshotter.v1.zfs", "snapshotter.v1.aufs", "snapshotter.v1.devmapper"]
    disabled = json.dumps([f"io.containerd.{name}" for name in [*unused, "internal.v1.opt"]])
    (folder / "containerd.toml").write_text(f"""\
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
disabled_plugins = {disabled}
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
""")
    return ["containerd", "--config=containerd.toml"]


def ctr(folder: Path) -> list[str]:
    """The beginning of a command to containerd, about what Kubernetes sees."""
    return ["ctr", f"--address={folder}/containerd.sock", "--namespace=k8s.io"]


def kubelet(folder: Path) -> list[str]:
    _write(
        folder / "kubelet.yaml",
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": f"{folder}/pki/ca.crt"},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": f"{folder}/pki/kubelet.crt",
            "tlsPrivateKeyFile": f"{folder}/pki/kubelet.key",
            "cgroupDriver": "cgroupfs",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
            "podLogsDir": f"{folder}/podlogs",
            "volumePluginDir": f"{folder}/plugins",
            "oomScoreAdj": 0,
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
            "resolvConf": "",
            "clusterDNS": [NODE_ADDRESS],
            "clusterDomain": _DOMAIN,
        },
    )
    return [
        str(tool("kubelet")),
        "--config=kubelet.yaml",
        "--kubeconfig=kubelet.kubeconfig",
        f"--root-dir={folder}/kubelet",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--v=2",
    ]


def kube_proxy() -> list[str]:
    return [
        str(tool("kube-proxy")),
        "--kubeconfig=kubeconfig",
        f"--hostname-override={NODE}",
        "--proxy-mode=iptables",
        "--bind-address=127.0.0.1",
        "--healthz-bind-address=127.0.0.1:10256",
        f"--metrics-bind-address={_PROXY_ADDRESS}",
        f"--cluster-cidr={PODS}",
        "--nodeport-addresses=127.0.0.0/8",
        "--iptables-sync-period=5s",
        "--iptables-min-sync-period=0s",
        # a setting of the whole machine, left as it is
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
    ]


def core_dns(folder: Path) -> list[str]:
    """Names of Services and pods, and no others. It listens on the node's address."""
    (folder / "Corefile").write_text(f"""\
.:53 {{
    bind {NODE_ADDRESS}
    errors
    kubernetes {_DOMAIN} in-addr.arpa {{
        kubeconfig {folder}/kubeconfig test
        pods insecure
        ttl 1
    }}
}}
""")
    return [str(tool("coredns")), "-conf=Corefile"]


def _write(path: Path, value: Any) -> None:
    """JSON, which every reader of YAML takes."""
    path.write_text(json.dumps(value, indent=1))
