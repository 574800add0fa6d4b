"""`health` against real sockets: what is well, what is not, and that nobody can hold it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.commands.health import Target, admin_url
from tests.commands.program import run

Serve = Callable[..., str]


class Heard(list[bytes]):
    """The requests that a listener got."""


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def serve(heard: Heard) -> Iterator[Serve]:
    """Listens, gives every client the same pieces of a response, and keeps what it asked. Gives host and port."""
    with ExitStack() as stack:

        def start(*pieces: bytes, listener: socket.socket | None = None, ends: bool = True) -> str:
            bound = stack.enter_context(listener or socket.create_server(("127.0.0.1", 0)))

            def respond() -> None:
                connection, _ = bound.accept()
                stack.callback(connection.close)
                heard.append(connection.recv(4096))
                for piece in pieces:
                    connection.sendall(piece)
                if ends:
                    connection.close()

            threading.Thread(target=respond, daemon=True).start()
            name = bound.getsockname()
            return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else f"unix:{name}"

        yield start


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_it_asks_livez_of_the_admin_listener(
    serve: Serve, heard: Heard, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = serve(OK)
    monkeypatch.setenv("GATEWAY_ADMIN", address)
    assert main(["health"]) == 0
    assert capsys.readouterr() == (f"http://{address}/livez: 200\n", "")
    assert heard == [
        f"GET /livez HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bearer-gateway\r\nConnection: close\r\n\r\n".encode()
    ]


def test_an_unexpected_status_is_told(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    address = serve(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    assert main(["health", "--url", f"http://{address}/readyz"]) == 1
    assert capsys.readouterr() == ("", f"http://{address}/readyz: 503, expected 200\n")


def test_any_status_may_be_expected(serve: Serve, heard: Heard) -> None:
    address = serve(b"HTTP/1.1 401 x", b"y\r\n")
    assert main(["health", "--url", f"http://{address}/", "--expect", "401"]) == 0

    assert heard[0].startswith(b"GET / HTTP/1.1\r\n")


def test_interim_responses_are_passed_over(serve: Serve) -> None:
    hints = (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r", b"\nHTTP/1.1 100 Continue\r\n\r\n", OK)
    assert main(["health", "--url", f"http://{serve(*hints)}/"]) == 0


def test_it_asks_on_a_unix_socket(serve: Serve, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, path in enumerate(("", ":/readyz")):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / f"{number}.sock"))
        listener.listen()
        where = serve(OK, listener=listener)
        monkeypatch.setenv("GATEWAY_ADMIN", f"{where}{path or '?mode=0660'}")
        assert main(["health"]) == 0
    assert [request.split()[1] for request in heard] == [b"/livez", b"/readyz"]
    assert b"Host: localhost\r\n" in heard[0]


def test_it_asks_on_ipv6(serve: Serve, heard: Heard) -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    port = listener.getsockname()[1]
    serve(OK, listener=listener)
    assert main(["health", "--url", f"http://[::1]:{port}/x?y=1#z"]) == 0
    assert heard[0].startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: [::1]:%d\r\n" % port)


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([b""], "the connection ended before there was a response"),
        ([b"HTTP/1.1 200"], "the connection ended before there was a response"),
        ([b"SSH-2.0-OpenSSH_9\r\n"], "what came is no HTTP response"),
        ([b"HTTP/1.1 2000 OK\r\n"], "what came is no HTTP response"),
        ([b"HTTP/1.1 20x OK\r\n"], "what came is no HTTP response"),
        ([b"HTTP/2.0 200 OK\r\n"], "what came is no HTTP response"),
        ([b"x" * 100_000], "no status within 8192 bytes"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000], "no status within 8192 bytes"),
    ],
)
def test_what_is_no_response_is_told(
    serve: Serve, capsys: pytest.CaptureFixture[str], pieces: list[bytes], why: str
) -> None:
    url = f"http://{serve(*pieces)}/"
    assert main(["health", "--url", url]) == 1
    told = capsys.readouterr().err
    assert told in (f"{url}: {why}\n", f"{url}: Connection reset by peer\n")


def test_nobody_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert main(["health", "--url", f"http://127.0.0.1:{port}/"]) == 1
    assert capsys.readouterr().err == f"http://127.0.0.1:{port}/: Connection refused\n"
    assert main(["health", "--url", "unix:/nonexistent/s"]) == 1
    assert capsys.readouterr().err == "unix:/nonexistent/s: No such file or directory\n"


def test_who_says_nothing_does_not_hold_it(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://{serve(b'HTTP', ends=False)}/"
    begun = time.monotonic()
    assert main(["health", "--url", url, "--timeout", "0.1"]) == 1
    assert time.monotonic() - begun < 2
    assert capsys.readouterr().err == f"{url}: no response within 0.1 s\n"


def test_a_name_that_is_not_known_is_told() -> None:
    done = run("health", "--url", "http://nobody.invalid/", "--timeout", "3")
    assert done.returncode == 1
    assert done.stderr.startswith("http://nobody.invalid/: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("", "http://127.0.0.1:9090/livez"),
        (":9000", "http://127.0.0.1:9000/livez"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000/livez"),
        ("[::]:9000", "http://[::1]:9000/livez"),
        ("[::1]:9000", "http://[::1]:9000/livez"),
        ("10.0.0.1:9000", "http://10.0.0.1:9000/livez"),
        ("admin.internal:9000", "http://admin.internal:9000/livez"),
        ("unix:/run/admin.sock", "unix:/run/admin.sock"),
    ],
)
def test_the_admin_listener_is_found_by_its_address(address: str, url: str) -> None:
    assert admin_url(address) == url


@pytest.mark.parametrize("address", [":0", ":admin", "127.0.0.1:65536", "::1:9090", "a b:1"])
def test_an_address_that_is_none_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN", address)
    assert main(["health"]) == 1
    assert capsys.readouterr().err.startswith("GATEWAY_ADMIN names no address to ask: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "127.0.0.1:80",
        "http:///x",
        "http://:80/x",
        "http://a\r\nX: y/",
        "http://a/ b",
        "http://u@a/",
        "http://\u00e4/",
        "http://a:b/",
        "unix:relative",
        "unix:/s:/a b",
    ],
)
def test_what_is_no_url_is_a_wrong_command_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the sentences are for argparse's users
        Target(url)
    with pytest.raises(SystemExit) as ended:
        main(["health", "--url", url])
    assert ended.value.code == 2
    assert "usage: bearer-gateway health" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["ok", "42", "100", "600"])
def test_a_status_that_is_none_is_a_wrong_command_line(status: str) -> None:
    with pytest.raises(SystemExit):
        main(["health", "--expect", status])
