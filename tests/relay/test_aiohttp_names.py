"""Every name of aiohttp that the relay uses and that aiohttp keeps private, or does not document: still there?"""

import ast
import inspect
from pathlib import Path

import pytest
from aiohttp import http_parser, web_protocol
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

import gateway.relay
from gateway.relay import server as server_module
from gateway.relay.connection import Connection
from gateway.relay.server import Server
from tests.wire import config_for

#: attribute of RequestHandler (and its bases) to the one word for it, which must stand in its __slots__
HANDLER_SLOTS = {
    "_buffer_paused",
    "_force_close",
    "_loop",
    "_message_tail",
    "_messages",
    "_msg_queue_resume_size",
    "_parser",
    "_paused",
    "_request_in_progress",
    "_upgraded",
    "_waiter",
    "transport",
}
HANDLER_METHODS = {
    "_drain_helper",
    "_pause_transport_reading",
    "_resume_reading_for_buffer",
    "_resume_reading_if_drained",
    "_resume_transport_reading",
    "data_received",
    "force_close",
    "connection_made",
    "connection_lost",
    "pause_writing",
    "resume_writing",
    "start",
}


def slots(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in getattr(base, "__slots__", ())}


def test_the_server_side_has_the_names_the_relay_uses() -> None:
    assert slots(RequestHandler) >= HANDLER_SLOTS
    assert all(callable(getattr(RequestHandler, name)) for name in HANDLER_METHODS)
    assert list(_ErrInfo._fields if hasattr(_ErrInfo, "_fields") else inspect.signature(_ErrInfo).parameters) == [
        "status",
        "exc",
        "message",
    ]
    assert {
        "auto_decompress",
        "max_line_size",
        "max_field_size",
        "max_headers",
        "keepalive_timeout",
        "access_log",
    } <= set(inspect.signature(RequestHandler).parameters)


def test_no_slot_of_ours_hides_one_of_aiohttp() -> None:
    assert set(Connection.__slots__).isdisjoint(slots(RequestHandler))


def test_the_lists_above_are_complete() -> None:
    """A private name in gateway/relay that is neither listed nor our own is one that nobody watches."""
    defined: set[str] = set(Connection.__slots__)
    used: set[str] = set()
    for path in Path(gateway.relay.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                (defined if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    assert used - defined <= HANDLER_SLOTS | HANDLER_METHODS


def test_bodies_are_stream_readers_and_no_body_is_one_known_object() -> None:
    assert EMPTY_PAYLOAD.is_eof()
    assert {"is_eof", "set_exception", "exception", "readany", "at_eof", "read_nowait", "total_bytes"} <= set(
        dir(StreamReader)
    )


async def test_the_pure_python_parser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(RuntimeError, match="pure-Python"):
        Server(_Nobody(), config_for("http://a", "/x"), max_connections=1, observer=None)


def test_aiohttp_runs_on_llhttp_here() -> None:
    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy
    assert vars(web_protocol)["HttpRequestParser"] is http_parser.HttpRequestParser


class _Nobody:
    async def handle(self, exchange: object) -> None:
        raise AssertionError
