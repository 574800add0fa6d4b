"""A call as an exchange: its verdict is what the gate made of the request that it is about."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.decision.attributes import Attributes
from gateway.core.errors import MissingCredential
from gateway.decisions.calls import Admitted, Call, Calls, Denied
from gateway.gate import Gate
from gateway.messages import OwnResponse
from gateway.observe.observers import Unheard
from gateway.relay.client.peer import TrustedProxies
from tests.memory import MemoryIssuers, Nowhere, Recorder
from tests.signer import NOW, issuer, sign, some_claims

ASKED = ("192.0.2.1", 5)


def calls(recorder: Recorder | None = None, **settings: Any) -> Calls:
    config = Config(
        **{
            "upstream": "http://127.0.0.1:3000",
            "issuers": (issuer(),),
            "trusted_proxies": ("192.0.2.0/24",),
            "routes": (RouteSection(path="/public", access="public"), RouteSection(path="/*")),
            **settings,
        }
    )
    gate = Gate(
        config,
        issuers=MemoryIssuers(),
        upstream=Nowhere(),
        observer=Unheard() if recorder is None else recorder,
        clock=lambda: NOW,
    )
    return Calls(gate, config, peer_of=TrustedProxies.of(config).peer)


def a_call(*lines: tuple[bytes, bytes], path: str = "/orders", peername: tuple[str, int] | None = ASKED) -> Call:
    told = Attributes(method="GET", path=path, host="api.test", scheme="https", protocol="HTTP/1.1", lines=lines)
    return Call(told, peername=peername)


BEARER = (b"authorization", b"Bearer " + sign(some_claims()))


async def test_a_yes_and_who_it_is() -> None:
    recorder = Recorder()
    call = a_call(BEARER, (b"x_user_id", b"root"), (b"accept", b"*/*"))
    await calls(recorder).handle(call)
    verdict = call.found()
    assert isinstance(verdict, Admitted)
    assert dict(verdict.written)[b"X-User-Id"]
    assert verdict.removed == (b"authorization", b"x_user_id")
    assert verdict.identity is not None
    assert call.has_begun
    (ending,) = recorder.endings
    assert (ending.status, ending.refusal, ending.facts is not None) == (200, None, True)
    assert ending.own_duration is not None


async def test_a_public_path_has_nobody_and_no_header_of_ours() -> None:
    call = a_call((b"X-User-Id", b"root"), path="/public")
    await calls().handle(call)
    verdict = call.found()
    assert isinstance(verdict, Admitted)
    assert (verdict.written, verdict.removed, verdict.identity) == ((), (b"x-user-id",), None)


async def test_a_no_has_no_length_which_the_proxy_writes() -> None:
    recorder = Recorder()
    call = a_call()
    await calls(recorder).handle(call)
    verdict = call.found()
    assert isinstance(verdict, Denied)
    names = [name for name, _ in verdict.headers]
    assert verdict.status == 401
    assert {b"WWW-Authenticate", b"X-Gateway-Reason", b"Content-Type"} <= set(names)
    assert b"Content-Length" not in names
    assert isinstance(recorder.endings[0].refusal, MissingCredential)
    assert recorder.endings[0].bytes_out == len(verdict.body)


@pytest.mark.parametrize("peername", [None, ("198.51.100.1", 5)])
async def test_who_is_not_trusted_is_refused(peername: tuple[str, int] | None) -> None:
    call = a_call(BEARER, peername=peername)
    await calls().handle(call)
    verdict = call.found()
    assert isinstance(verdict, Denied)
    assert verdict.status == 400


async def test_nothing_is_relayed_or_responded() -> None:
    call = a_call()
    call.inform(103, b"", ())
    call.abort()
    with pytest.raises(TypeError):
        await call.relay(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await call.respond(OwnResponse(200, b"OK"))
    assert call.found() is None
