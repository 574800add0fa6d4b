"""One bounded GET, against real sockets."""

import asyncio
import gzip
import json
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.core.config.issuers import Issuer
from gateway.ports import Ending
from gateway.remote.client import Client
from gateway.remote.fetched import (
    ACCEPT_JSON,
    ACCEPT_KEY_SET,
    MAX_BYTES,
    Fetched,
    FetchFailed,
)
from gateway.remote.http import fetch_json, trust
from gateway.sampled import Part, Sampler
from tests.authorities import strict_by_default
from tests.issuer import PATIENCE, HostileIssuer
from tests.kubernetes.pki import Authority
from tests.memory import facts

GZIP = {"Content-Encoding": "gzip"}


async def fetch(issuer: HostileIssuer, path: str = "/doc", *, limit: float = 5.0, **settings: Any) -> Fetched:
    configured = Issuer(issuer=issuer.url, audience="a", **settings)
    return await fetch_json(issuer.url + path, configured, limit=limit)


async def test_a_json_document_is_fetched(issuer: HostileIssuer) -> None:
    issuer.response("/doc", '{"a": [1, 2.5, "é"]}')
    assert await fetch(issuer) == Fetched({"a": [1, 2.5, "é"]}, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Date": 600}, 600),
        ({"Date": -600}, -600),
        ({"Date": -600, "Age": "600"}, 0),
        ({"Date": -600, "Age": "old"}, -600),
        ({"Date": "yesterday"}, None),
    ],
)
async def test_a_document_says_how_far_the_clock_of_its_sender_is_ahead(
    issuer: HostileIssuer, headers: dict[str, Any], seconds: int | None
) -> None:
    if isinstance(headers["Date"], int):
        headers = {**headers, "Date": formatdate(time.time() + headers["Date"], usegmt=True)}
    issuer.response("/doc", "{}", headers=headers)
    ahead = (await fetch(issuer)).ahead
    assert ahead is None if seconds is None else ahead == pytest.approx(seconds, abs=30)


async def test_json_is_asked_for_by_name_and_anything_else_is_better_than_nothing(issuer: HostileIssuer) -> None:
    asked = []

    async def response(request: web.Request) -> web.Response:
        asked.append(request.headers.getall("Accept"))
        return web.Response(text="{}", content_type="text/plain")

    issuer.response_by("/doc", response)
    assert (await fetch(issuer)).document == {}
    assert asked == [[ACCEPT_JSON]] == [["application/json, */*;q=0.1"]]


@pytest.mark.parametrize(
    ("cache_control", "age", "expected"),
    [
        ("max-age=600", None, 600),
        ("public, Max-Age=600, must-revalidate", None, 600),
        ('private,max-age = "600"', None, 600),
        ("max-age=600, max-age=60", None, 60),
        ("max-age=600", "200", 400),
        ("max-age=600", "900", 0),
        ("max-age=600", "-1", 600),
        ("max-age=600", "soon", 600),
        ("s-maxage=600", None, None),
        ("no-cache", None, None),
        ("max-age=soon", None, None),
        ("max-age=-5", None, None),
        ("max-age=" + "9" * 400, None, 999_999_999_999),
        (", =,;max-age", None, None),
    ],
)
async def test_freshness_is_read_tolerantly(
    issuer: HostileIssuer, cache_control: str, age: str | None, expected: int | None
) -> None:
    headers = {"Cache-Control": cache_control} | ({} if age is None else {"Age": age})
    issuer.response("/doc", "{}", headers=headers)
    assert (await fetch(issuer)).max_age == expected


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 429, 500, 503])
async def test_any_status_but_200_is_a_failure_that_names_it(issuer: HostileIssuer, status: int) -> None:
    issuer.response("/doc", "{}", status=status)
    with pytest.raises(FetchFailed, match=f"/doc: the response has status {status}") as caught:
        await fetch(issuer)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("<html>secret</html>", "not JSON"),
        ("", "not JSON"),
        ('{"a": 1', "not JSON"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN or Infinity"),
        ('{"a": -Infinity}', "NaN or Infinity"),
        ('{"a": 1e400}', "too large"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "nested too deeply"),
    ],
)
async def test_a_document_that_is_no_strict_json_is_a_failure_that_quotes_nothing(
    issuer: HostileIssuer, body: str | bytes, sentence: str
) -> None:
    issuer.response("/doc", body)
    with pytest.raises(FetchFailed, match=sentence) as caught:
        await fetch(issuer)
    assert "secret" not in str(caught.value)


