"""`make sbom`: what is in an image, as a list that machines read (CycloneDX 1.6).

The archive that `docker save` writes is all it asks: packages of Debian as dpkg has them, packages of Python with the
hash of the archive each came out of, and the libraries that are compiled into those. Two runs give the same list.
"""

import argparse
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_string
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: Final = "bearer-gateway"
VERSION: Final = SchemaVersion.V1_6
#: where the image has our packages
PACKAGES: Final = re.compile(r"opt/bearer-gateway/lib/python3[^/]*/site-packages/")
_DPKG: Final = "var/lib/dpkg/status"
_RELEASE: Final = "usr/lib/os-release"
_WHITEOUT: Final = ".wh."


@dataclass(frozen=True, slots=True)
class Within:
    """What is compiled into the wheels of one version and stands in no list of theirs."""

    version: str
    #: name to version; empty: its source does not say
    libraries: Mapping[str, str]


#: Read in the source archives. tests/test_image.py fails when requirements-extras.txt has another version: look again.
WITHIN: Final[Mapping[str, Within]] = {
    "aiohttp": Within("3.14.5", {"llhttp": "9.4.2"}),
    "cffi": Within("2.1.1", {"libffi": ""}),
    "httptools": Within("0.9.0", {"http-parser": "2.9.4", "llhttp": "9.4.3"}),
    "msgspec": Within("0.22.0", {"ryu": ""}),
    "uvloop": Within("0.23.0", {"libuv": "1.52.1"}),
}
#: whose project a library is, for the databases that know it by that
_HOMES: Final = {
    "http-parser": "nodejs",
    "libffi": "libffi",
    "libuv": "libuv",
    "llhttp": "nodejs",
    "ryu": "ulfjack",
}


@dataclass(slots=True)
class Image:
    """What is read of an image."""

    #: sha256 of its configuration, which names it
    digest: str
    created: datetime
    #: path without the leading slash, to content
    files: dict[str, str] = field(default_factory=dict)

    def dist_info(self, suffix: str) -> Iterator[tuple[str, str]]:
        """Folder of a distribution and content, for each of its files that ends so."""
        for path, content in sorted(self.files.items()):
            if path.endswith(suffix) and ".dist-info/" in path:
                yield path[: path.index(".dist-info/") + len(".dist-info/")], content


def read_image(archive: Path) -> Image:
    """Reads what `docker save` wrote. Layer upon layer, as they would be mounted."""
    with tarfile.open(archive) as outer:

        def content(name: str) -> bytes:
            member = outer.extractfile(name)
            assert member is not None, name
            return member.read()

        (entry,) = json.loads(content("manifest.json"))
        config = json.loads(content(entry["Config"]))
        image = Image(
            digest=PurePosixPath(entry["Config"]).name.removesuffix(".json"),
            created=datetime.fromisoformat(re.sub(r"\.\d+", "", config["created"])),
        )
        for layer in entry["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                _read_layer(inner, image.files)
    return image


def _read_layer(layer: tarfile.TarFile, files: dict[str, str]) -> None:
    found: dict[str, str] = {}
    for member in layer:
        path = PurePosixPath("/", member.name).relative_to("/")
        if path.name.startswith(_WHITEOUT):
            hidden = (
                str(path.parent) if path.name == ".wh..wh..opq" else str(path.with_name(path.name[len(_WHITEOUT) :]))
            )
            for known in [known for known in files if known == hidden or known.startswith(f"{hidden}/")]:
                del files[known]
        elif member.isfile() and _is_wanted(str(path)):
            content = layer.extractfile(member)
            assert content is not None
            found[str(path)] = "" if ".libs/" in str(path) else content.read().decode()
    files.update(found)


def _is_wanted(path: str) -> bool:
    if path in {_DPKG, _RELEASE}:
        return True
    ours = PACKAGES.match(path)
    return ours is not None and re.search(
        r"\.dist-info/(METADATA|archive\.json|sboms/[^/]+\.json)$|^[^/]+\.libs/[^/]+$", path[ours.end() :]
    ) is not None  # fmt: skip


def bill(image: Image) -> Bom:
    """The list."""
    release = _release(image.files[_RELEASE])
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"sha256:{image.digest}"))
    bom.metadata.timestamp = image.created
    system = Component(
        type=ComponentType.OPERATING_SYSTEM, name=release["ID"], version=release["VERSION_ID"], bom_ref="system"
    )
    debian = list(_debian(image.files[_DPKG], release))
    python = {canonicalize_name(one.name): one for one in _python(image)}
    ours = python[canonicalize_name(PROJECT)]
    whole = Component(type=ComponentType.CONTAINER, name=PROJECT, version=ours.version, bom_ref="image")
    whole.properties.add(Property(name=f"{PROJECT}:image-id", value=f"sha256:{image.digest}"))
    bom.metadata.component = whole
    for component in (system, *debian, *python.values()):
        bom.components.add(component)
    bom.register_dependency(whole, [system, ours])
    bom.register_dependency(system, debian)
    for _, text in image.dist_info("/METADATA"):
        metadata = message_from_string(text)
        asked = {canonicalize_name(name) for name in _asked(metadata)}
        bom.register_dependency(
            python[canonicalize_name(metadata["Name"])], [python[name] for name in sorted(asked & python.keys())]
        )
    return bom


