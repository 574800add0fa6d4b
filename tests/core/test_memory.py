from gateway.core.memory import MAX_NAME, MAX_NAMES, NameMemo


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
