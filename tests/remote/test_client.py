"""The client of what issuers are asked, against real sockets."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.remote.client import ADDRESSES_KEPT, INTERVAL, Client, _tls
from gateway.remote.fetched import MAX_BYTES, FetchFailed
from tests.issuer import HostileIssuer, SimulatedClock
from tests.relay.upstream.test_dialing import NAME, resolve


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.close()


async def test_a_form_is_posted_and_the_response_comes_as_it_is(issuer: HostileIssuer, client: Client) -> None:
    seen: list[tuple[str, dict[str, str], dict[str, str]]] = []

    async def response(request: web.Request) -> web.Response:
        seen.append((request.content_type, dict(request.headers), dict(await request.post())))  # type: ignore[arg-type]
        headers = {"Retry-After": "7", "Content-Type": "Application/JSON;charset=UTF-8"}
        return web.Response(body=b"{}", status=429, headers=headers)

    issuer.response_by("/ask", response)
    asked = await client.post(
        f"{issuer.url}/ask", form={"token": "a+b c&d=ü"}, headers={"Authorization": "Basic eA=="}, timeout=5
    )
    assert (asked.status, asked.media_type, asked.headers["retry-after"], asked.body) == (
        429,
        "application/json",
        "7",
        b"{}",
    )
    ((media_type, headers, form),) = seen
    assert media_type == "application/x-www-form-urlencoded"
    assert form == {"token": "a+b c&d=ü"}
    assert {name: headers[name] for name in ("Accept", "User-Agent", "Authorization")} == {
        "Accept": "application/json",
        "User-Agent": "bearer-gateway",
        "Authorization": "Basic eA==",
    }
    assert "{}" not in repr(asked)


async def test_get_and_another_accept(issuer: HostileIssuer, client: Client) -> None:
    async def response(request: web.Request) -> web.Response:
        return web.Response(text=request.method + request.headers["Accept"], content_type="text/plain")

    issuer.response_by("/ask", response)
    asked = await client.get(f"{issuer.url}/ask", headers={"Accept": "application/jwt"}, timeout=5)
    assert asked.body == b"GETapplication/jwt"


async def test_an_issuer_that_came_back_at_another_address_is_found(
    issuer: HostileIssuer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its name was a moment ago is not believed for as long as the library would: one question a second is cheap."""
    issuer.response("/ask", "{}")
    resolve(monkeypatch, "127.0.0.2")
    url = f"http://{NAME}:{issuer.port}/ask"
    with pytest.raises(FetchFailed):
        await client.get(url, timeout=5)
    resolve(monkeypatch, "127.0.0.1")
    started = asyncio.get_running_loop().time()
    found = False
    while not found and asyncio.get_running_loop().time() < started + 3 * ADDRESSES_KEPT:
        with suppress(FetchFailed):
            found = (await client.get(url, timeout=5)).status == 200
    assert found


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(issuer: HostileIssuer, client: Client, status: int) -> None:
    issuer.response("/ask", "", status=status, headers={"Location": "/elsewhere"})
    assert (await client.post(f"{issuer.url}/ask", form={}, timeout=5)).status == status
    assert issuer.hits["/elsewhere"] == 0


async def test_what_is_too_large_or_too_slow_is_given_up(issuer: HostileIssuer, client: Client) -> None:
    issuer.response("/large", json.dumps("x" * MAX_BYTES))
    with pytest.raises(FetchFailed, match="/large: the response is larger than 256 KiB"):
        await client.post(f"{issuer.url}/large", form={}, timeout=5)
    issuer.hold("/slow")
    with pytest.raises(FetchFailed, match=r"/slow: no complete response within 0\.1 s"):
        await client.post(f"{issuer.url}/slow", form={}, timeout=0.1)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "is not an http or https address"),
        ("ftp://x/", "is not an http or https address"),
        ("http://", "is not asked: it must be a URL with a valid host"),
        ("http://a b/", "is not asked: it must be a URL without blanks"),
        (
            "http://u:sesame@127.0.0.1/",
            "^http://127.0.0.1/ is not asked: it must not have a user or a password in its URL",
        ),
        ("http://u:sesame@[bad/?sesame", r"^http://\[bad/ is not asked: it must be a URL with a valid host"),
    ],
)
async def test_what_is_no_address_is_not_asked(client: Client, address: str, why: str) -> None:
    with pytest.raises(FetchFailed, match=why) as failure:
        await client.post(address, form={}, timeout=5)
    assert "sesame" not in str(failure.value)


