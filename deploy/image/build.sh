#!/bin/sh
# Builds the image by docker, podman or buildah, whatever is there: build.sh NAME:TAG, or `make image`.
# Variables: ENGINE chooses one of the three; BASE, BUILDER and EXTRAS are Dockerfile's; FLAGS are handed to the engine as they are.
# SOURCE_DATE_EPOCH is the time that everything in the image bears, REVISION what it says it was made of: by default the commit.
set -eu
cd "$(dirname "$0")/../.."

image=$1
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' gateway/__init__.py)
revision=${REVISION-$(git rev-parse HEAD 2>/dev/null || true)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
default=docker.io/library/debian:trixie-slim

. deploy/image/engine.sh

# What is built from whatever a registry has should say so; only where there is none, the base is made here.
if [ -z "${BASE:-}" ]; then
    BASE=$default
    if ! "$engine" inspect --type image "$BASE" >/dev/null 2>&1 && ! "$engine" pull --quiet "$BASE" >/dev/null; then
        echo "No registry gives $BASE, so the base is made of this machine's Debian mirror (tests/image_base.sh)." >&2
        BASE=localhost/bearer-gateway-base:trixie BUILDER=localhost/bearer-gateway-builder:trixie
        sh tests/image_base.sh "$engine" "$BASE" "$BUILDER"
    fi
fi

# podman and buildah write the number of the container that they built in into the image, and no two builds would have one digest.
# Nobody needs it, and nothing else differs: the image is written out, described without it, and read in again; its layers stay.
settle() { # FLAGS of the command that writes it out
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$engine" push --quiet "$@" --format v2s2 "$image" "dir:$work"
    built=$(sed 's/.*"config":{[^}]*"sha256:\([0-9a-f]*\)".*/\1/' "$work/manifest.json")
    sed 's/"container":"[0-9a-f]*",//; s/"Hostname":"[0-9a-f]*"/"Hostname":""/g' "$work/$built" >"$work/settled"
    settled=$(sha256sum "$work/settled" | cut -d ' ' -f 1)
    size=$(wc -c <"$work/settled")
    mv "$work/settled" "$work/$settled"
    sed -i "s/\"size\":[0-9]*,\"digest\":\"sha256:$built\"/\"size\":$size,\"digest\":\"sha256:$settled\"/" "$work/manifest.json"
    "$engine" pull --quiet "dir:$work" >/dev/null
    "$engine" tag "$settled" "$image"
    [ "$built" = "$settled" ] || "$engine" rmi "$built" >/dev/null
}

set -- --build-arg BASE="$BASE" --build-arg BUILDER="${BUILDER:-$BASE}" --build-arg EXTRAS="${EXTRAS-all}" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" -t "$image"
case $engine in
docker)
    # BuildKit takes the time of the image from the variable; docker's exporter has no way to change those of its files.
    # shellcheck disable=SC2086 # flags are words
    SOURCE_DATE_EPOCH=$epoch docker build "$@" ${FLAGS:-} .
    ;;
podman)
    # HEALTHCHECK is not part of OCI's format. chroot asks nothing of the kernel, so it builds in a container too. Images of the steps
    # between would be named in the last one, each with the number of its container.
    # shellcheck disable=SC2086
    podman build --format docker --isolation "${BUILDAH_ISOLATION:-chroot}" --timestamp "$epoch" --layers=false "$@" ${FLAGS:-} .
    settle
    ;;
buildah)
    # shellcheck disable=SC2086
    buildah bud --format docker --isolation "${BUILDAH_ISOLATION:-chroot}" --timestamp "$epoch" "$@" ${FLAGS:-} .
    settle --disable-compression
    ;;
esac
echo "$image is built."
