"""Where Envoy asks over gRPC, with TLS: who may connect, and files that are replaced."""

import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.core.config.decisions_grpc import GrpcDecisions, GrpcTls
from gateway.decisions.calls import Admitted, Call
from gateway.process.grpc_listener import FollowedTls, start_grpc
from gateway.process.listening import CannotStart
from tests.kubernetes.pki import Authority

CHECK = "/envoy.service.auth.v3.Authorization/Check"


async def say_yes(call: Call) -> None:
    call.decide(Admitted((), (), (), None))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("pki"))
    for name in ("one", "two", "envoy"):
        made.issue(name, name, addresses=("localhost", "127.0.0.1"))
    return made


def tls_of(folder: Path, authority: Authority, name: str, *, client_ca: bool = False) -> GrpcTls:
    """The files of a certificate, copied, so that they can be replaced."""
    replace(folder, authority, name)
    ca = str(authority.folder / "ca.crt") if client_ca else None
    return GrpcTls(certificate=str(folder / "tls.crt"), key=str(folder / "tls.key"), client_ca=ca)


def replace(folder: Path, authority: Authority, name: str) -> None:
    for end in ("crt", "key"):
        shutil.copy(authority.folder / f"{name}.{end}", folder / f"tls.{end}")


@asynccontextmanager
async def serving(tls: GrpcTls | None) -> AsyncIterator[str]:
    asked = GrpcDecisions(address="127.0.0.1:0", tls=tls)
    server = await start_grpc(asked, say_yes, is_ready=lambda: True)
    try:
        yield server.address
    finally:
        await server.stop(seconds=0)


async def ask(address: str, authority: Authority, name: str | None) -> grpc.StatusCode | None:
    """What became of a call; `name`: whose certificate is shown."""
    read = {end: (authority.folder / f"{name}.{end}").read_bytes() if name else None for end in ("key", "crt")}
    credentials = grpc.ssl_channel_credentials((authority.folder / "ca.crt").read_bytes(), read["key"], read["crt"])
    options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        try:
            await channel.unary_unary(CHECK)(b"", timeout=10)
        except grpc.aio.AioRpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return None


async def test_a_proxy_shows_a_certificate_where_it_must(authority: Authority, tmp_path: Path) -> None:
    async with serving(tls_of(tmp_path, authority, "one", client_ca=True)) as address:
        assert await ask(address, authority, "envoy") is None
        assert await ask(address, authority, None) is grpc.StatusCode.UNAVAILABLE


async def test_and_none_where_it_need_not(authority: Authority, tmp_path: Path) -> None:
    async with serving(tls_of(tmp_path, authority, "one")) as address:
        assert await ask(address, authority, None) is None


def test_files_that_are_replaced_count_from_the_next_connection_on(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    followed = FollowedTls(tls_of(tmp_path, authority, "one", client_ca=True))
    assert followed.renewed() is None
    (tmp_path / "tls.key").write_text("spoilt")
    assert followed.renewed() is None
    assert followed.renewed() is None
    assert caplog.text.count("decisions_grpc.tls.certificate") == 1
    assert "spoilt" not in caplog.text
    replace(tmp_path, authority, "two")
    assert followed.renewed() is not None
    assert "new files of decisions_grpc.tls are in use" in caplog.text
    assert followed.renewed() is None
    (tmp_path / "tls.crt").unlink()
    assert followed.renewed() is None


async def test_files_that_were_spoilt_and_addresses_that_are_taken_are_told(
    authority: Authority, tmp_path: Path
) -> None:
    tls = tls_of(tmp_path, authority, "one")
    with pytest.raises(CannotStart, match=r"decisions_grpc\.tls\.client_ca"):
        await start_grpc(
            GrpcDecisions(
                address="127.0.0.1:0",
                tls=GrpcTls(certificate=tls.certificate, key=tls.key, client_ca=str(tmp_path / "none")),
            ),
            say_yes,
            is_ready=lambda: True,
        )
    async with serving(None) as address:
        with pytest.raises(CannotStart, match="cannot listen on"):
            await start_grpc(GrpcDecisions(address=address), say_yes, is_ready=lambda: True)
