"""What a gateway tells of itself."""

import asyncio

import pytest

from gateway.console.sources import Impossible
from gateway.core.config.log import Log
from gateway.core.config.revocation import Revocation
from gateway.core.errors import MissingCredential
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.process.console.teller import GatewayTeller
from tests.process.console.conftest import Opened
from tests.wire import OK, Conversation, get, until


async def test_it_tells_how_issuers_and_upstreams_are_and_what_was_refused(opened: Opened) -> None:
    console = await opened(revocation=Revocation(), upstreams={})
    gateway = console.gateway.gateway
    teller = gateway.teller
    assert isinstance(teller, GatewayTeller)
    client = await console.gateway.client()
    teller.take()
    await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: console.gateway.server.open)
    told = teller.take()
    assert [one.reason for one in told.refusals] == [MissingCredential.reason]
    (issuer,), (upstream,) = told.issuers, told.upstreams
    assert (issuer.name, issuer.keys, issuer.has_keys, issuer.error) == ("issuer.test", 2, True, None)
    assert (upstream.name, upstream.responded) == ("default", 0)
    assert (told.connections, told.streams, told.revoked, told.is_stale, told.store) == (1, 0, 0, False, None)


async def test_a_response_of_the_upstream_is_counted_once(opened: Opened) -> None:
    console = await opened()
    teller = console.gateway.gateway.teller
    assert isinstance(teller, GatewayTeller)
    await (await console.gateway.client()).ask(get())
    await console.gateway.ended()
    assert teller.take().upstreams[0].responded == 1
    assert teller.take().upstreams[0].responded == 0


async def test_requests_for_which_the_api_does_nothing_are_told_of_until_it_does(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.process.console.teller.SILENT", 0.0)
    console = await opened()
    teller = console.gateway.gateway.teller
    assert isinstance(teller, GatewayTeller)
    heard, goes_on = asyncio.Event(), asyncio.Event()

    async def hang(conversation: Conversation) -> None:
        await conversation.request()
        heard.set()
        await goes_on.wait()
        await conversation.say(OK)

    console.gateway.upstream.behaviour = hang
    client = await console.gateway.client()
    asked = asyncio.create_task(client.ask(get()))
    await heard.wait()
    one = teller.take().upstreams[0]
    assert (one.silent, one.busy) == (1, 1)
    assert 0.0 < one.silence < 60.0
    goes_on.set()
    assert (await asked).status == 200
    one = teller.take().upstreams[0]
    assert (one.silent, one.silence, one.responded) == (0, 0.0, 1)


async def test_before_there_is_a_gateway_nothing_is_known_and_nothing_done() -> None:
    teller = GatewayTeller(Metrics(("a",)), AccessLog(Log()))
    assert teller.take().issuers == []
    with pytest.raises(Impossible) as caught:
        await teller.do("refresh", {})
    assert caught.value.status == 503
