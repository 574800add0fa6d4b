"""Who speaks TLS with the gateway is known by a certificate of its own, where its token is bound to one."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.relay.client.peer import Peer
from gateway.relay.client.secure import TlsCertificate
from gateway.relay.client.secure import secured as made_secure
from tests.relay.client.secured import bound_to, secured
from tests.relay.test_faults import LOOPS, Run
from tests.relay.upstream.test_dialing import Authority
from tests.wire import RawClient, get


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


def request(line: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()


@LOOPS
@pytest.mark.parametrize("asks", ["optional", "required"])
def test_a_bound_token_passes_with_its_certificate_alone(
    tmp_path: Path, authority: Authority, clients: Authority, run: Run, asks: str
) -> None:
    ours, others = (clients.issue("a", label=name) for name in ("ours", "others"))
    line = bound_to(ours)

    async def main() -> None:
        async with secured(tmp_path, authority, clients=clients, asks=asks) as it:
            client = await it.client(ours)
            for _ in range(2):
                assert (await client.ask(request(line))).status == 200
            assert dict(it.gateway.upstream.last.lines)[b"X-Forwarded-Proto"] == b"https"
            stranger = await it.client(others)
            response = await stranger.ask(request(line))
            assert (response.status, response.problem["reason"]) == (401, "proof_mismatch")
            # A token that is bound to nothing asks for nothing.
            assert (await stranger.ask(get())).status == 200
            if asks == "optional":
                nobody = await it.client()
                response = await nobody.ask(request(line))
                assert (response.status, response.problem["reason"]) == (401, "proof_required")
                assert (await nobody.ask(get())).status == 200
            it.gateway.silent_about(line.removeprefix("Authorization: Bearer "))

    run(main())


@LOOPS
def test_a_certificate_of_nobody_we_know_ends_the_handshake(
    tmp_path: Path, authority: Authority, clients: Authority, run: Run
) -> None:
    stranger = authority.issue("a", label="stranger")

    async def main() -> None:
        async with secured(tmp_path, authority, clients=clients, asks="required") as it:
            for shows in (stranger, None):
                # TLS 1.3: the client's part is done before ours is.
                with pytest.raises((ConnectionError, ssl.SSLError, EOFError)):
                    await (await it.client(shows)).ask(get())
            assert it.gateway.upstream.requests == []
            page = (await it.gateway.admin("/metrics")).body.decode()
            assert 'gateway_tls_handshakes_failed_total{reason="certificate"} 2.0' in page

    run(main())


@LOOPS
def test_with_client_certificates_there_are_no_tickets(
    tmp_path: Path, authority: Authority, clients: Authority, run: Run
) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, clients=clients) as it:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = it.context(clients.issue("a", label="ours"))
                context.minimum_version = context.maximum_version = version
                client = await it.client(context=context)
                assert (await client.ask(get())).status == 200
                tls: ssl.SSLObject = client.writer.get_extra_info("ssl_object")
                assert tls.session is None or not tls.session.has_ticket
                assert tls.selected_alpn_protocol() in (None, "http/1.1")

    run(main())


@LOOPS
def test_a_unix_socket_speaks_it_as_well(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, authority: Authority, clients: Authority, run: Run
) -> None:
    ours = clients.issue("a", label="ours")
    line = bound_to(ours)

    async def main() -> None:
        path = tmp_path_factory.mktemp("s") / "listen"
        async with secured(tmp_path, authority, clients=clients, listen=f"unix:{path}") as it:
            context = it.context(ours)
            reader, writer = await asyncio.open_unix_connection(str(path), ssl=context, server_hostname="127.0.0.1")
            client = RawClient(reader, writer)
            it.gateway.clients.append(client)
            assert (await client.ask(request(line))).status == 200

    run(main())


class Transport:
    """What was shown on a connection."""

    def __init__(self, shown: bytes | None, *, has_tls: bool = True) -> None:
        self._shown = shown
        self._has_tls = has_tls
        self.asked = 0

    def get_extra_info(self, name: str) -> Any:
        assert name == "ssl_object"
        return self if self._has_tls else None

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        self.asked += 1
        return self._shown


@pytest.mark.parametrize(("shown", "has_tls"), [(b"a", True), (None, True), (b"a", False)])
def test_a_certificate_is_read_once_and_only_when_somebody_asks(shown: bytes | None, *, has_tls: bool) -> None:
    transport: Any = Transport(shown, has_tls=has_tls)
    certificate = TlsCertificate(transport)
    assert "not read yet" in repr(certificate)
    assert transport.asked == 0
    found = {certificate.thumbprint() for _ in range(3)}
    assert found == {"ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs" if shown and has_tls else None}
    assert transport.asked == has_tls
    assert "not read yet" not in repr(certificate)


def test_nobody_is_asked_for_what_nobody_shows() -> None:
    transport: Any = Transport(b"a")
    peer = made_secure(Peer("192.0.2.1", trusted=True), transport, asks=False)
    assert (peer.address, peer.trusted, peer.scheme, peer.certificate) == ("192.0.2.1", True, "https", None)
    assert made_secure(peer, transport, asks=True).certificate is not None
