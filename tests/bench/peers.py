"""What runs in a race, each with a configuration made for it and a port of its own: the gateway, and the API behind.

All do the same work where they can: RS256, `iss`, `aud` and `exp` of every request, two identity headers at least,
connections to the API kept, one line of JSON a request in a file.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.certificate import Certificate
from tests.bench.possession import EXTERNAL
from tests.bench.programs import LOAD, TESTED, Program, find_program, free_port, start, wait_until_it_listens
from tests.bench.revoked import KEEP, write_revoked
from tests.bench.tokens import AUDIENCE, ISSUER, Tokens

#: bytes of the API's usual response
RESPONSE: Final = (
    b'{"order": 1, "state": "shipped", "lines": [{"article": "A-101", "pieces": 2}, {"article": "B-202", "pieces": 1}], '
    b'"total": 5310}\n'
)


@dataclass(frozen=True)
class Site:
    """What all contenders of a run share."""

    directory: Path
    tokens: Tokens
    #: the API behind everything, and its port
    nginx: Program
    api: int
    #: what each program was configured with when it first ran
    settings: dict[str, str]
    #: what contenders show where clients come with TLS
    certificate: Certificate
    #: port of the issuer that is asked about opaque tokens
    introspection: int


@dataclass(frozen=True)
class Peer:
    """A program that listens."""

    program: Program
    port: int
    #: what it was configured with, as text
    settings: str
    #: port of its counters, where it has them
    admin: int | None = None
    #: whether it writes a line a request
    logs: bool = True
    #: whether it has the core of what is tested
    tested: bool = True
    #: whether the API sees the token too, where that cannot be had otherwise
    keeps_token: bool = False
    #: who signed its certificate, in PEM; None: clients come without TLS
    authority: Path | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self.authority is None else 'https'}://127.0.0.1:{self.port}"


#: starts a peer at a site, under a name that no other program of the site has
Starter = Callable[[Site, str], Peer]


def write(site: Site, name: str, text: str) -> Path:
    """The path of a new file."""
    path = site.directory / name
    path.write_text(text)
    return path


_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
worker_rlimit_nofile 16384;
events {{ worker_connections 12000; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {directory}/files;
        location / {{ return 200 '{response}'; }}
        location = /jwks.json {{ alias {directory}/jwks.json; }}
        location /files/ {{ alias {directory}/files/; }}
        location = /seen {{
            return 200 '{{"user": "$http_x_user_id", "client": "$http_x_client_id", "token": "$http_authorization"}}';
        }}
    }}
}}
"""


def start_api(directory: Path) -> tuple[Program, int]:
    """The API behind everything: nginx on the core of the load, and its port. Files: 1 MiB, 100 MiB."""
    files = directory / "files"
    files.mkdir()
    (files / "1MiB").write_bytes(os.urandom(1 << 20))
    with (files / "100MiB").open("wb") as file:
        for _ in range(100):
            file.write(os.urandom(1 << 20))
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, port=port, response=RESPONSE.decode().replace("\n", "\\n")))
    command = [find_program("nginx"), "-e", "stderr", "-p", str(directory), "-c", str(config)]
    return start("nginx", command, directory, core=LOAD), port


_ASKS = """\
    allow_http: true
    introspection:
      endpoint: http://127.0.0.1:{site.introspection}/introspect
      auth: none
"""
_TLS = "tls: {{certificate: {site.certificate.certificate}, key: {site.certificate.key}}}\n"
#: tokens that are bound to a key of their client
DPOP: Final = ("dpop: {}", f"external_url: {EXTERNAL}")
#: what an operator has on for years, with nobody looking and no request traced
OPERATED: Final = ("console: 127.0.0.1:0", "tracing: {endpoint: http://127.0.0.1:9, sample: 0}")
#: a proxy in front, on this machine
FRONTED: Final = ("trusted_proxies: [127.0.0.1/32]",)


@dataclass(frozen=True)
class gateway:  # noqa: N801 -- called like the other starters are
    """Starts this gateway with its defaults."""

    #: YAML flow mappings
    routes: tuple[str, ...] = ()
    #: which requests it logs
    access: str = "all"
    #: port of the API instead of the site's
    upstream: int | None = None
    #: YAML of further keys, a line each
    more: tuple[str, ...] = ()
    #: whether clients come with TLS
    tls: bool = False
    #: whether the issuer is asked about opaque tokens
    asks: bool = False
    #: how many others are revoked, in its journal; 0: nothing can be
    revoked: int = 0
    #: where another wheel than that of this run was unpacked
    wheel: Path | None = None

    def __call__(self, site: Site, name: str) -> Peer:
        port, admin = free_port(), free_port()
        listed = "".join(f"  - {route}\n" for route in self.routes)
        text = (
            f"listen: 127.0.0.1:{port}\n"
            f"admin: 127.0.0.1:{admin}\n"
            f"upstream: http://127.0.0.1:{self.upstream or site.api}\n"
            "issuers:\n"
            f"  - issuer: {ISSUER}\n"
            f"    audience: {AUDIENCE}\n"
            f"    jwks_file: {site.tokens.jwks_file}\n"
            + (_ASKS.format(site=site) if self.asks else "")
            + (_TLS.format(site=site) if self.tls else "")
            + "".join(f"{line}\n" for line in (*self.more, *self._revocation(site, name)))
            + ("" if self.access == "all" else f"log: {{access: {self.access}}}\n")
            + (f"routes:\n{listed}" if listed else "")
        )
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(write(site, f"{name}.yaml", text))]
        env = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
        if self.wheel is not None:
            env["PYTHONPATH"] = str(self.wheel)
        program = start(name, command, site.directory, core=TESTED, env=env)
        authority = site.certificate.certificate if self.tls else None
        return Peer(program, port, text, admin, logs=self.access == "all", authority=authority)

    def _revocation(self, site: Site, name: str) -> tuple[str, ...]:
        """Of its configuration, what a journal with others takes, which is written."""
        if not self.revoked:
            return ()
        path = site.directory / f"{name}.revoked"
        write_revoked(path, self.revoked)
        return (f"revocation: {{file: {path}, keep: {KEEP}s}}",)


def usual_proxy(site: Site, name: str) -> Peer:
    """A proxy as it is usually written with aiohttp: neither tokens nor a log."""
    port = free_port()
    script = Path(__file__).with_name("usual_proxy.py")
    command = [sys.executable, str(script), str(port), f"http://127.0.0.1:{site.api}"]
    return Peer(start(name, command, site.directory, core=TESTED), port, script.read_text(), logs=False)


def nothing_between(site: Site, name: str) -> Peer:
    """The API itself: what there is to be had."""
    return Peer(site.nginx, site.api, "", logs=False, tested=False)


@contextmanager
def running(site: Site, starters: Mapping[str, Starter]) -> Iterator[dict[str, Peer]]:
    """Starts peers by name, waits until each listens, and ends them. CannotMeasure: one does not start."""
    peers: dict[str, Peer] = {}
    try:
        for name, starter in starters.items():
            peers[name] = starter(site, name)
            site.settings.setdefault(name, peers[name].settings)
        for peer in peers.values():
            wait_until_it_listens(peer.program, peer.port)
        yield peers
    finally:
        for peer in peers.values():
            if peer.program is not site.nginx:
                peer.program.stop()