async def test_one_that_does_not_listen_is_a_failure(issuer: HostileIssuer, client: Client) -> None:
    await issuer.stop()
    with pytest.raises(FetchFailed, match="it cannot be reached"):
        await client.post(f"{issuer.url}/ask", form={}, timeout=5)


@asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]],
) -> AsyncIterator[str]:
    """`serve` is told how many connections there were before."""
    count = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        try:
            await serve(reader, writer, count - 1)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_connections_are_kept_and_one_that_ended_meanwhile_is_replaced(client: Client) -> None:
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            requests.append(number)
            writer.write(OK)
        # The third request is read, and the connection ends without a response.
        await reader.readuntil(b"\r\n\r\n")
        requests.append(number)

    async with raw_server(serve) as address:
        for _ in range(3):
            assert (await client.post(address, form={}, timeout=5)).body == b"{}"
    assert requests == [0, 0, 0, 1]


async def test_a_connection_that_ends_at_once_is_a_failure(client: Client) -> None:
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        requests.append(number)

    async with raw_server(serve) as address:
        with pytest.raises(FetchFailed, match="broke off"):
            await client.post(address, form={}, timeout=5)
    assert requests == [0]


async def test_closing_ends_what_is_under_way(issuer: HostileIssuer, client: Client) -> None:
    issuer.hold("/ask")
    waiting = asyncio.create_task(client.post(f"{issuer.url}/ask", form={}, timeout=5))
    await issuer.asked("/ask")
    await client.close()
    with pytest.raises(FetchFailed):
        await waiting
    await client.close()


class Authority:
    """A certificate that is its own authority, and its files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.files = (str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
        Path(self.files[0]).write_bytes(self.pem)
        Path(self.files[1]).write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def take_place_of(self, other: "Authority") -> None:
        for mine, theirs in zip(self.files, other.files, strict=True):
            Path(mine).replace(theirs)

    def spoil(self) -> None:
        Path(self.files[0]).write_text("spoilt")


@asynccontextmanager
async def tls_server(shown: Authority, *clients: Authority) -> AsyncIterator[tuple[str, list[str]]]:
    """Asks for a certificate of one of `clients`, and writes down whose it was."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*shown.files)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata="".join(client.pem.decode() for client in clients))
    names: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                names.append(writer.get_extra_info("peercert")["subject"][0][0][1])
                writer.write(OK)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", names


async def test_authorities_and_a_certificate_of_its_own_are_followed(tmp_path: Path) -> None:
    clock = SimulatedClock()
    server, first, second = (Authority(tmp_path, name) for name in ("server", "first", "second"))
    client = Client(ca_file=server.files[0], certificate=first.files, monotonic=clock.monotonic)
    async with tls_server(server, first, second) as (address, names):
        await client.get(address, timeout=5)
        second.take_place_of(first)
        await client.get(address, timeout=5)
        clock.skip(INTERVAL)
        await client.get(address, timeout=5)
        assert names == ["first", "first", "second"]
        first.spoil()
        clock.skip(INTERVAL)
        with pytest.raises(FetchFailed, match="the client certificate cannot be read"):
            await client.get(address, timeout=5)
        server.spoil()
        clock.skip(INTERVAL)
        with pytest.raises(FetchFailed, match="the ca_file cannot be read"):
            await client.get(address, timeout=5)
    await client.close()


def test_a_context_is_shared_unless_a_certificate_is_shown(tmp_path: Path) -> None:
    own = Authority(tmp_path, "own").files
    assert _tls(None, None) is _tls(None, None)
    assert len({_tls(None, None), _tls(None, own), _tls(None, own)}) == 3


async def test_an_authority_that_nobody_knows_is_not_trusted(tmp_path: Path, client: Client) -> None:
    server = Authority(tmp_path, "server")
    async with tls_server(server, server) as (address, names):
        with pytest.raises(FetchFailed, match="its certificate is not accepted"):
            await client.get(address, timeout=5)
    assert not names