def _release(text: str) -> dict[str, str]:
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in text.splitlines())}


def _debian(status: str, release: Mapping[str, str]) -> Iterator[Component]:
    for paragraph in status.strip().split("\n\n"):
        package = message_from_string(paragraph)
        if package["Status"] != "install ok installed":
            continue
        purl = PackageURL(
            "deb",
            release["ID"],
            package["Package"],
            package["Version"],
            {"arch": package["Architecture"], "distro": f"{release['ID']}-{release['VERSION_ID']}"},
        )
        # A name stands once for each architecture.
        yield Component(name=package["Package"], version=package["Version"], purl=purl, bom_ref=purl.to_string())


def _python(image: Image) -> Iterator[Component]:
    archives = {folder: json.loads(text) for folder, text in image.dist_info("/archive.json")}
    for folder, text in image.dist_info("/METADATA"):
        metadata = message_from_string(text)
        name, version = canonicalize_name(metadata["Name"]), metadata["Version"]
        archive: dict[str, Any] = archives.get(folder, {})
        purl = PackageURL("pypi", None, name, version, {"file_name": archive["name"]} if archive else {})
        component = Component(name=name, version=version, purl=purl, bom_ref=f"pypi/{name}")
        for value in archive.get("hashes", {}).values():
            component.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=value))
        if metadata["License-Expression"]:
            component.licenses.add(LicenseExpression(metadata["License-Expression"]))
        for library in _libraries(image, name, version, folder):
            component.components.add(library)
        yield component


def _libraries(image: Image, name: str, version: str, folder: str) -> Iterator[Component]:
    """What is inside the wheel: as its own lists say (PEP 770), as files lie in it, and as its source has it."""
    seen: set[tuple[str, str]] = set()

    def component(
        library: str, of: str, purl: PackageURL | None, hashes: Iterable[HashType] = ()
    ) -> Iterator[Component]:
        if (library, of) not in seen:
            seen.add((library, of))
            ref = f"pypi/{name}/{library}@{of}"
            yield Component(name=library, version=of or None, purl=purl, hashes=hashes, bom_ref=ref)

    for path, text in sorted(image.files.items()):
        if path.startswith(f"{folder}sboms/"):
            listed = json.loads(text)
            for one in (*listed.get("components", ()), listed.get("metadata", {}).get("component")):
                if one is not None:
                    hashes = [
                        HashType(alg=HashAlgorithm(each["alg"]), content=each["content"])
                        for each in one.get("hashes", ())
                    ]
                    yield from component(one["name"], one.get("version", ""), _plain(one.get("purl")), hashes)
    room = folder[: folder.rindex("/", 0, -1) + 1]
    for path in sorted(image.files):
        if path.startswith(f"{room}{name.replace('-', '_')}.libs/"):
            found = re.match(r"(.+?)(?:-[0-9a-f]{8})?\.so", PurePosixPath(path).name)
            yield from component(found[1] if found else PurePosixPath(path).name, "", None)
    within = WITHIN.get(name, Within(version, {}))
    for library, looked_up in within.libraries.items():
        # Of another version of the wheel only the name is known.
        of = looked_up if within.version == version else ""
        yield from component(library, of, PackageURL("github", _HOMES[library], library, f"v{of}" if of else None))


def _plain(purl: str | None) -> PackageURL | None:
    """Without the qualifiers: where it lay when it was built is nobody's business."""
    if purl is None:
        return None
    read = PackageURL.from_string(purl)
    return PackageURL(read.type, read.namespace, read.name, read.version)


def _asked(metadata: Message) -> Iterator[str]:
    for line in metadata.get_all("Requires-Dist") or ():
        asked = Requirement(line)
        if "extra ==" not in str(asked.marker):
            yield asked.name


def written(image: Image) -> str:
    """The list as JSON, judged by the schema of CycloneDX. ValueError: it does not pass."""
    text = make_outputter(bill(image), OutputFormat.JSON, VERSION).output_as_string(indent=2) + "\n"
    if (wrong := JsonStrictValidator(VERSION).validate_str(text)) is not None:
        raise ValueError(f"the list does not have the form of CycloneDX {VERSION.to_version()}: {wrong}")
    return text


def main() -> int:
    """Writes it where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path, help="what docker save wrote")
    parser.add_argument("list", type=Path, help="the file to write")
    arguments = parser.parse_args()
    arguments.list.write_text(written(read_image(arguments.archive)))
    print(f"{arguments.list} says what is in the image.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
