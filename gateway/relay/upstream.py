"""The API behind the gateway, over aiohttp's client: the simplest forwarding that is correct.

The head goes out as the bytes it came in; aiohttp's client would re-encode, reorder and add. Every aiohttp exception
is renamed at this border.
"""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage, StreamWriter
from aiohttp.streams import StreamReader
from yarl import URL

from gateway.core.addresses import parse_upstream
from gateway.core.config import Upstream
from gateway.core.errors import UpstreamBusy, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.core.model import Admission, Facts, HeaderLine
from gateway.ports import Body
from gateway.relay.facts import MAX_LENGTH

#: seconds; the long form of `upstreams` will make these configurable
KEEPALIVE = 60.0
POOL_TIMEOUT = 5.0
#: connections, reused and fresh together
MAX_CONNECTIONS = 256
#: bytes of one line of an answer's head
MAX_LINE = 64 * 1024
_LENGTH_DIGITS = len(str(MAX_LENGTH))
#: RFC 9110 section 9.2.2, less TRACE: may be sent again when a reused connection turns out to be closed
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


log = logging.getLogger("gateway.relay")


class _Protocol(ResponseHandler):
    """An upstream connection that ends when it says more than was asked, and that tells its reader when it broke.

    aiohttp takes what came on an idle connection for the next answer, and a reset for the end of a body without a
    length; of broken chunk framing, or of a request body that broke off, it tells the reader nothing.
    """

    answered = False

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        self.answered = data[0].code >= 200
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        if data and self.answered and (self._payload is None or self._payload.is_eof()):
            self.close()
        else:
            super().data_received(data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        # An upstream that takes no more of the request's body (OSError) may still have an answer to give.
        if not isinstance(exc, OSError) and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError(type(exc).__name__))

    def connection_lost(self, exc: BaseException | None) -> None:
        payload = self._payload
        unfinished = payload is not None and not payload.is_eof()
        super().connection_lost(exc)
        if payload is not None and unfinished and (exc is not None or not payload.is_eof()):
            payload.set_exception(aiohttp.ClientPayloadError("the connection broke"))


@dataclass(slots=True)
class _Attempt:
    """One try at a request: whether the connection it went out on had served another before."""

    reused: bool = False


class _RawRequest(ClientRequest):
    """Writes a head of our own making instead of aiohttp's. Private names used: tests/relay/test_aiohttp_names.py."""

    head: bytes
    body_chunked: bool
    attempt: "_Attempt"

    async def send(self, conn: Connection) -> ClientResponse:
        assert isinstance(conn.protocol, _Protocol)
        self.attempt.reused = conn.protocol.answered
        if conn.protocol.should_close:
            # What arrived behind the last answer would be taken for the answer to this request.
            raise aiohttp.ServerDisconnectedError
        conn.protocol.answered = False
        writer = StreamWriter(conn.protocol, self.loop)
        writer._headers_buf = self.head  # noqa: SLF001 -- instead of write_headers, which would re-encode
        if self.body_chunked:
            writer.enable_chunking()
        task = None
        if self._body is not None:
            # An upstream may answer by the head alone, and the first byte of the body may be long in coming.
            writer.send_headers()
            task = self.loop.create_task(self.write_bytes(writer, conn, self._get_content_length()))
            self._writer = task
        else:
            conn.protocol.start_timeout()
            writer.set_eof()
        return self.response_class(
            self.method,
            self.original_url,
            writer=cast("asyncio.Task[None]", task),
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=[],
            loop=self.loop,
            session=self._session,
            stream_writer=writer,
        )


