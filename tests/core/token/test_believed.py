"""The ground that a response is."""

from gateway.core.token.believed import Believed


def test_it_shows_how_long_it_holds_and_never_the_token() -> None:
    believed = Believed(b"sesame", asked_at=1.0, until=61.0, renewed_at=49.0, size=9)
    assert repr(believed) == "Believed(until 61)"
    assert (believed.token, believed.asked_at, believed.renewed_at, believed.size) == (b"sesame", 1.0, 49.0, 9)
