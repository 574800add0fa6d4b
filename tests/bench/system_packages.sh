#!/bin/sh
# The Debian packages that the benchmark needs and that are not here yet: see tests/system_packages.sh.
set -eu

missing=""
for pair in haproxy:haproxy nginx:nginx-light taskset:util-linux wrk:wrk; do
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0
# shellcheck disable=SC2086 # a list of packages
exec sh "$(dirname "$0")/../system_packages.sh" $missing
