"""Nonces are made alike by whoever has the secret, and are good for two minutes and a little."""

from gateway.core.proof.nonces import STEP, Nonces

SECRET = "s" * 32
NOW = 1_800_000_000.0


def test_replicas_make_the_same_nonce_and_take_those_of_the_steps_around() -> None:
    here, there = Nonces(), Nonces()
    given = here.current((SECRET,), now=NOW)
    assert given == there.current((SECRET,), now=NOW)
    assert given != there.current((SECRET,), now=NOW + STEP)
    for seconds, good in (
        (-STEP, True),
        (0, True),
        (STEP, True),
        (2 * STEP - 1, True),
        (2 * STEP, False),
        (-STEP - 1, False),
    ):
        at = NOW // STEP * STEP + seconds
        assert (given in there.good((SECRET,), now=at)) is good, seconds


def test_under_another_secret_there_are_others_and_old_secrets_are_taken() -> None:
    nonces = Nonces()
    old = nonces.current((SECRET,), now=NOW)
    new = nonces.current(("t" * 32, SECRET), now=NOW)
    assert new != old
    assert {new, old} <= nonces.good(("t" * 32, SECRET), now=NOW)
    assert old not in nonces.good(("t" * 32,), now=NOW)


def test_it_shows_how_many_are_good_and_none_of_them() -> None:
    nonces = Nonces()
    assert repr(nonces) == "Nonces(0 good)"
    given = nonces.current((SECRET, "t" * 32), now=NOW)
    assert repr(nonces) == "Nonces(6 good)"
    # RFC 9449 section 8.1.
    assert all(char == "\x21" or "\x23" <= char <= "\x5b" or "\x5d" <= char <= "\x7e" for char in given)
