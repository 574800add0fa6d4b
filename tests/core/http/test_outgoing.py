"""What an upstream gets, in order."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.http.field_line import FieldLine
from gateway.core.http.outgoing import Outgoing, parted, written

NAMES = st.text("AZaz09-_.", min_size=1, max_size=9).map(str.encode)
VALUES = st.text("A: ,;=\xe9", max_size=9).map(lambda text: text.strip(" ").encode("latin-1"))


def test_a_client_s_lines_come_before_ours() -> None:
    outgoing = Outgoing([FieldLine(b"A", b"1"), FieldLine(b"A", b"2")], [b"B: ", b"secret", b"\r\n", b"", b"C: 3\r\n"])
    assert outgoing.headers == ((b"A", b"1"), (b"A", b"2"), (b"B", b"secret"), (b"C", b"3"))
    assert outgoing.headers is outgoing.headers
    assert repr(outgoing) == "<Outgoing 2 of the client, 5 pieces of ours>"


def test_lines_are_written_as_they_go_on_the_wire() -> None:
    lines = ((b"A", b"1"), (b"B", b""), (b"C", b"https://x: y"))
    assert written(lines) == b"A: 1\r\nB: \r\nC: https://x: y\r\n"
    assert parted(written(lines)) == lines
    assert written(()) == b""
    assert parted(b"") == ()


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_what_was_written_is_read_as_it_was(lines: list[tuple[bytes, bytes]]) -> None:
    assert parted(written(lines)) == tuple(lines)