class HttpUpstream:
    """One upstream, `http://`, `https://` or `unix:`. Connections are reused for requests that may be repeated."""

    def __init__(self, upstream: Upstream) -> None:
        """Needs a running loop; `close` lets go of it."""
        origin = parse_upstream(upstream.url)
        self._shown = upstream.url
        self._failing = False
        self._own_host = upstream.host == "upstream"
        self._response_timeout = float(upstream.response_timeout)
        self._connect_timeout = float(upstream.connect_timeout)
        if origin.path is not None:
            path = origin.path
            self._url = URL("http://localhost/")

            def connector(**options: Any) -> aiohttp.BaseConnector:
                return aiohttp.UnixConnector(path, limit=0, **options)
        else:
            self._url = URL.build(scheme=origin.scheme, host=origin.host, port=origin.port, path="/")

            def connector(**options: Any) -> aiohttp.BaseConnector:
                return aiohttp.TCPConnector(limit=0, ttl_dns_cache=10, **options)

        self._authority = cast("str", self._url.host_port_subcomponent).encode("ascii")
        self._reused = _session(connector, self._timeout(None), keepalive_timeout=KEEPALIVE)
        # A request that may not be sent twice never meets a connection that the other side is just closing.
        self._fresh = _session(connector, self._timeout(None), force_close=True)
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)

    def _timeout(self, response: float | None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            connect=self._connect_timeout,
            sock_connect=self._connect_timeout,
            sock_read=self._response_timeout if response is None else response,
        )

    async def close(self) -> None:
        """Closes every connection."""
        await self._reused.close()
        await self._fresh.close()

    async def send(self, facts: Facts, admission: Admission, body: Body | None) -> "HttpAnswer":
        """One request. UpstreamBusy, UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, or the body's own."""
        try:
            async with asyncio.timeout(POOL_TIMEOUT):
                await self._places.acquire()
        except TimeoutError:
            raise UpstreamBusy(f"{MAX_CONNECTIONS} connections are in use") from None
        try:
            return HttpAnswer(await self._request(facts, admission, body), body=body, release=self._places.release)
        except BaseException as error:
            self._places.release()
            if body is not None and body.failure is not None and isinstance(error, Exception):
                raise body.failure from None
            raise

    async def _request(self, facts: Facts, admission: Admission, body: Body | None) -> ClientResponse:
        repeatable = body is None and not facts.chunked and not facts.content_length and facts.method in _IDEMPOTENT
        attempt = _Attempt()
        try:
            try:
                response = await self._try(self._reused if repeatable else self._fresh, facts, admission, body, attempt)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # RFC 9110 section 9.2.2: once more, where the connection had served before and was closing.
                if not (repeatable and attempt.reused):
                    raise
                response = await self._try(self._fresh, facts, admission, body, _Attempt())
        except aiohttp.ConnectionTimeoutError:
            raise self._unreachable("no connection within connect_timeout") from None
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error.os_error.strerror or type(error).__name__) from None
        except TimeoutError:
            raise UpstreamTimeout("no head of an answer within response_timeout") from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise UpstreamProtocolError(type(error).__name__) from None
        except (aiohttp.ClientError, OSError):
            raise UpstreamUnreachable(f"{self._shown}: the connection ended before an answer") from None
        if self._failing:
            self._failing = False
            log.info("upstream %s answers again", self._shown)
        if problem := _framing_problem(response):
            response.close()
            raise UpstreamProtocolError(problem)
        return response

    def _unreachable(self, why: str) -> UpstreamUnreachable:
        if not self._failing:
            self._failing = True
            log.warning("upstream %s cannot be reached: %s", self._shown, why)
        return UpstreamUnreachable(f"{self._shown}: {why}")

    async def _try(
        self,
        session: aiohttp.ClientSession,
        facts: Facts,
        admission: Admission,
        body: Body | None,
        attempt: "_Attempt",
    ) -> ClientResponse:
        head = self._head(facts, admission, closing=session is self._fresh)

        async def take_head(request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
            assert isinstance(request, _RawRequest)
            request.head, request.body_chunked, request.attempt = head, facts.chunked, attempt
            return await handler(request)

        framing = {} if facts.content_length is None or body is None else {"Content-Length": str(facts.content_length)}
        return await session.request(
            facts.method,
            self._url,
            data=None if body is None else aiter(body),
            headers=framing,
            allow_redirects=False,
            timeout=self._timeout(admission.route.timeout),
            middlewares=(take_head,),
        )

    def _head(self, facts: Facts, admission: Admission, *, closing: bool) -> bytes:
        """Request line and lines as they are, then framing from the parsed message (RFC 9112 section 6)."""
        lines = [b"%b %b HTTP/1.1" % (facts.method.encode("ascii"), admission.target)]
        if facts.host is None or self._own_host:
            lines.append(b"Host: " + self._authority)
        lines += [
            b"%b: %b" % (name, value)
            for name, value in admission.headers
            if not (self._own_host and name.lower() == b"host")
        ]
        if facts.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        elif facts.content_length is not None:
            lines.append(b"Content-Length: %d" % facts.content_length)
        if closing:
            lines.append(b"Connection: close")
        return b"\r\n".join([*lines, b"", b""])


def _session(
    connector: Callable[..., aiohttp.BaseConnector], timeout: aiohttp.ClientTimeout, **options: Any
) -> aiohttp.ClientSession:
    made = connector(**options)
    protocol: Callable[[], ResponseHandler] = functools.partial(_Protocol, loop=asyncio.get_running_loop())
    made._factory = protocol  # type: ignore[assignment]  # noqa: SLF001 -- has no public name
    session = aiohttp.ClientSession(
        connector=made,
        request_class=_RawRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        timeout=timeout,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
    )
    # aiohttp would repeat requests on fresh connections too.
    session._retry_connection = False  # noqa: SLF001 -- has no public name
    return session


def _framing_problem(response: ClientResponse) -> str | None:
    """RFC 9112 section 6.3: what makes the length of an answer uncertain."""
    if response.status < 200:
        return f"{response.status} where a final answer was due"
    codings = [value for name, value in response.raw_headers if name.lower() == b"transfer-encoding"]
    if any(coding.lower() != b"chunked" for coding in codings) or len(codings) > 1:
        return "a Transfer-Encoding other than chunked"
    lengths = [value for name, value in response.raw_headers if name.lower() == b"content-length"]
    if len(lengths) > 1 or (lengths and codings):
        return "more than one length"
    if lengths and (not lengths[0].isdigit() or len(lengths[0]) > _LENGTH_DIGITS or int(lengths[0]) > MAX_LENGTH):
        return "a length that is no number up to 2^63-1"
    return None


class HttpUpstreams:
    """Every configured upstream, by the name that routes know it by."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        """Needs a running loop; `close` lets go of it."""
        self._upstreams = {name: HttpUpstream(upstream) for name, upstream in upstreams.items()}

    async def close(self) -> None:
        """Closes every connection."""
        for upstream in self._upstreams.values():
            await upstream.close()

    async def send(self, facts: Facts, admission: Admission, body: Body | None) -> "HttpAnswer":
        """One request to the upstream of its route, as `HttpUpstream.send`."""
        return await self._upstreams[admission.route.upstream].send(facts, admission, body)


class HttpAnswer:
    """The upstream's answer on aiohttp's client."""

    def __init__(self, response: ClientResponse, *, body: Body | None, release: Callable[[], None]) -> None:
        self._response = response
        self._body = body
        self._release: Callable[[], None] | None = release
        self.status = response.status
        self.reason = (response.reason or "").encode("utf-8", "surrogateescape")
        self.headers: tuple[HeaderLine, ...] = response.raw_headers
        # Read by hand: what aiohttp offers runs the e-mail parser over whatever the upstream says.
        fields = {name.lower(): value for name, value in self.headers}
        length = fields.get(b"content-length")
        self.content_length = None if length is None or b"transfer-encoding" in fields else int(length)
        media_type = fields.get(b"content-type", b"").partition(b";")[0].strip(b" \t").lower()
        if media_type == b"text/event-stream" and response.connection is not None:
            # An event stream may be silent for as long as it likes.
            assert response.connection.protocol is not None
            response.connection.protocol.read_timeout = None
            response.connection.protocol.start_timeout()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        content = self._response.content
        try:
            async for chunk in content.iter_any():
                yield chunk
            if (broken := content.exception()) is not None:
                raise broken
        except TimeoutError:
            raise UpstreamTimeout("the answer fell silent for response_timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            if self._body is not None and self._body.failure is not None:
                raise self._body.failure from None
            raise UpstreamProtocolError(f"the answer broke off ({type(error).__name__})") from None

    def close(self) -> None:
        """Lets go of the connection; when the answer was not read to its end it is closed."""
        if self._release is not None:
            self._release()
            self._release = None
            self._response.close()
