import pytest

from gateway.core.http.header_names import MAX_NAME, MAX_NAMES, NameMemo, is_forwarding


def test_a_name_is_worked_out_once() -> None:
    asked: list[bytes] = []

    def read(name: bytes) -> int:
        asked.append(name)
        return len(name)

    memo = NameMemo(read)
    assert [memo[name] for name in (b"Accept", b"accept", b"Accept", b"accept")] == [6, 6, 6, 6]
    assert asked == [b"Accept", b"accept"]


def test_names_that_clients_invent_do_not_fill_the_memory() -> None:
    memo = NameMemo(len)
    for number in range(3 * MAX_NAMES):
        assert memo[b"X-%d" % number] == len(b"X-%d" % number)
        assert len(memo) <= MAX_NAMES
    assert memo[b"X" * MAX_NAME] == MAX_NAME
    kept = len(memo)
    assert memo[b"X" * (MAX_NAME + 1)] == MAX_NAME + 1
    assert len(memo) == kept
    assert b"X" * MAX_NAME in memo


@pytest.mark.parametrize(
    ("name", "forwards"),
    [
        *((name, True) for name in (b"Forwarded", b"X-Real-IP", b"x_real_ip", b"X-Forwarded", b"X.FORWARDED.ANY")),
        *((name, False) for name in (b"X-Forward", b"XForwardedFor", b"Via", b"X-Real", b"")),
    ],
)
def test_a_forwarding_header_is_one_in_any_spelling(name: bytes, *, forwards: bool) -> None:
    assert is_forwarding(name) is forwards
