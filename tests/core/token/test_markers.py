"""The table of markers is fit to be looked things up in."""

import pytest

from gateway.core.errors import IdToken, RefreshToken
from gateway.core.token.markers import (
    ACCESS,
    HEADER,
    HINT,
    ID,
    LOGOUT,
    MARKERS,
    OTHER,
    PAYLOAD,
    REFRESH,
    Marker,
    each,
    words,
)


@pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: f"{marker.kind}-{marker.name}")
def test_a_marker_says_where_it_was_read(marker: Marker) -> None:
    assert marker.source.isascii()
    assert len(marker.source) > len("RFC 0000")
    assert marker.where in {HEADER, PAYLOAD}
    assert marker.kind in {ID, REFRESH, LOGOUT, OTHER, ACCESS, HINT}


@pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: f"{marker.kind}-{marker.name}")
def test_words_are_in_the_case_they_are_compared_in(marker: Marker) -> None:
    if isinstance(marker.expected, frozenset):
        assert marker.expected == {word.lower() for word in marker.expected}


def test_no_marker_stands_twice() -> None:
    keys = [(m.kind, m.where, m.name, m.expected, m.beside, m.without) for m in MARKERS]
    assert len(keys) == len(set(keys))


def test_words_that_providers_share_with_us_are_read_as_the_providers_spell_them() -> None:
    values = {marker.name: marker.expected for marker in MARKERS if marker.kind == ID}
    assert "id_token" in words(IdToken.reason)
    assert values["tokenName"] == words("id", "id-token", "id_token")
    assert words(RefreshToken.reason) == {"refresh_token"}


def test_each_gives_the_same_evidence_under_every_name() -> None:
    assert [marker.name for marker in each(ID, ("a", "b"), words("X"), "somewhere")] == ["a", "b"]
