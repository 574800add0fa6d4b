"""`bearer-gateway health`: one request to a page of the gateway, for Docker, `helm test` and a shell."""

import os
import socket
import sys
import time

from gateway.commands.quick import Option, add_options, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import SimpleNamespace

HELP = "ask a running gateway for /livez, or any URL for a status"
DESCRIPTION = (
    "Ask a running gateway whether it lives: by default GET /livez of the admin listener of GATEWAY_ADMIN, or of "
    "http://127.0.0.1:9090. It reads no configuration file. "
    "Exit code 0: the status is the expected one; 1: it is another one, or there is no response in time."
)
#: bytes that are read while there is no status yet
_MOST = 8192
#: bytes that are asked for at a time
_PIECE = 1024
#: hosts to bind that are nobody's to connect to, and who is there instead
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where to ask, not to listen


class Target:
    """Where to ask, and for what."""

    def __init__(self, url: str) -> None:
        """`url`: http://HOST[:PORT][/PATH], or unix:/SOCKET[:/PATH]. ValueError, with a reason."""
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("a URL without blanks and with nothing but ASCII")
        self.url = url
        #: path of a unix socket, else empty
        self.socket = ""
        self.host, self.port, self.path = "localhost", 0, "/livez"
        if url.startswith("unix:/"):
            self.socket, colon, path = url.removeprefix("unix:").partition(":/")
            self.socket = self.socket.partition("?")[0]
            self.path = f"/{path}" if colon else self.path
        elif url.startswith("http://"):
            self.authority, slash, path = url.removeprefix("http://").partition("/")
            self.path = slash + path.partition("#")[0] or "/"
            self.host, self.port = _host_and_port(self.authority)
        else:
            raise ValueError("a URL that begins with http:// or unix:/")
        if not self.socket and not self.host:
            raise ValueError("a URL that names a host")

    def connect(self, timeout: float) -> socket.socket:
        """A connection. OSError."""
        if not self.socket:
            # As bytes: of text Python makes an international name first, and loads what that takes.
            host = self.host.encode("ascii")
            return socket.create_connection((host, self.port), timeout)  # type: ignore[arg-type]
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(self.socket)
        except OSError:
            connection.close()
            raise
        return connection

    def request(self) -> bytes:
        """What is asked."""
        host = "localhost" if self.socket else self.authority
        lines = (f"GET {self.path} HTTP/1.1", f"Host: {host}", "User-Agent: bearer-gateway", "Connection: close")
        return "\r\n".join((*lines, "", "")).encode("ascii")


def _status(word: str) -> int:
    """A final status code. ValueError says what it must be."""
    if not word.isdecimal() or not 200 <= int(word[:4]) <= 599:
        raise ValueError("a status from 200 to 599")
    return int(word)


OPTIONS = (
    Option(
        "url",
        "URL",
        "http://HOST[:PORT][/PATH] or unix:/SOCKET[:/PATH]; default: /livez of the admin listener",
        convert=Target,
    ),
    Option("expect", "STATUS", "the status that is well; default: 200", convert=_status, default=200),
    Option("timeout", "SECONDS", "for everything together; default: 5", convert=seconds, default=5.0),
)


def add_arguments(parser: "ArgumentParser") -> None:
    """What it takes."""
    add_options(OPTIONS, parser)


def run(arguments: "Namespace | SimpleNamespace") -> int:
    """Asks; 1 unless the status is the expected one, and why on stderr."""
    try:
        target: Target = arguments.url or Target(admin_url(os.environ.get("GATEWAY_ADMIN", "")))
    except ValueError as error:
        print(f"GATEWAY_ADMIN names no address to ask: {error}; give --url", file=sys.stderr)
        return 1
    _limit(target, arguments.timeout)
    try:
        status = ask(target, timeout=arguments.timeout)
    except (TimeoutError, BlockingIOError):
        print(_late(target, arguments.timeout), file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"{target.url}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
    else:
        if status == arguments.expect:
            print(f"{target.url}: {status}")
            return 0
        print(f"{target.url}: {status}, expected {arguments.expect}", file=sys.stderr)
    return 1


def admin_url(address: str) -> str:
    """Where /livez is, when the admin listener has this address. ValueError, with a reason."""
    if address.startswith("unix:"):
        return address
    host, port = _host_and_port(address or ":9090")
    if not port:
        raise ValueError("port 0 is any port")
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}/livez" if ":" in host else f"http://{host}:{port}/livez"


def ask(target: Target, *, timeout: float) -> int:
    """The status of the response. `timeout`: seconds for all of it. OSError; ValueError: what came is no response."""
    ends = time.monotonic() + timeout
    with target.connect(timeout) as connection:
        connection.sendall(target.request())
        came = b""
        while len(came) < _MOST:
            connection.settimeout(max(ends - time.monotonic(), 1e-6))
            piece = connection.recv(_PIECE)
            came += piece
            status = _final_status(came)
            if status is not None:
                return status
            if not piece:
                raise ValueError("the connection ended before there was a response")
    raise ValueError(f"no status within {_MOST} bytes")


def _final_status(came: bytes) -> int | None:
    """The status in what came so far, interim responses passed over; None: more has to come. ValueError."""
    while True:
        line, end, rest = came.partition(b"\r\n")
        if not end:
            return None
        version, _, status = line[:12].partition(b" ")
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or not status.isdigit() or line[12:13] not in (b" ", b""):
            raise ValueError("what came is no HTTP response")
        if not 100 <= int(status) < 200 or int(status) == 101:
            return int(status)
        _, end, came = rest.partition(b"\r\n\r\n") if not rest.startswith(b"\r\n") else (b"", b"\r\n", rest[2:])
        if not end:
            return None


def _host_and_port(authority: str) -> tuple[str, int]:
    """Host, IPv6 without its brackets, and port; 80 where none is said. ValueError, with a reason."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, "80"
    if not port.isdigit() or int(port) > 65535:
        raise ValueError("a port is a number up to 65535")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host or "@" in host:
        raise ValueError("a host has no colon and no user; IPv6 addresses stand in brackets")
    return host, int(port)


def _limit(target: Target, timeout: float) -> None:
    """Has the process end when a name is not found in time, which nothing can interrupt otherwise."""
    if target.socket or ":" in target.host or target.host.replace(".", "").isdigit():
        return
    import threading  # noqa: PLC0415 -- seldom needed, and dear

    def end() -> None:
        print(_late(target, timeout), file=sys.stderr, flush=True)
        os._exit(1)

    watching = threading.Timer(timeout + 0.1, end)
    watching.daemon = True
    watching.start()


def _late(target: Target, timeout: float) -> str:
    return f"{target.url}: no response within {timeout:g} s"
