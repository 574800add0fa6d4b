"""The files of `tls` are followed: what can be used counts, what cannot leaves what was there, and it is said once."""

import asyncio
import logging
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.tls import ListenerTls
from gateway.process.secure import INTERVAL, SESSIONS, FollowedFiles, server_context
from tests.authorities import strict_by_default
from tests.relay.client.secured import Files, secured
from tests.relay.test_faults import LOOPS, Run
from tests.relay.upstream.test_dialing import Authority
from tests.wire import get, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture
def files(tmp_path: Path, authority: Authority, clients: Authority) -> Files:
    return Files(tmp_path, authority.issue("127.0.0.1", label="first"), clients.file)


def section(files: Files, **changes: Any) -> ListenerTls:
    values = {"certificate": str(files.certificate), "key": str(files.key), "client_ca": str(files.client_ca)}
    return ListenerTls(**{**values, "client_certificates": "optional", **changes})


class Time:
    """Looks at the files, each time as late as it takes."""

    def __init__(self, followed: FollowedFiles) -> None:
        self.followed = followed
        self.now = 0.0

    def look(self) -> set[str]:
        self.now += INTERVAL
        return set(self.followed.look(self.now))


def test_a_renewed_pair_is_used_from_the_next_look_on(files: Files, authority: Authority) -> None:
    moments = Time(FollowedFiles(section(files)))
    first, ended = moments.followed.context, moments.followed.ends_at
    assert moments.look() == set()
    files.put(*authority.issue("127.0.0.1", label="second", days=30))
    assert set(moments.followed.look(moments.now + INTERVAL - 0.1)) == set()
    assert moments.look() == {"certificate", "key"}
    assert moments.followed.context is not first
    assert moments.followed.ends_at - ended > 28 * 86_400
    assert moments.look() == set()


