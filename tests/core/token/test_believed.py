"""The ground that a response is."""

from gateway.core.token.believed import Believed, believe
from gateway.core.token.introspected import IntrospectionResponse


def test_it_shows_how_long_it_holds_and_never_the_token() -> None:
    believed = Believed(b"sesame", asked_at=1.0, until=61.0, renewed_at=49.0, size=9)
    assert repr(believed) == "Believed(until 61)"
    assert (believed.token, believed.asked_at, believed.renewed_at, believed.size) == (b"sesame", 1.0, 49.0, 9)


def test_a_response_is_renewed_in_the_last_fifth_of_its_life() -> None:
    response = IntrospectionResponse({}, asked_at=100.0, until=160.0, size=7)
    believed = believe(b"sesame", response)
    assert (believed.asked_at, believed.renewed_at, believed.until) == (100.0, 148.0, 160.0)
    assert (believed.size, believed.is_end, believe(b"sesame", response, is_end=True).is_end) == (7, False, True)
