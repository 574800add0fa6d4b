"""The upstream's response, on the connection it comes on."""

from collections.abc import Callable

from gateway.core.http.facts import HeaderLine
from gateway.messages import Stream
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.upstream.connection import UpstreamConnection
from gateway.relay.upstream.stream import UpstreamStream


class UpstreamResponse:
    """A response whose head is here, for whoever passes it on. Whoever got one must close it."""

    __slots__ = (
        "_connection",
        "_done",
        "_head",
        "content_length",
        "is_endless",
        "raw",
        "reason",
        "status",
        "stream",
        "whole",
    )

    def __init__(
        self, connection: UpstreamConnection, head: ResponseHead, done: Callable[[UpstreamConnection], None]
    ) -> None:
        """`done` takes the connection back."""
        self._connection = connection
        self._done = done
        self._head = head
        self.status = head.status
        self.reason = head.reason
        self.raw = head.raw
        self.content_length = None if head.chunked else head.length
        self.whole = connection.take_whole()
        self.stream: Stream | None = UpstreamStream(connection) if head.status == 101 else None
        self.is_endless = head.is_event_stream or head.status == 101
        if self.is_endless:
            connection.be_patient()

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """Hop-by-hop ones excepted; those that frame the body are among them."""
        return self._head.lines

    async def read(self) -> bytes:
        """The next piece of the body as it arrives; empty at its end."""
        return await self._connection.read()

    def close(self) -> None:
        """Lets go of the connection; when the response was not read to its end it is closed."""
        self._done(self._connection)
