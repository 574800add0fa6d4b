#!/bin/sh
# Writes an image into a file as `docker load` reads it: save.sh NAME:TAG FILE. ENGINE: as for build.sh.
set -eu
cd "$(dirname "$0")/../.."
. deploy/image/engine.sh

rm -f "$2"
case $engine in
buildah) buildah push --quiet "$1" "docker-archive:$2:$1" ;;
*) "$engine" save --output "$2" "$1" ;;
esac
