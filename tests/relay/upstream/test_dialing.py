"""How an upstream is reached: several addresses, TLS with names and certificates, sockets that come and go."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection, UpstreamTls
from gateway.relay.upstream.dialing import Dialer
from gateway.relay.upstream.tls import tls_context
from tests.authorities import strict_by_default
from tests.relay.test_faults import LOOPS, Run, a_gateway
from tests.wire import OK, PATIENCE, RawUpstream, Running, Start, get, post, until

NAME = "api.internal"


# Several addresses


@dataclass
class Place:
    """One address with an upstream of its own."""

    address: str
    upstream: RawUpstream

    @property
    def count(self) -> int:
        return len(self.upstream.conversations)


async def listen(upstream: RawUpstream, address: str, port: int) -> None:
    upstream._server = await asyncio.start_server(upstream._accept, address, port, limit=1 << 20)


@asynccontextmanager
async def places(*addresses: str, live: tuple[str, ...] | None = None) -> AsyncIterator[tuple[int, dict[str, Place]]]:
    """Upstreams on the same port of several addresses; those not in `live` refuse."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = {}
    for address in addresses if live is None else live:
        upstream = RawUpstream()
        upstream.response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
            len(address),
            address.encode(),
        )
        await listen(upstream, address, port)
        found[address] = Place(address, upstream)
    try:
        yield port, found
    finally:
        for place in found.values():
            await place.upstream.stop()


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """The name has these addresses from now on, in every loop; gives the hosts that were asked for."""
    asked: list[str] = []
    original = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: Any, host: Any, port: Any, **kw: Any) -> Any:
        if host != NAME:
            return await original(self, host, port, **kw)
        asked.append(host)
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in zip(families, addresses, strict=True)
        ]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


async def ask(gateway: Running, raw: bytes | None = None) -> bytes:
    client = await gateway.client()
    response = await client.ask(get() if raw is None else raw)
    client.reset()
    return response.body if response.status == 200 else response.start + b" " + response.body


ALL = ("127.0.0.1", "127.0.0.2", "::1")


