"""Images for the cluster that need no registry and no builder: an archive is a few files in a tar."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

from tests.kubernetes.parts import PAUSE
from tests.kubernetes.tools import HOME, once, say

#: an unmodified API: Python's own server, which shows what it was asked
API: Final = "localhost/api:1"
_SUITE: Final = "bookworm"
_SERVER: Final = '''\
"""Shows what it was asked, in JSON. /slow waits for a second first; ONLY_LOCAL=1 listens on 127.0.0.1."""
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            time.sleep(1)
        told = {"path": self.path, "host": os.uname().nodename, "version": os.environ.get("VERSION", "1"), "headers": dict(self.headers)}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
port = int(os.environ.get("PORT", "8080"))
server = Server(("127.0.0.1" if os.environ.get("ONLY_LOCAL") else "", port), Api)
print("listens on", port, flush=True)
server.serve_forever()
'''


def pause_image() -> Path:
    """What holds a pod's namespaces, as a docker-archive."""
    return _archive(
        "pause", PAUSE, [_layer({"pause": (Path("/usr/bin/catatonit").read_bytes(), 0o755)})], ["/pause", "-P"]
    )


def api_image() -> Path:
    """API as a docker-archive: Debian with Python and a server that runs as any user and writes nothing."""
    path = HOME / "images" / "api.tar"
    with once("image-api", f"{_SUITE} {_SERVER}", [path]) as missing:
        if missing:
            say("building an image of Debian with Python: about 40 s, once")
            path.parent.mkdir(parents=True, exist_ok=True)
            base = path.with_name("debian.tar")
            sources = sorted(Path("/etc/apt").rglob("*.sources"))
            listed = "\n\n".join(source.read_text() for source in sources) or Path("/etc/apt/sources.list").read_text()
            options = ["--variant=minbase", "--include=python3-minimal,libpython3-stdlib,ca-certificates"]
            command = ["mmdebstrap", *options, _SUITE, str(base), "-"]
            subprocess.run(command, input=listed, text=True, check=True, capture_output=True)
            layers = [base.read_bytes(), _layer({"api.py": (_SERVER.encode(), 0o644)})]
            base.unlink()
            _archive("api", API, layers, ["python3", "-u", "/api.py"], user="65534:65534")
    return path


def _layer(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar with files: what is in them, and their modes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        _add(
            archive,
            {name: content for name, (content, _) in files.items()},
            {n: mode for n, (_, mode) in files.items()},
        )
    return packed.getvalue()


def _archive(name: str, tag: str, layers: list[bytes], entrypoint: list[str], user: str = "") -> Path:
    digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
    described: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "User": user, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    config = json.dumps(described).encode()
    names = [f"{digest}.tar" for digest in digests]
    files = dict(zip(names, layers, strict=True))
    files[f"{hashlib.sha256(config).hexdigest()}.json"] = config
    files["manifest.json"] = json.dumps([{"Config": list(files)[-1], "RepoTags": [tag], "Layers": names}]).encode()
    path = HOME / "images" / f"{name}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        _add(archive, files, {})
    return path


def _add(archive: tarfile.TarFile, files: dict[str, bytes], modes: dict[str, int]) -> None:
    for name, content in files.items():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        entry.mode = modes.get(name, 0o644)
        archive.addfile(entry, io.BytesIO(content))
