"""The list of what is in an image: of one of our own making, layer upon layer."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import uvloop
from sbom import _HOMES, WITHIN, main, read_image, written

from tests.locks import ROOT, pins

SITE = "opt/bearer-gateway/lib/python3.13/site-packages"
RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n'
STATUS = """Package: libssl3t64
Status: install ok installed
Architecture: amd64
Version: 3.5.4-1
Description: Secure Sockets Layer toolkit
 .
 Two paragraphs in one.

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
LISTED = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {
        "component": {
            "name": "cryptography-rust",
            "version": "0.50.2",
            "purl": "pkg:cargo/cryptography-rust@0.50.2?download_url=file://.",
        }
    },
    "components": [
        {
            "name": "openssl",
            "version": "4.0.3",
            "purl": "pkg:generic/openssl@4.0.3",
            "hashes": [{"alg": "SHA-256", "content": "22" * 32}],
        }
    ],
}


def layer(files: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def wheel(name: str, version: str, **more: str) -> dict[str, str]:
    """The files of a distribution; `more`: further ones of its folder."""
    info = f"{SITE}/{name.replace('-', '_')}-{version}.dist-info"
    requires = more.pop("requires", "")
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: Apache-2.0\n{requires}"
    archive = {"name": f"{name}-{version}-cp313-cp313-linux.whl", "hashes": {"sha256": "11" * 32}}
    return {f"{info}/METADATA": metadata + "\nWhat it is.\n", f"{info}/archive.json": json.dumps(archive)} | {
        f"{info}/{path}": text for path, text in more.items()
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What docker save writes."""
    layers = [
        layer({"usr/lib/os-release": RELEASE, "var/lib/dpkg/status": "", **wheel("old", "1"), "etc/hostname": "secret"}),
        layer({
            f"{SITE}/.wh.old-1.dist-info": "",
            "./var/lib/dpkg/status": STATUS,
            **wheel("bearer-gateway", "0.1.0", requires="Requires-Dist: uvloop>=0.22\nRequires-Dist: x; extra == 'y'\n"),
            **wheel("uvloop", WITHIN["uvloop"].version),
            **wheel("httptools", "0.1"),
            **wheel("cryptography", "50", **{"sboms/sbom.json": json.dumps(LISTED)}),
            f"{SITE}/cryptography.libs/libffi-0123abcd.so.8.1.2": "",
        }),
    ]  # fmt: skip
    manifest = [{"Config": f"{'ab' * 32}.json", "RepoTags": ["bearer-gateway:0.1.0"], "Layers": ["0.tar", "1.tar"]}]
    parts = {
        "manifest.json": json.dumps(manifest).encode(),
        f"{'ab' * 32}.json": b'{"created": "2026-01-02T03:04:05.123456789Z"}',
        "0.tar": layers[0],
        "1.tar": layers[1],
    }
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as made:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def listed(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """What `make sbom` writes."""
    target = tmp_path / "image.cdx.json"
    monkeypatch.setattr("sys.argv", ["sbom.py", str(archive), str(target)])
    assert main() == 0
    assert str(target) in capsys.readouterr().out
    made: dict[str, Any] = json.loads(target.read_text())
    return made


def named(listed: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in listed["components"] if one["name"] == name)
    return dict(found)


def test_packages_of_debian_and_python_are_there_as_databases_know_them(listed: dict[str, Any]) -> None:
    assert {one["name"] for one in listed["components"]} == {
        "debian", "libssl3t64", "bearer-gateway", "uvloop", "httptools", "cryptography",
    }  # fmt: skip
    assert named(listed, "libssl3t64")["purl"] == "pkg:deb/debian/libssl3t64@3.5.4-1?arch=amd64&distro=debian-13"
    uvloop = named(listed, "uvloop")
    version = WITHIN["uvloop"].version
    assert uvloop["purl"] == f"pkg:pypi/uvloop@{version}?file_name=uvloop-{version}-cp313-cp313-linux.whl"
    assert uvloop["hashes"] == [{"alg": "SHA-256", "content": "11" * 32}]
    assert uvloop["licenses"] == [{"expression": "Apache-2.0"}]


def test_libraries_within_wheels_are_named(listed: dict[str, Any]) -> None:
    assert [(one["name"], one["version"]) for one in named(listed, "uvloop")["components"]] == [
        ("libuv", WITHIN["uvloop"].libraries["libuv"])
    ]
    # Nobody has looked into this version.
    assert [(one["name"], one.get("version")) for one in named(listed, "httptools")["components"]] == [
        ("http-parser", None), ("llhttp", None),
    ]  # fmt: skip
    within = {one["name"]: one for one in named(listed, "cryptography")["components"]}
    assert within.keys() == {"openssl", "cryptography-rust", "libffi"}
    assert within["openssl"]["hashes"] == [{"alg": "SHA-256", "content": "22" * 32}]
    assert within["cryptography-rust"]["purl"] == "pkg:cargo/cryptography-rust@0.50.2"


def test_what_needs_what_is_told(listed: dict[str, Any]) -> None:
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in listed["dependencies"]}
    assert edges["image"] == ["pypi/bearer-gateway", "system"]
    assert edges["pypi/bearer-gateway"] == ["pypi/uvloop"]
    assert listed["metadata"]["component"]["type"] == "container"


def test_one_image_has_one_list(archive: Path) -> None:
    first, second = (written(read_image(archive)) for _ in range(2))
    assert first == second
    assert json.loads(first)["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"


def test_somebody_has_looked_into_the_very_wheels_that_are_locked() -> None:
    locked = {str(pin.name): str(pin.version) for pin in pins((ROOT / "requirements-extras.txt").read_text())}
    assert {name: within.version for name, within in WITHIN.items()} == {name: locked[name] for name in WITHIN}
    assert {library for within in WITHIN.values() for library in within.libraries} == _HOMES.keys()


def test_what_can_be_asked_for_its_version_has_the_one_that_is_listed() -> None:
    number = uvloop.loop.libuv_get_version()  # type: ignore[attr-defined] # a compiled module
    assert WITHIN["uvloop"].libraries["libuv"] == f"{number >> 16}.{number >> 8 & 255}.{number & 255}"
