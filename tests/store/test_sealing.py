"""What was sealed comes out as it went in, or as nothing, or is Unsealable: whatever somebody makes of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.sealing import OVERHEAD, Seals, Unsealable

NEW, OLD, OTHER = "n" * 32, "o" * 32, "x" * 32
SEALS = Seals([NEW, OLD])


@given(use=st.text(max_size=40), key=st.binary(max_size=80), plain=st.binary(max_size=400), until=st.floats(1, 1e12))
def test_what_went_in_comes_out_until_its_end(use: str, key: bytes, plain: bytes, until: float) -> None:
    sealed = SEALS.seal(use, key, plain, now=0.0, until=until)
    assert SEALS.open(use, key, sealed, now=0.0) == plain
    assert SEALS.open(use, key, sealed, now=until) is None
    assert len(sealed) == OVERHEAD + len(use.encode()) + len(key) + len(plain)


def test_what_has_no_end_is_kept() -> None:
    assert SEALS.open("u", b"k", SEALS.seal("u", b"k", b"v", now=0, until=math.inf), now=1e300) == b"v"


@given(st.binary(max_size=300))
def test_any_bytes_are_unsealable(sealed: bytes) -> None:
    with pytest.raises(Unsealable):
        SEALS.open("u", b"k", sealed, now=0.0)


@given(st.data())
def test_whatever_is_altered_is_unsealable(data: st.DataObject) -> None:
    sealed = SEALS.seal("u", b"k", data.draw(st.binary(max_size=60)), now=0.0, until=9.0)
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytes([*sealed[:place], sealed[place] ^ data.draw(st.integers(1, 255)), *sealed[place + 1 :]])
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    for wrong in (changed, cut, sealed + b"\0"):
        with pytest.raises(Unsealable):
            SEALS.open("u", b"k", wrong, now=0.0)


@given(
    one=st.tuples(st.text(max_size=5), st.binary(max_size=5)),
    other=st.tuples(st.text(max_size=5), st.binary(max_size=5)),
)
def test_nothing_passes_for_another(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    sealed = SEALS.seal(*one, b"plain", now=0.0, until=9.0)
    if one == other:
        assert SEALS.open(*other, sealed, now=0.0) == b"plain"
    else:
        with pytest.raises(Unsealable):
            SEALS.open(*other, sealed, now=0.0)


def test_the_first_secret_seals_and_all_open() -> None:
    sealed_before = Seals([OLD]).seal("u", b"k", b"v", now=0, until=9)
    assert SEALS.open("u", b"k", sealed_before, now=0) == b"v"
    assert Seals([NEW]).open("u", b"k", SEALS.seal("u", b"k", b"v", now=0, until=9), now=0) == b"v"
    with pytest.raises(Unsealable, match="another secret"):
        Seals([NEW]).open("u", b"k", sealed_before, now=0)
    with pytest.raises(Unsealable, match="another secret"):
        Seals([OTHER]).open("u", b"k", sealed_before, now=0)


def test_no_two_values_look_alike() -> None:
    assert len({SEALS.seal("u", b"k", b"v", now=0, until=9) for _ in range(100)}) == 100


def test_a_secret_of_any_bytes_seals() -> None:
    seals = Seals(["\udcff" * 32])
    assert seals.open("u", b"k", seals.seal("u", b"k", b"v", now=0, until=9), now=0) == b"v"


def test_what_is_shown_of_it_is_no_secret() -> None:
    assert repr(SEALS) == "Seals(2 secrets)"