async def test_the_addresses_of_a_name_are_used_in_turn(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve(monkeypatch, *ALL)
    async with places(*ALL) as (port, found):
        gateway = await start(upstream=f"http://{NAME}:{port}")
        bodies = [(await ask(gateway)).decode() for _ in range(9)]
        assert bodies == [*ALL] * 3
        assert {place.count for place in found.values()} == {3}
    # Resolved once, and not for each connection.
    assert asked == [NAME]


@pytest.mark.parametrize("dead", ALL)
async def test_an_address_that_refuses_leaves_it_to_the_others(
    start: Start, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    resolve(monkeypatch, *ALL)
    live = tuple(address for address in ALL if address != dead)
    async with places(*ALL, live=live) as (port, found):
        gateway = await start(upstream=f"http://{NAME}:{port}")
        for number in range(6):
            raw = post(b"x") if number % 2 else get()
            assert (await ask(gateway, raw)).decode() in live
        assert all(place.count for place in found.values())
        assert gateway.errors() == []


async def test_when_every_address_refuses_it_is_unreachable(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, *ALL)
    async with places(*ALL, live=()) as (port, _):
        gateway = await start(upstream=f"http://{NAME}:{port}")
        assert b"upstream_unreachable" in await ask(gateway)
        record = await gateway.ended()
        assert record["status"] == 502
        assert record["evidence"].startswith(f"http://{NAME}:{port}: Connect")


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port of 127.0.0.3 that neither accepts nor refuses: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.3", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        yield address[1]
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("holes", [("127.0.0.3",), ("127.0.0.3", "127.0.0.3")])
async def test_an_address_that_says_nothing_leaves_the_others_their_share_of_the_time(
    start: Start, monkeypatch: pytest.MonkeyPatch, black_hole: int, holes: tuple[str, ...]
) -> None:
    resolve(monkeypatch, *dict.fromkeys(holes), "127.0.0.1")
    upstream = RawUpstream()
    await listen(upstream, "127.0.0.1", black_hole)
    gateway = await start(upstream=f"http://{NAME}:{black_hole}", connect_timeout=Seconds(1))
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await ask(gateway) == b"ok"
    assert 0.3 < loop.time() - started < 0.9
    await upstream.stop()


async def test_a_connection_that_takes_too_long_is_unreachable(start: Start, black_hole: int) -> None:
    gateway = await start(upstream=f"http://127.0.0.3:{black_hole}", connect_timeout=Seconds(0.3))
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert b"upstream_unreachable" in await ask(gateway)
    assert 0.3 <= loop.time() - started < 1
    assert (await gateway.ended())["evidence"].endswith("no connection within connect_timeout")


async def test_who_gives_up_while_a_connection_is_made_leaves_its_place(start: Start, black_hole: int) -> None:
    gateway = await start(upstream=f"http://127.0.0.3:{black_hole}", connect_timeout=Seconds(30), max_connections=2)
    for _ in range(5):
        clients = [await gateway.client() for _ in range(2)]
        for client in clients:
            await client.send(get())
        await until(lambda: gateway.places.opening == 2)
        for client in clients:
            client.reset()
        await until(lambda: gateway.places.taken == 0)


async def test_addresses_are_asked_for_again_after_a_while(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async with places("127.0.0.1", "127.0.0.2") as (port, _):
        resolve(monkeypatch, "127.0.0.1")
        gateway = await start(upstream=f"http://{NAME}:{port}")
        gateway.to_upstream.dialer.addresses_kept = 0.1
        assert await ask(gateway) == b"127.0.0.1"
        resolve(monkeypatch, "127.0.0.2")
        async with asyncio.timeout(PATIENCE):
            while await ask(gateway) != b"127.0.0.2":  # noqa: ASYNC110 -- time has to pass
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("way", ["refuses", "says nothing"])
async def test_a_name_whose_addresses_do_not_respond_is_asked_for_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, black_hole: int, way: str
) -> None:
    """An API that came back elsewhere is not looked for where it was until what is remembered is old."""
    upstream = RawUpstream()
    await listen(upstream, "127.0.0.1", black_hole)
    asked = resolve(monkeypatch, "127.0.0.2" if way == "refuses" else "127.0.0.3")
    gateway = await start(upstream=f"http://{NAME}:{black_hole}", connect_timeout=Seconds(0.5))
    assert b"upstream_unreachable" in await ask(gateway)
    assert len(asked) == 1
    asked = resolve(monkeypatch, "127.0.0.1")
    assert gateway.to_upstream.dialer.doubted_after == 1.0
    gateway.to_upstream.dialer.doubted_after = 0.0
    assert await ask(gateway) == b"ok"
    await upstream.stop()


async def test_no_request_is_lost_to_an_address_that_the_name_has_no_more(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with places("127.0.0.1", "127.0.0.2") as (port, found):
        resolve(monkeypatch, "127.0.0.1")
        gateway = await start(upstream=f"http://{NAME}:{port}")
        gateway.to_upstream.dialer.doubted_after = 0.0
        assert await ask(gateway) == b"127.0.0.1"
        await found["127.0.0.1"].upstream.stop()
        resolve(monkeypatch, "127.0.0.2")
        assert await ask(gateway, post(b"abc")) == b"127.0.0.2"


async def test_an_api_that_is_down_does_not_have_its_name_asked_for_by_every_request(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with places("127.0.0.2", live=()) as (port, _):
        asked = resolve(monkeypatch, "127.0.0.2")
        gateway = await start(upstream=f"http://{NAME}:{port}")
        started = asyncio.get_running_loop().time()
        for _ in range(30):
            assert b"upstream_unreachable" in await ask(gateway)
        assert len(asked) <= 1 + (asyncio.get_running_loop().time() - started) // 1.0


async def test_a_name_that_is_gone_as_well_does_not_hide_why_its_address_did_not_respond(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with places("127.0.0.1") as (port, found):
        resolve(monkeypatch, "127.0.0.1")
        gateway = await start(upstream=f"http://{NAME}:{port}")
        gateway.to_upstream.dialer.doubted_after = 0.0
        assert await ask(gateway) == b"127.0.0.1"
        await found["127.0.0.1"].upstream.stop()
        monkeypatch.undo()
        assert b"upstream_unreachable" in await ask(gateway)
        assert "the name cannot be resolved" not in (await gateway.ended(2))["evidence"]


async def test_a_name_that_cannot_be_resolved_is_unreachable(start: Start) -> None:
    gateway = await start(upstream="http://nobody.invalid:80")
    assert b"upstream_unreachable" in await ask(gateway)
    assert "the name cannot be resolved" in (await gateway.ended())["evidence"]


async def test_an_upstream_may_be_an_ipv6_literal(start: Start) -> None:
    async with places("::1") as (port, _):
        gateway = await start(upstream=f"http://[::1]:{port}", host="upstream")
        assert await ask(gateway) == b"::1"


# TLS


@dataclass
class Authority:
    """Issues certificates."""

    directory: Path
    name: str = "ours"
    #: certificates say which key signed them, as RFC 5280 asks of authorities for everybody
    identifies_keys: bool = True

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{self.name} authority")])
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        own = (
            self._builder(self._subject, self._key.public_key(), days=1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = self.directory / f"{self.name}-ca.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, *, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        ski = x509.SubjectKeyIdentifier.from_public_key(key)
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
        )
        if not self.identifies_keys:
            return builder
        return builder.add_extension(ski, critical=False).add_extension(aki, critical=False)

    def issue(
        self, *names: str, days: int = 1, label: str = "server", key: rsa.RSAPrivateKey | None = None
    ) -> tuple[Path, Path]:
        """Paths of a certificate for these names or addresses, and of its key: by itself one of P-256."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        certificate = (
            self._builder(subject, own.public_key(), days=days)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        public, private = self.directory / f"{label}.crt", self.directory / f"{label}.key"
        public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return public, private


@asynccontextmanager
async def secure(certificate: tuple[Path, Path], *, clients: Path | None = None, **kw: Any) -> AsyncIterator["Secure"]:
    """An upstream that speaks https; `clients`: the authority whose certificates it wants to see."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    for name, value in kw.items():
        setattr(context, name, value)
    it = Secure(RawUpstream())
    context.sni_callback = lambda _, name, __: it.names.append(name)
    it.upstream._server = await asyncio.start_server(it.upstream._accept, "127.0.0.1", 0, ssl=context, limit=1 << 20)
    it.port = it.upstream._server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        await it.upstream.stop()


class Secure:
    """An upstream behind TLS, and the names it was asked for."""

    def __init__(self, upstream: RawUpstream) -> None:
        self.upstream = upstream
        self.names: list[str | None] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@LOOPS
def test_an_upstream_with_a_certificate_of_a_private_authority_is_reached(
    tmp_path: Path, authority: Authority, run: Run
) -> None:
    async def main() -> None:
        async with secure(authority.issue("127.0.0.1")) as it:
            settings = {"upstream": it.url, "tls": UpstreamTls(ca_file=str(authority.file))}
            async with a_gateway(tmp_path, **settings) as gateway:
                for _ in range(3):
                    assert await ask(gateway) == b"ok"
                size = 5 << 20
                it.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
                assert await ask(gateway, post(b"b" * 1_000_000)) == b"a" * size
                assert len(it.upstream.last.body) == 1_000_000
                assert len(it.upstream.conversations) == 1
                it.upstream.conversations.clear()

    run(main())


async def test_an_authority_of_ones_own_need_not_be_one_for_everybody(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict_by_default(monkeypatch)
    bare = Authority(tmp_path, identifies_keys=False)
    async with secure(bare.issue("127.0.0.1")) as it:
        gateway = await start(upstream=it.url, tls=UpstreamTls(ca_file=str(bare.file)))
        assert await ask(gateway) == b"ok"
        it.upstream.conversations.clear()


@LOOPS
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_tls_connection_that_was_closed_while_idle_costs_nobody_a_response(
    tmp_path: Path, authority: Authority, run: Run, method: str
) -> None:
    async def main() -> None:
        async with secure(authority.issue("127.0.0.1")) as it:
            settings = {"upstream": it.url, "tls": UpstreamTls(ca_file=str(authority.file))}
            async with a_gateway(tmp_path, **settings) as gateway:
                for _ in range(5):
                    assert await ask(gateway) == b"ok"
                    it.upstream.conversations[-1].writer.close()
                    await it.upstream.conversations[-1].ended.wait()
                    await until(lambda: not gateway.places.taken)
                    assert await ask(gateway, get() if method == "GET" else post(b"x")) == b"ok"
                it.upstream.conversations.clear()

    run(main())


async def test_a_private_authority_is_not_trusted_unasked(start: Start, authority: Authority) -> None:
    async with secure(authority.issue("127.0.0.1")) as it:
        gateway = await start(upstream=it.url)
        assert b"upstream_unreachable" in await ask(gateway)
        assert "its certificate was not accepted" in (await gateway.ended())["evidence"]
        assert it.upstream.requests == []


@pytest.mark.parametrize(
    ("names", "days", "trusted", "why"),
    [
        (("127.0.0.1",), 1, "other", "unable to get local issuer certificate"),
        (("127.0.0.1",), -1, "ours", "certificate has expired"),
        (("127.0.0.9",), 1, "ours", "127.0.0.1"),
        (("localhost",), 1, "ours", "127.0.0.1"),
    ],
)
async def test_a_certificate_that_is_not_right_is_unreachable_and_the_log_says_why(
    start: Start, authority: Authority, names: tuple[str, ...], days: int, trusted: str, why: str
) -> None:
    other = Authority(authority.directory, "other")
    async with secure(authority.issue(*names, days=days)) as it:
        ca_file = str((authority if trusted == "ours" else other).file)
        gateway = await start(upstream=it.url, tls=UpstreamTls(ca_file=ca_file))
        client = await gateway.client()
        response = await client.ask(get())
        assert (response.status, response.problem["reason"]) == (502, "upstream_unreachable")
        assert b"certificate" not in response.body
        evidence = (await gateway.ended())["evidence"]
        assert evidence.startswith(f"{it.url}: its certificate was not accepted: ")
        assert why in evidence
        assert it.upstream.requests == []


async def test_a_self_signed_certificate_is_unreachable(start: Start, authority: Authority, tmp_path: Path) -> None:
    lonely = Authority(authority.directory, "lonely")
    key = authority.directory / "lonely.key"
    key.write_bytes(
        lonely._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    async with secure((lonely.file, key)) as it:
        gateway = await start(upstream=it.url, tls=UpstreamTls(ca_file=str(authority.file)))
        assert b"upstream_unreachable" in await ask(gateway)
        assert "self-signed certificate" in (await gateway.ended())["evidence"]


async def test_anything_is_taken_where_that_is_allowed(start: Start, authority: Authority) -> None:
    async with secure(authority.issue("elsewhere.test", days=-1)) as it:
        gateway = await start(upstream=it.url, tls=UpstreamTls(allow_insecure=True))
        assert await ask(gateway) == b"ok"


async def test_the_configured_name_is_asked_for_and_must_be_in_the_certificate(
    start: Start, authority: Authority
) -> None:
    async with secure(authority.issue(NAME)) as it:
        tls = UpstreamTls(ca_file=str(authority.file), server_name=NAME)
        gateway = await start(upstream=it.url, tls=tls)
        assert await ask(gateway) == b"ok"
        assert it.names == [NAME]
        wrong = UpstreamTls(ca_file=str(authority.file), server_name="other.internal")
        gateway = await start(upstream=it.url, tls=wrong)
        assert b"upstream_unreachable" in await ask(gateway)
        assert "other.internal" in (await gateway.ended())["evidence"]


async def test_the_name_of_the_url_is_asked_for_on_every_address(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, "127.0.0.2", "127.0.0.1")
    async with secure(authority.issue(NAME)) as it:
        gateway = await start(upstream=f"https://{NAME}:{it.port}", tls=UpstreamTls(ca_file=str(authority.file)))
        assert await ask(gateway) == b"ok"
        assert it.names == [NAME]
        assert gateway.errors() == []


async def test_an_upstream_that_wants_a_client_certificate_gets_ours(start: Start, authority: Authority) -> None:
    theirs = Authority(authority.directory, "clients")
    certificate, key = theirs.issue(NAME, label="gateway")
    async with secure(authority.issue("127.0.0.1"), clients=theirs.file) as it:
        tls = UpstreamTls(ca_file=str(authority.file), certificate=str(certificate), key=str(key))
        gateway = await start(upstream=it.url, tls=tls)
        assert await ask(gateway) == b"ok"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("shown", ["none", "of another authority"])
async def test_an_upstream_that_wants_another_client_certificate_is_unreachable(
    start: Start, authority: Authority, shown: str, version: str
) -> None:
    theirs = Authority(authority.directory, "clients")
    certificate, key = authority.issue(NAME, label="gateway")
    own: dict[str, Any] = {} if shown == "none" else {"certificate": str(certificate), "key": str(key)}
    version_of = ssl.TLSVersion[version]
    async with secure(authority.issue("127.0.0.1"), clients=theirs.file, maximum_version=version_of) as it:
        gateway = await start(upstream=it.url, tls=UpstreamTls(ca_file=str(authority.file), **own))
        for raw in (get(), post(b"x")):
            assert b"upstream_unreachable" in await ask(gateway, raw)
        assert it.upstream.requests == []
        for record in await gateway.stdout.records(2):
            # In TLS 1.3 the upstream refuses after the handshake; in both a reset may overtake what it says.
            why = record["evidence"].removeprefix(f"{it.url}: ")
            assert why.startswith(("TLS failed: ", "the connection ended before a response", "Connection"))


async def test_https_to_a_port_that_speaks_http_is_unreachable(start: Start) -> None:
    plain = RawUpstream()
    await plain.start()
    gateway = await start(upstream=plain.url.replace("http:", "https:"), tls=UpstreamTls(allow_insecure=True))
    plain.response = OK

    async def behave(upstream: Any) -> None:
        await upstream.reader.read(10)
        await upstream.say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    plain.behaviour = behave
    assert b"upstream_unreachable" in await ask(gateway)
    assert "TLS failed" in (await gateway.ended())["evidence"]
    await plain.stop()


def cut_below(transport: asyncio.BaseTransport) -> None:
    """Ends a connection by FIN without the knowledge of TLS."""
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as below:
        below.shutdown(socket.SHUT_WR)


def test_an_unframed_response_over_tls_is_whole_only_when_its_end_was_said(
    tmp_path: Path, authority: Authority
) -> None:
    """RFC 9112 section 9.8: an end without a closure alert may be anybody's. asyncio's own TLS tells nobody."""

    async def main() -> None:
        async with secure(authority.issue("127.0.0.1")) as it:
            said = True

            async def behave(upstream: Any) -> None:
                await upstream.request()
                await upstream.say(b"HTTP/1.1 200 OK\r\n\r\nabc")
                if not said:
                    # FIN below TLS: what somebody on the way can do.
                    cut_below(upstream.writer.transport)
                    await asyncio.sleep(0.1)

            it.upstream.behaviour = behave
            tls = UpstreamTls(ca_file=str(authority.file))
            async with a_gateway(tmp_path, upstream=it.url, tls=tls) as gateway:
                assert await ask(gateway) == b"abc"
                said = False
                client = await gateway.client()
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await client.ask(get())
                it.upstream.conversations.clear()

    uvloop.run(main())


async def test_a_tls_handshake_that_hangs_is_unreachable(start: Start) -> None:
    silent = RawUpstream()
    await silent.start()

    async def behave(upstream: Any) -> None:
        await upstream.until_ended()

    silent.behaviour = behave
    url = silent.url.replace("http:", "https:")
    gateway = await start(upstream=url, tls=UpstreamTls(allow_insecure=True), connect_timeout=Seconds(0.3))
    assert b"upstream_unreachable" in await ask(gateway)
    assert (await gateway.ended())["evidence"] == f"{url}: no connection within connect_timeout"
    await asyncio.wait_for(silent.conversations[0].ended.wait(), PATIENCE)
    await silent.stop()


@pytest.mark.parametrize("key", ["ca_file", "certificate", "key"])
def test_a_file_of_tls_that_cannot_be_used_is_named(authority: Authority, key: str) -> None:
    certificate, private = authority.issue(NAME)
    for content in (None, b"no PEM"):
        bad = authority.directory / "bad.pem"
        bad.unlink(missing_ok=True)
        if content is not None:
            bad.write_bytes(content)
        files = {"ca_file": str(authority.file), "certificate": str(certificate), "key": str(private), key: str(bad)}
        with pytest.raises(ValueError, match=r"^tls\.(ca_file|certificate) \S+: .+"):
            tls_context(UpstreamTls(**files))  # type: ignore[arg-type]


def test_a_key_that_does_not_belong_to_the_certificate_is_refused(authority: Authority) -> None:
    certificate, _ = authority.issue(NAME)
    _, other = authority.issue(NAME, label="other")
    with pytest.raises(ValueError, match=r"tls\.certificate"):
        Dialer(UpstreamSection(url="https://a.test", tls=UpstreamTls(certificate=str(certificate), key=str(other))))


def test_a_key_that_is_encrypted_is_refused_without_asking_for_its_password(authority: Authority) -> None:
    certificate, key = authority.issue(NAME)
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ValueError, match=r"tls\.certificate"):
        tls_context(UpstreamTls(certificate=str(certificate), key=str(key)))


# Unix sockets


@LOOPS
def test_a_unix_socket_may_come_and_go(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    path = tmp_path_factory.mktemp("u") / "s"

    async def main() -> None:
        async with a_gateway(tmp_path, upstream=f"unix:{path}") as gateway:
            assert b"upstream_unreachable" in await ask(gateway)
            assert "No such file" in (await gateway.ended())["evidence"]
            for number in range(3):
                upstream = RawUpstream()
                await upstream.start(str(path))
                assert await ask(gateway) == b"ok"
                assert await ask(gateway, post(b"x")) == b"ok"
                assert len(upstream.conversations) == 1
                upstream.conversations[0].writer.transport.abort()
                upstream.conversations.clear()
                await upstream.stop()
                path.unlink(missing_ok=True)
                assert b"upstream_unreachable" in await ask(gateway)
                assert (await gateway.ended(2 + 3 * number + 2))["status"] == 502
            messages = [record["message"] for record in gateway.errors()]
            # Said once each time it went, and not for each request.
            assert len([one for one in messages if "cannot be reached" in one]) == 4

    run(main())
