"""A header line, as it goes on the wire and as it is shown."""

from gateway.core.http.field_line import FieldLine


def test_a_line_is_written_as_it_was_read_or_as_usual() -> None:
    assert FieldLine(b"a", b"b").wire == b"a: b\r\n"
    assert FieldLine(b"a", b"").wire == b"a: \r\n"
    known = b"a: b\r\n"
    line = FieldLine(b"a", b"b", known)
    assert line.wire is known
    assert line.pair == (line.name, line.value) == (b"a", b"b")


def test_a_value_is_not_shown() -> None:
    assert repr(FieldLine(b"Cookie", b"secret")) == "<FieldLine b'Cookie' of 6 bytes>"
