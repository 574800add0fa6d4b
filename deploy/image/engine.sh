# Sets $engine to docker, podman or buildah: ENGINE, else the first that works here. Sourced by build.sh and save.sh.
engine=${ENGINE:-}
if [ -z "$engine" ]; then
    if docker info >/dev/null 2>&1; then
        engine=docker
    elif command -v podman >/dev/null 2>&1; then
        engine=podman
    elif command -v buildah >/dev/null 2>&1; then
        engine=buildah
    fi
fi
case $engine in
docker | podman | buildah) ;;
"")
    echo "Neither docker nor podman nor buildah is here: apt-get install buildah, for one." >&2
    exit 1
    ;;
*)
    echo "ENGINE is docker, podman or buildah, not $engine." >&2
    exit 1
    ;;
esac
