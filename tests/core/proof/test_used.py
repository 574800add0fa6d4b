"""A proof is used once, for as long as it could be used again; and nothing is forgotten for want of room."""

import pytest

from gateway.core.proof.used import SPAN, MemoryFull, UsedProofs

NOW = 1_800_000_000.0


def test_a_proof_is_used_once_until_its_end() -> None:
    used = UsedProofs()
    assert used.use(b"a" * 16, until=NOW + 100, now=NOW)
    assert not used.use(b"a" * 16, until=NOW + 100, now=NOW)
    # The same jti in a proof that was made later is the same jti.
    assert not used.use(b"a" * 16, until=NOW + 150, now=NOW + 50)
    assert used.use(b"b" * 16, until=NOW + 100, now=NOW)
    used.forget(NOW + 99)
    assert not used.use(b"a" * 16, until=NOW + 100, now=NOW + 99)
    assert len(used) == 2
    used.forget(NOW + 100 + SPAN)
    assert len(used) == 0
    assert repr(used) == "UsedProofs(0 in 0 spans)"
    assert used.use(b"a" * 16, until=NOW + 300, now=NOW + 200)


def test_a_full_memory_forgets_nothing_but_what_has_ended() -> None:
    used = UsedProofs(most=3)
    for number in range(3):
        assert used.use(b"%d" % number, until=NOW + 20 * number, now=NOW)
    with pytest.raises(MemoryFull):
        used.use(b"new", until=NOW + 50, now=NOW)
    # What is known is known also while there is no room.
    assert not used.use(b"0", until=NOW, now=NOW)
    assert used.use(b"new", until=NOW + 50, now=NOW + SPAN)
    assert not used.use(b"1", until=NOW + 20, now=NOW + SPAN)
    assert len(used) == 3
