"""What llhttp makes of a response, as events. All that responses may be is heard in test_response_reader.py."""

from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.http1.response_parser import ResponseParser
from tests.wire import OK, chunks

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_what_comes_is_told_in_order() -> None:
    parser = ResponseParser("POST", accepts_upgrade=False)
    assert repr(parser) == "<ResponseParser reading>"
    events = parser.feed(CONTINUE + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"a", b"b"))
    assert repr(events[0]) == "<Interim 100, 0 lines>"
    assert isinstance(events[1], ResponseHead)
    # However many chunks there are.
    assert repr(events[2:]) == "[<Data of 2 bytes>]"
    assert repr(parser) == "<ResponseParser reading, status 200>"
    assert repr(parser.feed(b"0\r\n\r\nmore")) == "[<End>, <Surplus>]"
    assert repr(parser) == "<ResponseParser complete, status 200>"
    assert parser.feed(b"even more") == []


def test_nothing_comes_behind_what_is_broken() -> None:
    parser = ResponseParser("GET", accepts_upgrade=False)
    assert repr(parser.feed(b"nonsense")) == "[<Broken: upstream_protocol_error>]"
    assert repr(parser) == "<ResponseParser broken>"
    assert parser.feed(OK) == []


def test_a_body_is_told_as_far_as_it_came_before_it_broke() -> None:
    parser = ResponseParser("GET", accepts_upgrade=False)
    events = parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"ab") + b"zz\r\n")
    assert repr(events[1:]) == "[<Data of 2 bytes>, <Broken: upstream_protocol_error>]"


def test_what_is_only_to_be_counted_is_left_to_whoever_feeds_it() -> None:
    parser = ResponseParser("GET", accepts_upgrade=False)
    assert repr(parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")[1:]) == "[<Data of 2 bytes>]"
    assert (parser.is_done, parser.missing) == (True, 7)
    until_end = ResponseParser("GET", accepts_upgrade=False)
    until_end.feed(b"HTTP/1.1 200 OK\r\n\r\nab")
    assert (until_end.is_done, until_end.missing) == (True, -1)
    switched = ResponseParser("GET", accepts_upgrade=True)
    switch = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    assert repr(switched.feed(switch + b"x")[1:]) == "[<Upgrade>, <Data of 1 bytes>]"
    assert (switched.is_done, switched.missing) == (True, -1)
