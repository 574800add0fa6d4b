#!/bin/sh
# The Debian packages that the tests need and that are not here yet: installed when this runs as root, listed otherwise.
# Arguments name further packages.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" # who is not root has no haproxy and no nginx in it
missing="$*"
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
if [ $# -eq 0 ]; then
    need chromium chromium # a single-page app
    need curl curl       # pastes what the demo prints
    need faketime faketime # a clock that is wrong, for one program
    need haproxy haproxy # a peer in the benchmark, which has tests of its own
    need javac default-jdk-headless # reads the identity as docs/identity.md shows it for Spring
    need mvn maven       # and gets what that needs
    need nginx nginx-light # runs deploy/nginx
    need php php-cli     # reads the identity as docs/identity.md shows it
    need promtool prometheus # judges /metrics and the rules of deploy/prometheus, which Prometheus itself evaluates
    need redis-sentinel redis-sentinel # says which Redis is the master
    need redis-server redis-server # what replicas share
    need ruby ruby       # as php
    ruby -r jwt -e 1 2>/dev/null || missing="$missing ruby-jwt" # checks the assertion there
    ruby -r rack -e 1 2>/dev/null || missing="$missing ruby-rack" # and serves it
    ruby -r webrick -e 1 2>/dev/null || missing="$missing ruby-webrick" # as above
    need slowhttptest slowhttptest # clients that take their time
    need systemd-analyze systemd # judges and runs deploy/systemd, in namespaces of its own
    need wrk wrk         # the load of the benchmark
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing:$missing"
    echo "Install them with: sudo apt-get install --no-install-recommends$missing"
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
apt-get install -y -qq --no-install-recommends $missing >/dev/null

# Debian starts what it installs: prometheus would hold the demo's port 9090 from then on. What was here before is left alone.
[ -d /run/systemd/system ] || exit 0
for package in $missing; do
    case $package in
        haproxy | prometheus | redis-sentinel | redis-server) systemctl disable --now --quiet "$package" ;;
        nginx-light) systemctl disable --now --quiet nginx ;;
    esac
done
