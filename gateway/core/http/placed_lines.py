"""What a response has to say since a token stood where it did: to whoever follows links, caches, speaks WebSocket."""

from typing import Final

from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.placed import Placed
from gateway.core.http.private import private_lines, unshared_lines
from gateway.core.http.subprotocol import select_protocol

#: a page does not tell others of the URL that it came from, nor of its token
_NO_REFERRER: Final[HeaderLine] = (b"Referrer-Policy", b"no-referrer")
_SWITCHING: Final = 101


def placed_lines(facts: Facts, *, status: int, headers: tuple[HeaderLine, ...]) -> tuple[HeaderLine, ...]:
    """Lines for the API's response with this status and these headers, in place of its own of these names.

    UpstreamProtocolError: it selected a subprotocol that the client did not offer.
    """
    offer = next((one.offer for one in facts.placed if one.offer is not None), None)
    if status == _SWITCHING:
        return refusal_lines(facts.placed) + (() if offer is None else select_protocol(headers, offer))
    if lines := refusal_lines(facts.placed):
        return lines + private_lines(headers)
    return unshared_lines(headers) if facts.place != "Authorization" else ()


def refusal_lines(placed: tuple[Placed, ...]) -> tuple[HeaderLine, ...]:
    """Lines for a response of ours."""
    return (_NO_REFERRER,) if any(one.place.kind == "query" for one in placed) else ()