async def test_a_document_of_256_kib_is_read_and_one_byte_more_is_not(issuer: HostileIssuer) -> None:
    issuer.response("/doc", json.dumps("x" * (MAX_BYTES - 2)))
    assert len((await fetch(issuer)).document) == MAX_BYTES - 2
    issuer.response("/doc", json.dumps("x" * (MAX_BYTES - 1)))
    with pytest.raises(FetchFailed, match="larger than 256 KiB"):
        await fetch(issuer)


async def test_a_body_without_end_is_left_when_it_is_too_large(issuer: HostileIssuer) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
            sent += 65_536

    issuer.response_by("/doc", endless)
    with pytest.raises(FetchFailed, match="larger than 256 KiB"):
        await fetch(issuer)
    assert sent < 20 * MAX_BYTES  # what fits into socket buffers


@pytest.mark.parametrize("level", ["gzip", "deflate"])
async def test_a_compressed_document_is_read(issuer: HostileIssuer, level: str) -> None:
    raw = b'{"a": "' + b"x" * 10_000 + b'"}'
    issuer.response(
        "/doc", gzip.compress(raw) if level == "gzip" else zlib.compress(raw), headers={"Content-Encoding": level}
    )
    assert (await fetch(issuer)).document == {"a": "x" * 10_000}


async def test_a_compression_bomb_is_left_when_it_is_too_large(issuer: HostileIssuer) -> None:
    issuer.response("/doc", gzip.compress(b" " * 20_000_000, compresslevel=1), headers=GZIP)
    with pytest.raises(FetchFailed, match="larger than 256 KiB"):
        await fetch(issuer)


@pytest.mark.parametrize("raw", [b"no gzip at all", gzip.compress(b'{"a": 1}' * 1000)[:-20]], ids=["none", "cut"])
async def test_broken_compression_is_a_failure(issuer: HostileIssuer, raw: bytes) -> None:
    issuer.response("/doc", raw, headers=GZIP)
    with pytest.raises(FetchFailed, match=r"not well-formed HTTP|not JSON"):
        await fetch(issuer)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_within_the_origin_are_followed(issuer: HostileIssuer, status: int) -> None:
    issuer.response("/doc", status=status, body="", headers={"Location": "/moved/here"})
    issuer.response("/moved/here", status=status, body="", headers={"Location": "there?x=1"})
    issuer.response("/moved/there", status=status, body="", headers={"Location": f"{issuer.url}/end"})
    issuer.response("/end", '{"end": true}')
    assert (await fetch(issuer)).document == {"end": True}


async def test_a_redirect_loop_ends_after_three(issuer: HostileIssuer) -> None:
    issuer.response("/doc", "", status=302, headers={"Location": "/doc"})
    with pytest.raises(FetchFailed, match="more than 3 redirects"):
        await fetch(issuer)
    assert issuer.hits["/doc"] == 4


async def test_a_redirect_to_another_origin_is_not_followed(issuer: HostileIssuer) -> None:
    other = HostileIssuer()
    await other.start()
    here = issuer.url.removeprefix("http:")
    for location in (f"{other.url}/doc", f"https:{here}/doc", f"http://localhost:{issuer.port}/doc", "ftp://x/doc"):
        issuer.response("/doc", "", status=302, headers={"Location": location})
        with pytest.raises(FetchFailed, match="another origin"):
            await fetch(issuer)
    assert not other.hits
    await other.stop()


async def test_a_user_in_a_redirect_is_not_sent(issuer: HostileIssuer) -> None:
    issuer.response("/doc", "", status=302, headers={"Location": f"http://u:p@127.0.0.1:{issuer.port}/end"})
    issuer.response("/end", "{}")
    await fetch(issuer)
    assert issuer.authorization is None


