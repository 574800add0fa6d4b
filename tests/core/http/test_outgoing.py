"""What an upstream gets, in order."""

from gateway.core.http.field_line import FieldLine
from gateway.core.http.outgoing import Outgoing


def test_a_client_s_lines_come_before_ours() -> None:
    outgoing = Outgoing([FieldLine(b"A", b"1"), FieldLine(b"A", b"2")], [(b"B", b"secret")])
    assert outgoing.headers == ((b"A", b"1"), (b"A", b"2"), (b"B", b"secret"))
    assert outgoing.headers is outgoing.headers
    assert repr(outgoing) == "<Outgoing 2 of the client, 1 of ours>"
