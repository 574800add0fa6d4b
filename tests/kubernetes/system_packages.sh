#!/bin/sh
# The Debian packages that tests/kubernetes needs and that are not here yet: installed when this runs as root, which those tests
# need anyway.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
missing=
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need buildah buildah             # builds images without a daemon
need catatonit catatonit         # a static init: the pause image, and pid 1 of the cluster
need curl curl                   # asks what deploy/compose has started
need conntrack conntrack         # kube-proxy
need containerd containerd
need docker-registry docker-registry
need etcd etcd-server
need ip iproute2
need ipset ipset                 # kube-router
need iptables iptables
need mmdebstrap mmdebstrap       # base images without a registry
need nsenter util-linux
need podman podman
need prometheus prometheus       # what is scaled by requests
need runc runc
[ -x /usr/lib/podman/netavark ] || missing="$missing netavark aardvark-dns" # names of services, for deploy/compose
[ -x /usr/lib/cni/ptp ] || missing="$missing containernetworking-plugins"
if [ "$(id -u)" -ne 0 ]; then
    echo "A Kubernetes of real parts needs root."
    exit 1
fi
[ -n "$missing" ] || exit 0
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
apt-get install -y -qq --no-install-recommends $missing >/dev/null

# Debian starts what it installs; the tests start their own. What was here before is left alone.
[ -d /run/systemd/system ] || exit 0
for package in $missing; do
    case $package in
        containerd | docker-registry | prometheus) systemctl disable --now --quiet "$package" ;;
        etcd-server) systemctl disable --now --quiet etcd ;;
    esac
done