@pytest.mark.parametrize("location", [None, "", "http://[::1", "http://x:99999/"])
async def test_a_redirect_to_nowhere_is_a_failure(issuer: HostileIssuer, location: str | None) -> None:
    issuer.response("/doc", "", status=302, headers={} if location is None else {"Location": location})
    with pytest.raises(FetchFailed, match="redirect"):
        await fetch(issuer)


async def test_an_issuer_that_hangs_is_given_up_in_time(issuer: HostileIssuer) -> None:
    issuer.hold("/doc")
    with pytest.raises(FetchFailed, match=r"no complete response within 0\.1 s"):
        await fetch(issuer, limit=0.1)


async def test_the_time_limit_spans_redirects_and_body(issuer: HostileIssuer) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    issuer.response("/doc", "", status=302, headers={"Location": "/slow"})
    issuer.response_by("/slow", slow)
    with pytest.raises(FetchFailed, match="no complete response"):
        await fetch(issuer, limit=0.2)


@asynccontextmanager
async def raw_server(response: bytes) -> AsyncIterator[str]:
    """Responses every connection with these bytes and closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1_000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_a_response_that_is_broken_http_is_a_failure(response: bytes) -> None:
    async with raw_server(response) as url:
        with pytest.raises(FetchFailed, match="broke off or is not well-formed HTTP"):
            await fetch_json(url, Issuer(issuer=url, audience="a"))


async def test_an_issuer_that_does_not_listen_is_a_failure() -> None:
    async with raw_server(b"") as url:
        pass
    with pytest.raises(FetchFailed, match=r"it cannot be reached \(ECONNREFUSED\)"):
        await fetch_json(url, Issuer(issuer=url, audience="a"))


async def test_a_connection_that_says_nothing_is_not_relied_on(issuer: HostileIssuer) -> None:
    held: list[asyncio.Future[web.Response]] = []

    async def response(_: web.Request) -> web.Response:
        held.append(asyncio.get_running_loop().create_future())
        return await held[-1] if len(held) < 3 else web.Response(text="{}")

    issuer.response_by("/doc", response)
    configured = Issuer(issuer=issuer.url, audience="a")
    fetched = await fetch_json(issuer.url + "/doc", configured, renewal=0.05)
    assert fetched.document == {}
    assert len(held) == 3
    # Without that, and where it responds in time, there is one.
    held.clear()
    with pytest.raises(FetchFailed, match="no complete response within"):
        await fetch(issuer, limit=0.2)
    assert len(held) == 1
    issuer.response("/doc", "{}", status=503)
    with pytest.raises(FetchFailed, match="status 503"):
        await fetch_json(issuer.url + "/doc", configured, renewal=5.0)
    assert issuer.hits["/doc"] == 5


async def test_connections_that_all_say_nothing_are_given_up_together(issuer: HostileIssuer) -> None:
    before = asyncio.all_tasks()
    issuer.hold("/doc")
    with pytest.raises(FetchFailed, match=r"no complete response within 0\.2 s"):
        await fetch_json(issuer.url + "/doc", Issuer(issuer=issuer.url, audience="a"), limit=0.2, renewal=0.05)
    assert 3 <= issuer.hits["/doc"] <= 4
    assert not [task for task in asyncio.all_tasks() - before if "_get" in repr(task.get_coro())]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300 + ".example", "xn--\udcff.example"])
async def test_a_host_that_cannot_be_resolved_is_a_failure(host: str) -> None:
    with pytest.raises(FetchFailed):
        await fetch_json(f"https://{host}/", Issuer(issuer=f"https://{host}/", audience="a"))


async def test_proxy_variables_are_not_honoured(issuer: HostileIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    issuer.response("/doc", "{}")
    assert (await fetch(issuer)).document == {}


Certificates = Callable[[str], tuple[Path, Path]]


@pytest.fixture
def make_certificate(tmp_path: Path) -> Certificates:
    """A self-signed certificate for 127.0.0.1: paths of certificate and of both with the key."""

    def make(name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256())
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / f"{name}.crt").write_bytes(public)
        (tmp_path / f"{name}.pem").write_bytes(private + public)
        return tmp_path / f"{name}.crt", tmp_path / f"{name}.pem"

    return make


@asynccontextmanager
async def tls_server(pem: Path) -> AsyncIterator[str]:
    async def serve(_: web.Request) -> web.Response:
        return web.json_response({})

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    application = web.Application()
    application.router.add_get("/", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_ca_file_is_trusted_instead_of_the_systems_authorities(
    make_certificate: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, pem = make_certificate("ours")
    other, _ = make_certificate("other")
    async with tls_server(pem) as url:
        assert await fetch_json(url, Issuer(issuer=url, audience="a", ca_file=str(certificate))) == Fetched({}, None)
        with pytest.raises(FetchFailed, match="certificate is not accepted"):
            await fetch_json(url, Issuer(issuer=url, audience="a"))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(FetchFailed, match="certificate is not accepted"):
            await fetch_json(url, Issuer(issuer=url, audience="a", ca_file=str(other)))


async def test_an_authority_of_ones_own_need_not_be_one_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    authority.issue("server", "server", addresses=("127.0.0.1",))
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "server.key").read_bytes() + (tmp_path / "server.crt").read_bytes())
    strict_by_default(monkeypatch)
    async with tls_server(both) as url:
        issuer = Issuer(issuer=url, audience="a", ca_file=str(tmp_path / "ca.crt"))
        assert await fetch_json(url, issuer) == Fetched({}, None)
        client = Client(ca_file=str(tmp_path / "ca.crt"))
        assert (await client.get(url, timeout=5.0)).status == 200
        await client.close()
    assert trust(None).verify_flags & ssl.VERIFY_X509_STRICT


async def test_a_ca_file_that_is_missing_or_broken_is_a_failure(tmp_path: Path) -> None:
    broken = tmp_path / "broken.crt"
    broken.write_text("no certificate")
    for path in (broken, tmp_path / "missing.crt"):
        with pytest.raises(FetchFailed, match="ca_file cannot be read"):
            await fetch_json("https://127.0.0.1:9/", Issuer(issuer="https://x", audience="a", ca_file=str(path)))


async def test_tls_to_a_port_that_speaks_plain_http_is_a_failure(issuer: HostileIssuer) -> None:
    url = issuer.url.replace("http:", "https:")
    with pytest.raises(FetchFailed, match="TLS failed"):
        await fetch_json(url, Issuer(issuer=url, audience="a"))


async def test_a_cancelled_fetch_closes_its_connection() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        task = asyncio.create_task(fetch_json(url, Issuer(issuer=url, audience="a")))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE):
            await closed.wait()


@contextmanager
def traced() -> Iterator[list[Part]]:
    """On behalf of a request that is traced; what it asked of others."""
    parts: list[Part] = []
    Sampler(1.0, ended=parts.append).begin(Ending(), facts(), 0.0)
    yield parts
    Sampler(0.0, ended=parts.append).begin(Ending(), facts(), 0.0)


async def test_what_is_fetched_for_a_traced_request_is_a_part_of_it(issuer: HostileIssuer) -> None:
    issuer.response("/doc", "{}")
    with traced() as parts:
        await fetch(issuer, "/doc?secret=1")
        await fetch_json(f"{issuer.url}/doc", Issuer(issuer=issuer.url, audience="a"), accept=ACCEPT_KEY_SET)
        with pytest.raises(FetchFailed):
            await fetch(issuer, "/nowhere")
    assert [(part.use, part.method, part.status, part.error) for part in parts] == [
        ("discovery", "GET", 200, None),
        ("keys", "GET", 200, None),
        ("discovery", "GET", 404, "FetchFailed"),
    ]
    assert parts[0].address == f"{issuer.url}/doc"
    await fetch(issuer)
    assert len(parts) == 3


async def test_what_is_asked_by_the_other_client_is_one_too(issuer: HostileIssuer) -> None:
    issuer.response("/ask", "{}", status=400)
    client = Client(use="introspection")
    with traced() as parts:
        await client.post(f"{issuer.url}/ask?secret=1", form={"token": "t"}, timeout=5)
        with pytest.raises(FetchFailed):
            await client.get("http://127.0.0.1:1/x", timeout=5)
    await client.close()
    assert [(part.use, part.method, part.address, part.status, part.error) for part in parts] == [
        ("introspection", "POST", f"{issuer.url}/ask", 400, None),
        ("introspection", "GET", "http://127.0.0.1:1/x", None, "ClientConnectorError"),
    ]
