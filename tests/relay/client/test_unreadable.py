"""What is no request can be refused, and nothing else."""

import asyncio

import pytest

from gateway.core.errors import BadRequest, Refusal
from gateway.core.http.challenge import Challenges
from gateway.messages import OwnResponse
from gateway.relay.client.peer import Peer
from gateway.relay.client.unreadable import Unreadable
from gateway.relay.client.wire import Wire


class Written(asyncio.Transport):
    """Remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.aborted = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.data += data

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


async def test_it_is_refused_for_what_it_is() -> None:
    transport = Written()
    it = Unreadable(
        Wire(transport, Peer("127.0.0.1", trusted=False)), BadRequest("secret"), challenges=Challenges("api")
    )
    assert repr(it) == "<Unreadable: bad_request>"
    with pytest.raises(Refusal) as raised:
        it.read_facts()
    await it.refuse(raised.value, lines=((b"X-A", b"b"),))
    head, _, body = transport.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert head.endswith(b"\r\nX-A: b\r\nConnection: close")
    assert (it.has_begun, it.bytes_in, it.bytes_out, it.body) == (True, 0, len(body), None)
    assert b"secret" not in transport.data


async def test_nothing_else_comes_of_it() -> None:
    transport = Written()
    it = Unreadable(Wire(transport, Peer("127.0.0.1", trusted=False)), BadRequest(), challenges=Challenges("api"))
    it.inform(103, b"Early Hints", ())
    with pytest.raises(TypeError):
        await it.respond(OwnResponse(200, b"OK"))
    assert (transport.data, it.cut_by) == (b"", None)
    it.abort()
    assert transport.aborted
