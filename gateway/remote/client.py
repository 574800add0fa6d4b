"""The client of what issuers are asked beside their keys: one bounded request on a pooled connection, no redirects.

Knows nothing of what is asked. Every failure of aiohttp, TLS and the network leaves here as FetchFailed.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from yarl import URL

from gateway.core.addresses import parse_url
from gateway.libraries.asking import aiohttp
from gateway.remote.fetched import FetchFailed, no_address, shown_address
from gateway.remote.http import failure_sentence, read_bounded, tls_context, trust
from gateway.sampled import asking

#: connections to one host, and in all
MAX_CONNECTIONS: Final = 128
#: seconds that an idle connection is kept: less than the least that servers and balancers are known to keep theirs
KEEPALIVE: Final = 10.0
#: seconds for which the addresses of a name are remembered: an issuer that came back elsewhere is looked for there soon
ADDRESSES_KEPT: Final = 1
#: seconds between two looks at the files of TLS
INTERVAL: Final = 10.0
#: connections that were kept and turn out to have ended, for one request
MAX_RETRIES: Final = 3
_HEADERS: Final = {"Accept-Encoding": "gzip, deflate", "User-Agent": "bearer-gateway"}

#: the authorities' file; the files of certificate and key
Files = tuple[str | None, tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A whole response, whatever its status."""

    status: int
    #: in lower case, without parameters; empty when there is none
    media_type: str
    #: names in lower case; of several lines of a name the first
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Client:
    """Asks by POST and GET. After making one you must call `close`."""

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        certificate: tuple[str, str] | None = None,
        proxy: str | None = None,
        use: str = "question",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens nothing yet. `ca_file`: authorities instead of the system's. `certificate`: files of it and its key.

        `proxy`: by which everybody is asked; None: directly, whatever the environment says. `use`: what for, in traces.
        Both files are looked at again while running: new connections are made with what they hold then.
        """
        self._files: Files = (ca_file, certificate)
        self._proxy = proxy
        self._use = use
        self._monotonic = monotonic
        self._session: aiohttp.ClientSession | None = None
        #: what the files were when the session was made, and when they were looked at last
        self._seen: tuple[object, ...] = ()
        self._looked_at = float("-inf")
        #: sessions that were replaced, until their last request has ended
        self._retired: set[asyncio.Task[None]] = set()
        self._in_use: dict[aiohttp.ClientSession, int] = {}

    async def post(
        self,
        address: str,
        *,
        form: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        timeout: float,  # noqa: ASYNC109 -- it bounds the whole of a request, retries included
    ) -> Asked:
        """The response to this form, within `timeout` seconds. It must be harmless to ask twice.

        A connection that was kept and turns out to have ended is replaced by another. FetchFailed: no whole response of
        at most 256 KiB came in time.
        """
        return await self._ask("POST", address, form=form, headers=headers, limit=timeout)

    async def get(
        self,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,  # noqa: ASYNC109 -- as above
    ) -> Asked:
        """The same by GET."""
        return await self._ask("GET", address, form=None, headers=headers, limit=timeout)

    async def close(self) -> None:
        """Ends all connections. May be called twice; whoever waits for a response gets FetchFailed."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        for one in tuple(self._in_use):
            await one.close()
        self._looked_at = float("-inf")
        await asyncio.gather(*self._retired, return_exceptions=True)

    async def _ask(
        self,
        method: str,
        address: str,
        *,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        limit: float,
    ) -> Asked:
        shown = shown_address(address)
        try:
            parse_url(address)
        except ValueError as error:
            raise FetchFailed(no_address(address, str(error))) from None
        url = URL(address)
        # Accept is the caller's to say; a client of aiohttp would add one of its own.
        sent = {"Accept": "application/json", **_HEADERS, **(headers or {})}
        try:
            with asking(self._use, method, shown) as part:
                async with asyncio.timeout(limit):
                    asked = await self._send(method, url, form, sent)
                part.status = asked.status
        except FetchFailed as failure:
            raise FetchFailed(f"{shown}: {failure}", status=failure.status) from None
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            # RuntimeError: the session was closed meanwhile.
            raise FetchFailed(f"{shown}: {failure_sentence(error, limit)}") from None
        return asked

    async def _send(self, method: str, url: URL, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Asked:
        for _ in range(MAX_RETRIES):
            trace = SimpleNamespace(reused=False)
            try:
                return await self._send_once(method, url, form, headers, trace)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # It ended while it was idle (RFC 9110 section 9.2.2: who knows that it is harmless may ask again).
                if not trace.reused:
                    raise
        return await self._send_once(method, url, form, headers, SimpleNamespace(reused=False))

    async def _send_once(
        self,
        method: str,
        url: URL,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
        trace: SimpleNamespace,
    ) -> Asked:
        session = self._current()
        self._in_use[session] = self._in_use.get(session, 0) + 1
        try:
            async with session.request(
                method,
                url,
                data=form,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=trace,
                proxy=self._proxy,
            ) as response:
                body = await read_bounded(response)
                media_type = response.headers.get("Content-Type", "").partition(";")[0].strip(" \t").lower()
                found: dict[str, str] = {}
                for name, value in response.headers.items():
                    found.setdefault(name.lower(), value)
                return Asked(response.status, media_type, found, body)
        finally:
            self._in_use[session] -= 1
            if not self._in_use[session]:
                del self._in_use[session]
                if session is not self._session:
                    self._retire(session)

    def _current(self) -> aiohttp.ClientSession:
        """The session of now: another one where the files of TLS have changed."""
        now = self._monotonic()
        if self._session is not None and now < self._looked_at + INTERVAL:
            return self._session
        seen = tuple(_stamp(path) for path in (self._files[0], *(self._files[1] or ())))
        if self._session is None or seen != self._seen:
            old, self._session = self._session, self._open()
            if old is not None and old not in self._in_use:
                self._retire(old)
        self._seen, self._looked_at = seen, now
        return self._session

    def _open(self) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=_tls(*self._files),
                limit=MAX_CONNECTIONS,
                keepalive_timeout=KEEPALIVE,
                ttl_dns_cache=ADDRESSES_KEPT,
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing],
        )

    def _retire(self, session: aiohttp.ClientSession) -> None:
        task = asyncio.ensure_future(session.close())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)


async def _note_reuse(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused = True


def _stamp(path: str | None) -> object:
    """What changes when a file does; None where there is none."""
    try:
        status = None if path is None else Path(path).stat()
    except (OSError, ValueError):
        return "unreadable"
    return None if status is None else (status.st_mtime_ns, status.st_ino, status.st_size)


def _tls(ca_file: str | None, certificate: tuple[str, str] | None) -> ssl.SSLContext:
    if certificate is None:
        return tls_context(ca_file)
    # Of its own: one that is shared must not learn a certificate.
    context = trust(ca_file)
    try:
        context.load_cert_chain(*certificate, password=lambda: "")
    except (OSError, ValueError):
        raise FetchFailed("the client certificate cannot be read") from None
    return context
