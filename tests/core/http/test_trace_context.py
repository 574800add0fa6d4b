import pytest

from gateway.core.http.trace_context import parse_traceparent, write_traceparent

TRACE, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("value", "sampled", "random"),
    [
        (b"00-%b-%b-00" % (TRACE, PARENT), False, False),
        (b"00-%b-%b-01" % (TRACE, PARENT), True, False),
        (b"00-%b-%b-02" % (TRACE, PARENT), False, True),
        (b"00-%b-%b-ff" % (TRACE, PARENT), True, True),
        (b"cc-%b-%b-01" % (TRACE, PARENT), True, False),
        (b"cc-%b-%b-01-what-the-future-will-be-like" % (TRACE, PARENT), True, False),
    ],
)
def test_it_is_read(value: bytes, *, sampled: bool, random: bool) -> None:
    found = parse_traceparent(value)
    assert found is not None
    assert (found.trace_id, found.parent_id) == (TRACE, PARENT)
    assert (found.is_sampled, found.is_random) == (sampled, random)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        b"ff-%b-%b-01" % (TRACE, PARENT),
        b"00-%b-%b-01-" % (TRACE, PARENT),
        b"00-%b-%b-01-more" % (TRACE, PARENT),
        b"cc-%b-%b-01.more" % (TRACE, PARENT),
        b"00-%b-%b-01" % (b"0" * 32, PARENT),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-01" % (TRACE.upper(), PARENT),
        b"00-%b-%b-1" % (TRACE, PARENT),
        b"00-%b-%b-01\n" % (TRACE, PARENT),
        b" 00-%b-%b-01" % (TRACE, PARENT),
        b"00-%b-%b-01, 00-%b-%b-01" % (TRACE, PARENT, TRACE, PARENT),
        b"0-%b-%b-01" % (TRACE, PARENT),
        b"00_%b_%b_01" % (TRACE, PARENT),
        b"00-%b-%b-01" % (TRACE[1:], PARENT),
    ],
)
def test_what_is_none_is_passed_over(value: bytes) -> None:
    assert parse_traceparent(value) is None


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("random", [False, True])
def test_what_is_written_is_read_again(*, sampled: bool, random: bool) -> None:
    found = parse_traceparent(write_traceparent(TRACE, PARENT, is_sampled=sampled, is_random=random))
    assert found is not None
    assert (found.trace_id, found.parent_id) == (TRACE, PARENT)
    assert (found.is_sampled, found.is_random) == (sampled, random)
