"""The image as a file, built once for each state of what goes into it. No registry is needed: tests/image_base.sh makes the base.

`python tests/kubernetes/image.py` builds it and prints where it is.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway import __version__

ROOT: Final = Path(__file__).parents[2]
#: where images are kept, beside the programs of Kubernetes; $K8S_HOME names another folder
HOME: Final = Path(os.environ.get("K8S_HOME") or "/var/cache/bearer-gateway/kubernetes") / "images"
#: what the image is called in its archive, and thus where it is loaded
IMAGE: Final = f"bearer-gateway:{__version__}"
_BASE_SOURCES: Final = ("tests/image_base.sh",)
#: how it is built
_RECIPE: Final = (
    *_BASE_SOURCES, ".dockerignore", "Dockerfile", "deploy/image/[!s]*", "hatch_build.py", "pyproject.toml",
    "requirements-extras.txt", "requirements-build.txt",
)  # fmt: skip
#: whatever the build reads
_SOURCES: Final = (*_RECIPE, "LICENSE", "README.md", "gateway/**/*")
#: what lies among the sources and is left out (.dockerignore)
_MADE: Final = frozenset({".pyc", ".so"})
#: characters of a hash, enough for the states of a clone
_KEY: Final = 16
#: 2026-01-01, for whatever has no time of its own
EPOCH: Final = "1767225600"


class BuildFailed(Exception):
    """The image could not be built; the message ends with what the builder said."""


def base_image() -> tuple[str, str]:
    """Names in buildah's storage of what Dockerfile stands on: BASE and BUILDER. Made when they are not there."""
    key = _hash(_BASE_SOURCES)
    base, builder = f"localhost/bearer-gateway-base:{key}", f"localhost/bearer-gateway-builder:{key}"
    with _alone("base"):
        if any(
            subprocess.run(["buildah", "inspect", "-t", "image", name], capture_output=True, check=False).returncode
            for name in (base, builder)
        ):
            _run("sh", "tests/image_base.sh", "buildah", base, builder)
    return base, builder


def build_image() -> Path:
    """An archive as `docker save` writes them, with IMAGE in it: for podman, containerd and kind alike."""
    path = HOME / f"bearer-gateway-{_hash(_SOURCES)}.tar"
    with _alone("image"):
        if not path.exists():
            build_into(path)
            for other in HOME.glob("bearer-gateway-*.tar"):
                if other != path:
                    other.unlink()
    return path


def is_built_the_same_twice() -> bool:
    """Builds it once more, unless that was done for this very recipe: what the gateway's own modules say changes nothing in it."""
    told = HOME / f"bearer-gateway-{_hash(_RECIPE)}.twice"
    if not told.exists():
        again = HOME / f"bearer-gateway-again-{os.getpid()}.tar"
        built = [image_id(build_image())]
        # The first may be of another day, with other packages of Debian: then the third decides.
        while len(built) < 3 and len(set(built)) == len(built):
            try:
                build_into(again)
                built.append(image_id(again))
            finally:
                again.unlink(missing_ok=True)
        if len(set(built)) == len(built):
            return False
        for other in HOME.glob("bearer-gateway-*.twice"):
            other.unlink()
        told.touch()
    return True


def image_id(archive: Path) -> str:
    """The name of the image's configuration, which is the hash of it, and with that of every layer."""
    with tarfile.open(archive) as opened:
        manifest = opened.extractfile("manifest.json")
        assert manifest is not None
        return str(json.load(manifest)[0]["Config"])


def build_into(path: Path) -> None:
    """Builds it, whether it is there or not."""
    base, builder = base_image()
    unfinished, name = path.with_suffix(".unfinished"), f"localhost/bearer-gateway-test:{os.getpid()}"
    _run(
        "sh",
        "deploy/image/build.sh",
        name,
        ENGINE="buildah",
        BASE=base,
        BUILDER=builder,
        SOURCE_DATE_EPOCH=EPOCH,
        REVISION="",
    )
    unfinished.unlink(missing_ok=True)
    _run("buildah", "push", "--quiet", name, f"docker-archive:{unfinished}:{IMAGE}")
    _run("buildah", "rmi", name)
    unfinished.rename(path)


def _hash(patterns: tuple[str, ...]) -> str:
    made = hashlib.sha256()
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    for path in sorted(path for path in found if path.suffix not in _MADE):
        made.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return made.hexdigest()[:_KEY]


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """Keeps out another process that makes the same."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str, **variables: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise BuildFailed(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    print(build_image())  # noqa: T201 -- a program
