"""A head of a request, as it is shown."""

from gateway.core.http.field_line import FieldLine
from gateway.relay.http1.request_head import RequestHead


def test_a_head_tells_of_its_body_and_shows_no_value() -> None:
    line = FieldLine(b"Cookie", b"secret")
    for length, closes, shown in (
        (0, False, "<RequestHead PUT, 1 lines>"),
        (-1, False, "<RequestHead PUT, 1 lines, body>"),
        (3, True, "<RequestHead PUT, 1 lines, body, closes>"),
    ):
        head = RequestHead(method="PUT", target=b"/", version=(1, 1), lines=(line,), length=length, closes=closes)
        assert head.has_body == (length != 0)
        assert head.headers == ((b"Cookie", b"secret"),)
        assert repr(head) == shown
