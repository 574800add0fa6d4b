"""Where a token may stand beside Authorization: read once, and emptied everywhere."""

from typing import Any

import pytest

from gateway.core.config.credentials import CredentialPlace, Credentials
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import MisplacedToken, MissingCredential, MultipleCredentials, Refusal, TokenTooLarge
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.placed import Place
from gateway.core.token.places import Places, RoutePlaces, named_places, places_of, route_places_of
from gateway.core.trail import Step, Trail
from tests.memory import facts
from tests.signer import issuer

HEADER = CredentialPlace(header="x-access-token")
ALL: Credentials = ("authorization", HEADER)


def places(*credentials: Any) -> Places:
    found = places_of(Config(issuers=(issuer(),), credentials=credentials))
    assert found is not None
    return found


def emptied(*lines: HeaderLine, credentials: Credentials = ALL, **settings: Any) -> Facts:
    return places(*credentials).emptied(facts(None, *lines, **settings))


def chosen(*lines: HeaderLine, credentials: Credentials = ALL, optional: bool = False, **settings: Any) -> Facts:
    """What a route makes of a request, in which every place was emptied; its trail stands where it should."""
    authorization = tuple(value for name, value in lines if name == b"Authorization")
    request = places(*ALL).emptied(facts(None, *lines, **{"authorization": authorization, **settings}))
    route = RoutePlaces(credentials, token_bytes=100, is_optional=optional, dpop=True)
    trail = Trail()
    try:
        found = route.choose(request, trail)
    except Refusal:
        assert trail.step is Step.CREDENTIAL
        raise
    assert trail.step is Step.REQUEST
    return found


def test_nothing_is_emptied_where_no_place_is_named() -> None:
    config = Config(issuers=(issuer(),))
    assert places_of(config) is None
    assert route_places_of(RouteSection(path="/a"), config) is None


def test_a_route_that_reads_nothing_else_has_no_places() -> None:
    config = Config(issuers=(issuer(),), credentials=ALL)
    assert route_places_of(RouteSection(path="/a"), config) is not None
    assert route_places_of(RouteSection(path="/a", access="public"), config) is None
    assert route_places_of(RouteSection(path="/a", credentials=("authorization",)), config) is None


def test_places_of_every_route_are_named_once() -> None:
    routes = (
        RouteSection(path="/a"),
        RouteSection(path="/b", credentials=(CredentialPlace(header="X-ACCESS-TOKEN"),)),
        RouteSection(path="/c", access="public", credentials=(CredentialPlace(header="X-Other"),)),
    )
    named = named_places(Config(issuers=(issuer(),), credentials=("authorization", HEADER), routes=routes))
    assert named == (Place("header", "X-Access-Token"), Place("header", "X-Other"))


def test_a_header_is_emptied_in_every_spelling_and_read_in_one() -> None:
    host = (b"Host", b"api.example.com")
    found = emptied(host, (b"X-ACCESS-token", b"abc"), (b"X_Access_Token", b"def"), (b"x.access.token", b"ghi"))
    assert found.headers == (host,)
    assert [(placed.place.shown, placed.value) for placed in found.placed] == [("X-Access-Token", b"abc")]
    assert (found.method, found.host, found.request_id, found.place) == (
        "GET",
        b"api.example.com",
        "r1",
        "Authorization",
    )


def test_a_request_without_any_is_left_as_it_is() -> None:
    request = facts(b"abc", (b"X-Access-Tokens", b"abc"))
    assert places(*ALL).emptied(request) is request


def test_a_token_is_found_in_its_place() -> None:
    found = chosen((b"X-Access-Token", b"abc"))
    assert (found.authorization, found.place) == ((b"Bearer abc",), "X-Access-Token")
    assert (b"X-Access-Token", b"abc") not in found.headers
    usual = chosen((b"Authorization", b"Bearer abc"))
    assert (usual.authorization, usual.place) == ((b"Bearer abc",), "Authorization")


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ([], MissingCredential),
        ([(b"X_Access_Token", b"abc")], MissingCredential),
        ([(b"X-Access-Token", b"abc"), (b"X-Access-Token", b"abc")], MultipleCredentials),
        ([(b"X-Access-Token", b"abc"), (b"Authorization", b"Bearer abc")], MultipleCredentials),
        ([(b"X-Access-Token", b"abc"), (b"Authorization", b"DPoP abc")], MultipleCredentials),
        ([(b"X-Access-Token", b""), (b"Authorization", b"Bearer abc")], MultipleCredentials),
        ([(b"X-Access-Token", b"")], MisplacedToken),
        ([(b"X-Access-Token", b"Bearer abc")], MisplacedToken),
        ([(b"X-Access-Token", b"abc, abc")], MisplacedToken),
        ([(b"X-Access-Token", b"a\xff")], MisplacedToken),
        ([(b"X-Access-Token", b"a" * 101)], TokenTooLarge),
    ],
)
def test_anything_but_one_token_is_refused(lines: list[HeaderLine], refusal: type[Refusal]) -> None:
    with pytest.raises(Refusal) as caught:
        chosen(*lines)
    assert type(caught.value) is refusal


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer a b", b"Bearer a, Bearer b", b"Bearer " + b"a" * 200, b"DPoP"])
def test_what_authorization_has_must_be_good_whatever_stands_elsewhere(value: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        chosen((b"Authorization", value), (b"X-Access-Token", b"abc"))
    assert not isinstance(caught.value, MissingCredential)


def test_a_login_of_another_scheme_is_no_token() -> None:
    found = chosen((b"Authorization", b"Basic YTpi"), (b"X-Access-Token", b"abc"))
    assert (found.authorization, found.place) == ((b"Bearer abc",), "X-Access-Token")
    # Alone it is told of as on any route.
    assert chosen((b"Authorization", b"Basic YTpi")).authorization == (b"Basic YTpi",)


def test_a_route_reads_the_places_that_it_names() -> None:
    other: Credentials = (CredentialPlace(header="X-Other"),)
    with pytest.raises(MissingCredential) as caught:
        chosen((b"X-Access-Token", b"abc"), (b"Authorization", b"Bearer abc"), credentials=other)
    assert caught.value.evidence == "no credential in X-Other"
    with pytest.raises(MissingCredential) as caught:
        chosen()
    assert caught.value.evidence == "no credential in Authorization, X-Access-Token"


def test_optional_is_no_credential_at_all() -> None:
    assert chosen(optional=True).authorization == ()
    only: Credentials = (HEADER,)
    assert chosen((b"Authorization", b"Bearer abc"), credentials=only, optional=True).authorization == ()
    with pytest.raises(MisplacedToken):
        chosen((b"X-Access-Token", b"a b"), optional=True)
    assert chosen((b"X-Access-Token", b"abc"), optional=True).place == "X-Access-Token"
