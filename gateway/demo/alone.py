"""`bearer-gateway demo issuer` and `demo api`: one part of the demo in a process of its own, as in deploy/compose."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from socket import socket

from gateway.core.addresses import Address, is_wildcard
from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from gateway.process.listening import Bound, bind
from gateway.process.signals import on_signals


async def run_issuer(address: Address, *, url: str | None, audience: str) -> None:
    """Hands tokens for `audience` to anybody until it is told to stop. CannotStart: the address is taken.

    `url`: what it calls itself, where others find it under another address than it listens on.
    """
    bound = bind(address)
    issuer = DemoIssuer(audience=audience, url=url or _url(bound, address))
    await _run(bound, issuer.start_on, issuer.stop, f"The demo issuer {issuer.url} listens on {bound.where}")


async def run_api(address: Address) -> None:
    """Shows each request what it looks like until it is told to stop. CannotStart: the address is taken."""
    bound = bind(address)
    api = EchoApi()
    await _run(bound, api.start_on, api.stop, f"The echo API listens on {bound.where}")


def _url(bound: Bound, address: Address) -> str:
    """Where this machine finds it."""
    port = bound.where.rpartition(":")[2]
    host = "127.0.0.1" if is_wildcard(address.host) else address.host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _run(
    bound: Bound,
    start: Callable[[Sequence[socket]], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    sentence: str,
) -> None:
    told = asyncio.Event()
    on_signals(told.set, hang_up=told.set)
    try:
        await start(bound.sockets)
        print(sentence, flush=True)
        await told.wait()
    finally:
        await stop()
        bound.close()
