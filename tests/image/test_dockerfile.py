"""What can be said of Dockerfile without building it; tests/kubernetes/test_image.py builds and runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, "--no-color", path], capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say() -> None:
    done = hadolint(ROOT / "Dockerfile")
    assert (done.stdout, done.returncode) == ("", 0)


def test_and_would_say_it(tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text(DOCKERFILE.replace("--no-install-recommends ca-certificates python3", "python3"))
    assert "DL3015" in hadolint(broken).stdout


def test_it_is_built_by_what_is_built_with_today_and_was_years_ago() -> None:
    assert not re.search(r"^#\s*syntax\s*=", DOCKERFILE)
    for beyond in (r"<<", r"^COPY .*--link", r"^(RUN|COPY|ADD) --mount", r"^COPY .*--chmod"):
        assert not re.search(beyond, DOCKERFILE, re.MULTILINE), beyond


def test_it_bears_the_version_of_the_gateway() -> None:
    assert f"\nARG VERSION={__version__}\n" in DOCKERFILE


def test_both_stages_stand_on_the_same_base_unless_told_otherwise() -> None:
    assert "\nARG BASE=debian:trixie-slim\nARG BUILDER=${BASE}\n" in DOCKERFILE
    assert [stage.partition("\n")[0] for stage in STAGES] == ["${BUILDER} AS builder", "${BASE}"]


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is_run() -> None:
    last = STAGES[-1]
    for line in (
        "USER 65532:65532",
        "EXPOSE 8080 9090",
        "STOPSIGNAL SIGTERM",
        'ENTRYPOINT ["bearer-gateway"]',
        'CMD ["serve"]',
    ):
        assert f"\n{line}\n" in last
    assert re.search(r"\nHEALTHCHECK .*\[" r'"bearer-gateway", "health"\]\n', last)
    assert not re.search(r"\bpip\b|gcc", last)


def test_nothing_of_a_clone_gets_near_the_image_but_what_is_listed() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((ROOT / path).exists() for path in allowed)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for path in " ".join(copied).split():
        assert path == "." or any(Path(path).is_relative_to(entry) for entry in allowed), path


@pytest.mark.parametrize("script", ["deploy/image/build.sh", "deploy/image/save.sh", "tests/image_base.sh"])
def test_a_script_is_one_that_sh_reads(script: str) -> None:
    done = subprocess.run(["sh", "-n", ROOT / script], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_an_engine_that_there_is_not_is_refused_with_the_names_of_those_there_are() -> None:
    done = subprocess.run(
        ["sh", ROOT / "deploy/image/build.sh", "x:1"], env={"ENGINE": "kaniko", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("ENGINE is docker, podman or buildah, not kaniko.\n", 1)
