import pytest

from gateway.core.errors import UpstreamProtocolError
from gateway.core.http.placed import Offer, Place, Placed
from gateway.core.http.placed_lines import placed_lines, refusal_lines
from tests.memory import facts

QUERY = (Placed(Place("query", "access_token"), b"abc"),)
HEADER = (Placed(Place("header", "X-Access-Token"), b"abc"),)
PROTOCOL = (Placed(Place("websocket", "bearer"), b"abc", offer=Offer((b"chat",), b"bearer")),)


def test_a_token_in_the_query_is_told_to_nobody() -> None:
    assert refusal_lines(QUERY) == ((b"Referrer-Policy", b"no-referrer"),)
    assert refusal_lines((*HEADER, *PROTOCOL)) == ()
    lines = placed_lines(facts(placed=QUERY), status=200, headers=((b"Cache-Control", b"public"),))
    assert lines == ((b"Referrer-Policy", b"no-referrer"), (b"Cache-Control", b"private"))
    assert placed_lines(facts(placed=HEADER), status=200, headers=()) == ()


def test_a_websocket_has_a_protocol_that_was_offered() -> None:
    assert placed_lines(facts(placed=PROTOCOL), status=101, headers=()) == ((b"Sec-WebSocket-Protocol", b"bearer"),)
    assert placed_lines(facts(placed=PROTOCOL), status=404, headers=((b"Sec-WebSocket-Protocol", b"x"),)) == ()
    with pytest.raises(UpstreamProtocolError):
        placed_lines(facts(placed=PROTOCOL), status=101, headers=((b"Sec-WebSocket-Protocol", b"x"),))


def test_a_cache_takes_no_other_place_for_a_request_of_everybody() -> None:
    known = facts(placed=HEADER, place="X-Access-Token")
    assert placed_lines(known, status=200, headers=()) == ((b"Cache-Control", b"private"),)
    assert placed_lines(known, status=200, headers=((b"Cache-Control", b"public"),)) == ()
    # Read or not, it was taken out, and the token is in Authorization.
    assert placed_lines(facts(placed=HEADER), status=200, headers=()) == ()
