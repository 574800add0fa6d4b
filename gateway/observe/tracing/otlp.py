"""Spans in OpenTelemetry's own protocol, over HTTP (OTLP/HTTP, protobuf). The one module that knows its messages.

The messages alone: the SDK would bring a thread of its own, a client that obeys proxies, and two dozen variables of the
environment, of which two are to be read (docs/decisions.md).
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from yarl import URL

from gateway import __version__
from gateway.authorities import trusting
from gateway.libraries.asking import aiohttp
from gateway.observe.tracing.spans import Attribute, Span

#: seconds for one batch
TIMEOUT: Final = 5.0
#: bytes of a response that are read
_RESPONSE: Final = 64 << 10
#: what a collector says when the same batch may be sent again (OTLP specification, "Retryable Response Codes")
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_KINDS: Final = {
    "server": Message.SPAN_KIND_SERVER,
    "client": Message.SPAN_KIND_CLIENT,
    "internal": Message.SPAN_KIND_INTERNAL,
}
_DIGITS: Final = re.compile(r"[0-9]{1,6}")
#: spans that are written before the loop has its turn
_AT_ONCE: Final = 32


class NotTaken(Exception):
    """The collector did not take a batch. The sentence is for operators, and has no line of its response in it."""

    def __init__(self, sentence: str, *, again: bool, after: float | None = None) -> None:
        """`again`: it may be sent once more, `after` seconds where it says so."""
        super().__init__(sentence)
        self.again = again
        self.after = after


class Collector:
    """Where spans are sent. After making one you must call `close`."""

    def __init__(
        self,
        endpoint: str,
        *,
        resource: Mapping[str, str],
        headers: Callable[[], Mapping[str, str]],
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """`headers`: what it is shown, asked for each batch. `tls`: None: the system's authorities."""
        url = URL(endpoint)
        self._url = url.with_path("/v1/traces") if url.path in {"", "/"} else url
        self._resource = resource
        self._headers = headers
        self._tls = tls
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def send(self, spans: Iterable[Span]) -> int:
        """Sends a batch; how many of them the collector did not want. NotTaken."""
        body = await self._written(spans)
        headers = {"Content-Type": "application/x-protobuf", "User-Agent": "bearer-gateway", **self._headers()}
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._open().post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                said = await response.content.read(_RESPONSE)
                status, after = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise NotTaken(f"no response within {self._timeout:g} s", again=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotTaken(f"it cannot be asked ({type(error).__name__})", again=True) from None
        if status >= 300:
            waits = float(after) if _DIGITS.fullmatch(after) else None
            raise NotTaken(f"the response has status {status}", again=status in _RETRYABLE, after=waits)
        return _unwanted(said)

    async def close(self) -> None:
        """Ends its connections. May be called twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            if self._tls is None and self._url.scheme == "https":
                self._tls = trusting(None)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls or True, limit=1),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _written(self, spans: Iterable[Span]) -> bytes:
        request = ExportTraceServiceRequest()
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.extend(_attributes(self._resource))
        scope = of_resource.scope_spans.add()
        scope.scope.name, scope.scope.version = "bearer-gateway", __version__
        for index, span in enumerate(spans, 1):
            _write(span, scope.spans.add())
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        body: bytes = request.SerializeToString()
        return body


def _write(span: Span, message: Message) -> None:
    message.name = span.name
    message.kind = _KINDS[span.kind]
    message.trace_id, message.span_id = _bytes(span.trace_id), _bytes(span.span_id)
    if span.parent_id is not None:
        message.parent_span_id = _bytes(span.parent_id)
    message.start_time_unix_nano, message.end_time_unix_nano = span.started, max(span.started, span.ended)
    message.attributes.extend(_attributes(span.attributes))
    for name, when in span.events:
        message.events.add(name=name, time_unix_nano=when)
    if span.is_error:
        message.status.code = Status.STATUS_CODE_ERROR


def _bytes(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode("ascii"))


def _attributes(attributes: Mapping[str, Attribute]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in attributes.items()
    ]


def _unwanted(said: bytes) -> int:
    """How many spans of a batch that was taken were not (OTLP specification, "Partial Success")."""
    try:
        response = ExportTraceServiceResponse.FromString(said)
    except DecodeError:
        return 0
    unwanted: int = response.partial_success.rejected_spans
    return max(0, unwanted)