def test_files_that_are_written_again_and_are_the_same_are_no_news(files: Files, authority: Authority) -> None:
    moments = Time(FollowedFiles(section(files)))
    first = moments.followed.context
    files.put(authority.directory / "first.crt", authority.directory / "first.key")
    assert moments.look() == set()
    assert moments.followed.context is first


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda files: files.certificate.unlink(), "tls.certificate names a file that does not exist"),
        (lambda files: files.key.write_text("secret"), "tls.certificate names a file that cannot be used with key"),
        (lambda files: files.certificate.write_text(""), "tls.certificate names a file that cannot be used with key"),
        (lambda files: files.client_ca.write_text("x"), "tls.client_ca names a file that holds no PEM certificate"),
    ],
)
def test_what_cannot_be_used_is_told_once_and_leaves_what_was_there(
    files: Files, authority: Authority, spoil: Any, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    moments = Time(FollowedFiles(section(files)))
    first = moments.followed.context
    spoil(files)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert moments.look() == set()
    assert [record.message for record in caplog.records] == [f"{sentence}; what was read before stays in use"]
    assert moments.followed.context is first
    assert "which cannot be used now" in repr(moments.followed)
    caplog.clear()
    files.put(*authority.issue("127.0.0.1", label="second"))
    files.put_authorities(authority.file)
    with caplog.at_level(logging.INFO):
        assert moments.look() == {"certificate", "key", "client_ca"}
    assert [record.message for record in caplog.records] == ["new files of tls are in use: certificate, client_ca, key"]
    assert "secret" not in caplog.text


def test_sessions_with_client_certificates_do_not_go_on_for_long(files: Files, authority: Authority) -> None:
    for changes, renews in (({}, True), ({"client_certificates": "none", "client_ca": None}, False)):
        moments = Time(FollowedFiles(section(files, **changes)))
        first = moments.followed.context
        for _ in range(int(SESSIONS / INTERVAL)):
            assert moments.look() == set()
            assert moments.followed.context is first
        assert moments.look() == set()
        assert (moments.followed.context is not first) is renews
    # One that cannot be made leaves the one before.
    moments = Time(FollowedFiles(section(files)))
    first = moments.followed.context
    files.key.unlink()
    moments.now += SESSIONS
    assert moments.look() == set()
    assert moments.look() == set()
    assert moments.followed.context is first


def test_half_a_pair_is_waited_for(files: Files, authority: Authority) -> None:
    moments = Time(FollowedFiles(section(files)))
    certificate, key = authority.issue("127.0.0.1", label="second")
    files.certificate.write_bytes(certificate.read_bytes())
    assert moments.look() == set()
    files.key.write_bytes(key.read_bytes())
    assert moments.look() == {"certificate", "key"}


def test_new_authorities_are_told_from_a_new_pair(files: Files, authority: Authority) -> None:
    moments = Time(FollowedFiles(section(files)))
    files.put_authorities(authority.file)
    assert moments.look() == {"client_ca"}


def test_a_file_that_is_spoilt_at_the_start_is_told(files: Files) -> None:
    files.key.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^tls\.certificate names a file that cannot be used with key$"):
        FollowedFiles(section(files))
    files.certificate.unlink()
    with pytest.raises(ValueError, match=r"^tls\.certificate names a file that does not exist$"):
        FollowedFiles(section(files))


def test_tls_is_as_the_configuration_has_it(files: Files) -> None:
    context, _ = server_context(section(files))
    assert (context.verify_mode, context.num_tickets) == (ssl.CERT_OPTIONAL, 0)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    context, _ = server_context(section(files, client_certificates="required", min_version="1.3"))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    context, _ = server_context(section(files, client_certificates="none", client_ca=None))
    assert context.verify_mode is ssl.CERT_NONE
    assert context.num_tickets > 0


async def test_clients_may_be_of_an_authority_that_is_not_one_for_everybody(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict_by_default(monkeypatch)
    bare = Authority(tmp_path, "bare", identifies_keys=False)
    async with secured(tmp_path, authority, clients=bare, asks="required") as it:
        client = await it.client(bare.issue("a", label="shown"))
        assert (await client.ask(get())).status == 200


@LOOPS
def test_a_renewed_certificate_is_shown_and_nobody_is_cut(
    tmp_path: Path, authority: Authority, clients: Authority, run: Run
) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, clients=clients) as it:
            before = await it.client()
            assert (await before.ask(get())).status == 200
            secure = it.gateway.gateway._secure
            assert secure is not None
            serial = before.writer.get_extra_info("peercert")["serialNumber"]
            it.files.put(*authority.issue("127.0.0.1", label="renewed", days=20))
            first = secure.context
            secure._looked_at = None
            it.gateway.gateway._look(time.monotonic())
            assert secure.context is not first
            assert (await before.ask(get())).status == 200
            after = await it.client()
            assert after.writer.get_extra_info("peercert")["serialNumber"] != serial
            page = (await it.gateway.admin("/metrics")).body.decode()
            start = 'gateway_tls_certificate_expiry_timestamp_seconds{listener="listen"} '
            told = next(float(line.removeprefix(start)) for line in page.splitlines() if line.startswith(start))
            assert told == secure.ends_at

    run(main())


@LOOPS
def test_new_authorities_end_connections_behind_their_response(
    tmp_path: Path, authority: Authority, clients: Authority, run: Run
) -> None:
    ours, theirs = clients.issue("a", label="ours"), authority.issue("a", label="theirs")

    async def main() -> None:
        goes_on = asyncio.Event()

        async def behave(upstream: Any) -> None:
            while True:
                request = await upstream.request()
                if b"/slow" in request.start:
                    await goes_on.wait()
                await upstream.say(it.gateway.upstream.response)

        async with secured(tmp_path, authority, clients=clients) as it:
            it.gateway.upstream.behaviour = behave
            idle, busy, unused = [await it.client(ours) for _ in range(3)]
            assert (await idle.ask(get())).status == 200
            await busy.send(get("/slow"))
            await until(lambda: len(it.gateway.upstream.requests) == 2)
            with pytest.raises((ConnectionError, ssl.SSLError, EOFError)):
                await (await it.client(theirs)).ask(get())
            it.files.put_authorities(authority.file)
            secure = it.gateway.gateway._secure
            assert secure is not None
            first = secure.context
            secure._looked_at = None
            it.gateway.gateway._look(time.monotonic())
            assert secure.context is not first
            assert await idle.rest() == b""
            goes_on.set()
            for client in (busy, unused):
                response = await (client.ask(get()) if client is unused else client.response())
                assert (response.status, response.values(b"connection")) == (200, [b"close"])
                assert await client.rest() == b""
            assert (await (await it.client(theirs)).ask(get())).status == 200
            with pytest.raises((ConnectionError, ssl.SSLError, EOFError)):
                await (await it.client(ours)).ask(get())

    run(main())
