from gateway.core.http.placed import Place, Placed


def test_a_place_is_known_by_kind_and_name() -> None:
    place = Place("header", "X-Access-Token")
    assert place == Place("header", "X-Access-Token")
    assert place not in {Place("cookie", "X-Access-Token"), Place("header", "X-Other")}
    assert place != "X-Access-Token"


def test_a_place_has_a_name_for_people() -> None:
    assert repr(Place("header", "X-Access-Token")) == "X-Access-Token"
    assert Place("query", "access_token").shown == "query access_token"


def test_what_stood_there_is_never_shown() -> None:
    place = Place("cookie", "__Host-token")
    assert repr(Placed(place, b"geheim")) == "Placed(cookie __Host-token)"
    assert repr(Placed(place, b"geheim", wrong="is odd")) == "Placed(cookie __Host-token, wrong)"
