#!/bin/sh
# A base for Dockerfile where no registry can be reached: image_base.sh ENGINE BASE BUILDER. ENGINE: docker, podman or buildah.
# BASE is made of this machine's Debian mirror as debian:trixie-slim is made. BUILDER is BASE with what pip needs on this
# machine: its index and its certificates. Needs root, mmdebstrap and the engine.
set -eu

engine=$1 base=$2 builder=$3
suite=${SUITE:-trixie}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v mmdebstrap >/dev/null || { echo "mmdebstrap is needed: apt-get install mmdebstrap" >&2; exit 1; }

mirrors() { # of Debian, as this machine's apt knows them
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' | sort -u
}
[ -n "$(mirrors)" ] || apt-get update -qq
mirrors | sed -n "s|^\(\S*\) \S*-security\$|deb \1 $suite-security main|p; t
    s|^\(\S*\) \S*-updates\$|deb \1 $suite-updates main|p; t
    s|^\(\S*\) [a-z]*\$|deb \1 $suite main|p" | sort -u >"$work/sources"
[ -s "$work/sources" ] || { echo "apt knows no Debian mirror" >&2; exit 1; }

# What debian:*-slim leaves out, now and whenever something is installed.
set --
for path in doc doc-base groff info linda lintian locale man; do
    set -- "$@" --dpkgopt="path-exclude=/usr/share/$path/*"
done
nice mmdebstrap --quiet --mode=root --variant=minbase "$@" --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$suite" "$work/base.tar" - <"$work/sources"

case $engine in
buildah)
    made=$(buildah from scratch)
    buildah add -q "$made" "$work/base.tar" / >/dev/null
    buildah config --cmd bash "$made"
    buildah commit -q --format docker "$made" "$base" >/dev/null
    buildah rm "$made" >/dev/null
    ;;
*) "$engine" import --change 'CMD ["bash"]' "$work/base.tar" "$base" >/dev/null ;;
esac

mkdir "$work/builder"
cert=${PIP_CERT:-$(python3 -m pip config get global.cert 2>/dev/null || true)}
index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
{
    echo "[global]"
    [ -z "$index" ] || echo "index-url = $index"
    [ -z "$cert" ] || echo "cert = /etc/pip.pem"
} >"$work/builder/pip.conf"
[ -z "$cert" ] || cp "$cert" "$work/builder/pip.pem"
printf 'FROM %s\nCOPY pip.* /etc/\n' "$base" >"$work/builder/Dockerfile"
case $engine in
buildah) buildah bud -q --pull-never -t "$builder" "$work/builder" >/dev/null ;;
podman) podman build -q --pull=never -t "$builder" "$work/builder" >/dev/null ;;
docker) docker build -q -t "$builder" "$work/builder" >/dev/null ;;
esac
