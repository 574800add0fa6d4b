"""What llhttp makes of a response. All that responses may be is heard in test_response_reader.py."""

from gateway.relay.http1.response_parser import ResponseParser
from tests.wire import OK, chunks

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_what_came_is_there_to_be_taken() -> None:
    parser = ResponseParser("POST", accepts_upgrade=False)
    assert repr(parser) == "<ResponseParser reading>"
    parser.feed(CONTINUE + CHUNKED + chunks(b"a", b"b"))
    assert repr(parser.interims) == "[<Interim 100, 0 lines>]"
    assert b"".join(parser.parts) == b"ab"
    assert repr(parser) == "<ResponseParser reading, status 200>"
    assert (parser.is_complete, parser.is_done) == (False, False)
    parser.feed(b"0\r\n\r\nmore")
    assert (parser.is_complete, parser.has_surplus, parser.is_done) == (True, True, True)
    assert repr(parser) == "<ResponseParser complete, status 200>"
    parser.feed(chunks(b"even more"))
    assert b"".join(parser.parts) == b"ab"


def test_nothing_comes_behind_what_is_broken() -> None:
    parser = ResponseParser("GET", accepts_upgrade=False)
    parser.feed(b"nonsense")
    assert parser.problem is not None
    assert repr(parser) == "<ResponseParser broken>"
    parser.feed(OK)
    assert (parser.head, parser.parts, parser.is_done) == (None, [], False)


def test_a_body_is_there_as_far_as_it_came_before_it_broke() -> None:
    parser = ResponseParser("GET", accepts_upgrade=False)
    parser.feed(CHUNKED + chunks(b"ab") + b"zz\r\n")
    assert parser.problem is not None
    assert (parser.parts, parser.is_complete) == ([b"ab"], False)


def test_what_is_only_to_be_counted_is_left_to_whoever_feeds_it() -> None:
    parser = ResponseParser("GET", accepts_upgrade=False)
    parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    assert (parser.parts, parser.is_done, parser.missing) == ([b"ab"], True, 7)
    until_end = ResponseParser("GET", accepts_upgrade=False)
    until_end.feed(b"HTTP/1.1 200 OK\r\n\r\nab")
    assert (until_end.is_done, until_end.missing) == (True, -1)
    switched = ResponseParser("GET", accepts_upgrade=True)
    switched.feed(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nx")
    assert (switched.parts, switched.is_complete, switched.is_done, switched.missing) == ([b"x"], True, True, -1)
