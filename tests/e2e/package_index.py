"""A package index on loopback: every locked package under its locked version, and under newer ones that nobody should get."""

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.locks import LOCKS, ROOT, Pin, closure, pins

#: what really runs when the project is installed; of everything else the index has the metadata only
RUN = {canonicalize_name(asked.name) for asked in closure([Requirement("hatchling"), Requirement("editables")])}


@dataclass
class Index:
    """Wheels by file name, and which of them somebody took."""

    wheels: dict[str, bytes] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    #: the locks with the hashes of these wheels
    locks: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def newer(self) -> list[str]:
        """What was taken although no lock names it."""
        return [wheel for wheel in self.taken if _sha256(self.wheels[wheel]) not in "".join(self.locks.values())]

    def page(self, project: str) -> str | None:
        """The links of one project."""
        fitting = [name for name in self.wheels if canonicalize_name(name.partition("-")[0]) == project]
        links = [f'<a href="/files/{name}#sha256={_sha256(self.wheels[name])}">{name}</a>' for name in fitting]
        return "\n".join(["<!DOCTYPE html>", *links]) if links else None


@contextmanager
def serving() -> Iterator[Index]:
    """The index of all locks, for as long as somebody installs from it."""
    index = Index()
    locked = {pin.name: pin for lock in LOCKS for pin in pins((ROOT / lock).read_text()) if pin.applies()}
    hashes: dict[NormalizedName, str] = {}
    for pin in locked.values():
        name, wheel = _wheel(pin)
        hashes[pin.name] = _sha256(wheel)
        index.wheels[name] = wheel
        # One that fits whatever asked for the locked version by `~=` or `>=`, and one from another time.
        for version in (f"{pin.version}.1", "9999.0"):
            name, wheel = _stub(pin, version)
            index.wheels[name] = wheel
    for lock in LOCKS:
        index.locks[lock] = _relocked((ROOT / lock).read_text(), hashes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            room, _, name = self.path.strip("/").partition("/")
            if room == "files":
                index.taken.append(name)
                self._send(index.wheels.get(name), "application/zip")
            else:
                page = index.page(name)
                self._send(page and page.encode(), "text/html")

        def _send(self, body: bytes | str | None, kind: str) -> None:
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _relocked(lock: str, hashes: dict[NormalizedName, str]) -> str:
    """The same lock for these wheels; what is for other machines keeps its hashes."""

    def replaced(found: re.Match[str]) -> str:
        name = canonicalize_name(found["name"])
        return f"{found['pin']} \\\n    --hash=sha256:{hashes[name]}\n" if name in hashes else found[0]

    return re.sub(
        r"^(?P<pin>(?P<name>[\w.-]+)==[^\\]+) \\\n(?: +--hash=\S+(?: \\)?\n)+", replaced, lock, flags=re.MULTILINE
    )


def _wheel(pin: Pin) -> tuple[str, bytes]:
    """The locked version: of what runs here its files, of everything else what it says of itself."""
    if pin.name not in RUN:
        return _stub(pin, str(pin.version))
    files = {
        str(file): file.read_binary()
        for file in metadata.files(pin.name) or []
        if not str(file).startswith("..")
        and "__pycache__" not in file.parts
        and file.name not in {"RECORD", "INSTALLER"}
    }
    return _zipped(pin, str(pin.version), files)


def _stub(pin: Pin, version: str) -> tuple[str, bytes]:
    lines = [
        "Metadata-Version: 2.1", f"Name: {pin.name}", f"Version: {version}",
        *(f"Requires-Dist: {line}" for line in metadata.requires(pin.name) or []),
        *(f"Provides-Extra: {extra}" for extra in metadata.metadata(pin.name).get_all("Provides-Extra") or []),
    ]  # fmt: skip
    room = f"{pin.name.replace('-', '_')}-{version}.dist-info"
    return _zipped(pin, version, {f"{room}/METADATA": "\n".join([*lines, "", ""]).encode()})


def _zipped(pin: Pin, version: str, files: dict[str, bytes]) -> tuple[str, bytes]:
    stem = f"{pin.name.replace('-', '_')}-{version}"
    room = f"{stem}.dist-info"
    files = {
        **files,
        f"{room}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{room}/RECORD")).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {**files, f"{room}/RECORD": record}.items():
            archive.writestr(name, content)
    return f"{stem}-py3-none-any.whl", packed.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
