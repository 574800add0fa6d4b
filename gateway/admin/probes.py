"""Asks an API on loopback what kubelet would ask it, one configured target a page: `/probe/CONTAINER/KIND`.

Kubelet's rules hold: a status from 200 to 399 is success, a connection is, SERVING is. Each time on a new connection.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final

from yarl import URL

from gateway.core.addresses import parse_address
from gateway.core.config.probes import KINDS, ContainerProbes, Probe
from gateway.libraries.asking import aiohttp

#: what kubelet calls itself, so that APIs which tell probes from people go on to do so
USER_AGENT: Final = "kube-probe/gateway"
#: bytes of a body that are read, and dropped, before the connection is closed
MAX_BODY: Final = 10 * 1024
MAX_REDIRECTS: Final = 10

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

#: why it failed, or None
Outcome = str | None


class Probes:
    """All that may be asked."""

    def __init__(self, containers: Mapping[str, ContainerProbes]) -> None:
        """`containers`: as configured; nothing is checked here, and nobody is asked before a page is."""
        self._targets = {
            f"{name}/{kind}": _Target(probe)
            for name, container in containers.items()
            for kind in KINDS
            if (probe := getattr(container, kind)) is not None
        }

    def find(self, name: str) -> Callable[[], Coroutine[Any, Any, Outcome]] | None:
        """Asks the target of `CONTAINER/KIND`; None: there is no such target."""
        target = self._targets.get(name)
        return None if target is None else target.outcome


class _Target:
    """One target, asked once at a time."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._ask = _asking(probe)
        self._asking = asyncio.Lock()
        self._ended = 0
        self._last: Outcome = None

    async def outcome(self) -> Outcome:
        """Of a request made now, or of one that is under way. Never raises for what the target does."""
        before = self._ended
        async with self._asking:
            if self._ended == before:
                self._last = await self._asked()
                self._ended += 1
            return self._last

    async def _asked(self) -> Outcome:
        limit = float(self._probe.timeout)
        try:
            async with asyncio.timeout(limit):
                return await self._ask()
        except TimeoutError:
            return f"no complete response within {limit:g} s"
        except aiohttp.ClientConnectorError as error:
            return _unreachable(error.errno)
        except aiohttp.ClientError:
            return "the response broke off or is not well-formed HTTP"
        except OSError as error:
            return _unreachable(error.errno)


def _asking(probe: Probe) -> Callable[[], Coroutine[Any, Any, Outcome]]:
    """How this one is asked."""
    if probe.http is not None:
        return partial(
            _ask_http, URL(probe.http, encoded=True), {"User-Agent": USER_AGENT, "Accept": "*/*", **probe.headers}
        )
    address = parse_address(probe.tcp or probe.grpc or "")
    if probe.grpc is None:
        return partial(_ask_tcp, address.host, address.port)
    # Its library is an extra: whoever has no such probe need not have it.
    from gateway.admin.grpc_health import check_health  # noqa: PLC0415

    return partial(check_health, address.host, address.port, service=probe.service or "", user_agent=USER_AGENT)


async def _ask_http(url: URL, headers: Mapping[str, str]) -> Outcome:
    origin = url.origin()
    async with aiohttp.ClientSession(
        # As kubelet: nobody on loopback has a certificate that could be checked.
        connector=aiohttp.TCPConnector(ssl=False, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        skip_auto_headers=("Accept-Encoding",),
        auto_decompress=False,
    ) as session:
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as response:
                status, location = response.status, response.headers.get("Location")
                await _drop(response.content)
            if status not in _REDIRECTS or location is None:
                return None if 200 <= status < 400 else f"the response has status {status}"
            try:
                url = url.join(URL(location))
            except ValueError:
                return "a redirect to something that is no address"
            # Elsewhere nobody is asked: kubelet takes a redirect to another host for success, and does not follow it.
            if not url.absolute or url.scheme not in {"http", "https"} or url.origin() != origin:
                return None
    return f"more than {MAX_REDIRECTS} redirects"


async def _drop(body: aiohttp.StreamReader) -> None:
    """Reads what a small body has, so that its sender does not see the connection break."""
    left = MAX_BODY
    async for piece in body.iter_any():
        left -= len(piece)
        if left <= 0:
            return


async def _ask_tcp(host: str, port: int) -> Outcome:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return None


def _unreachable(number: int | None) -> str:
    return f"it cannot be reached ({errno.errorcode.get(number or 0, 'no address responds')})"
