"""Where a token may stand beside Authorization: read once, and emptied everywhere."""

from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.core.config.credentials import CredentialPlace, Credentials
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import (
    MisplacedToken,
    MissingCredential,
    MissingElsewhere,
    MultipleCredentials,
    Refusal,
    TokenTooLarge,
)
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.placed import Place
from gateway.core.token.places import Places, RoutePlaces, cross_site_of, named_places, places_of, route_places_of
from gateway.core.trail import Step, Trail
from tests.memory import facts
from tests.signer import issuer

HEADER = CredentialPlace(header="x-access-token")
PROTOCOL = CredentialPlace(websocket="bearer")
QUERY = CredentialPlace(query="access_token")
COOKIE = CredentialPlace(cookie="__Host-token")
ALL: Credentials = ("authorization", HEADER, PROTOCOL, QUERY, COOKIE)


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
    # It did send Authorization: it is not told to.
    assert isinstance(caught.value, MissingElsewhere)
    assert "elsewhere than in the Authorization header" in caught.value.public
    with pytest.raises(MissingCredential) as caught:
        chosen()
    assert not isinstance(caught.value, MissingElsewhere)
    assert caught.value.evidence == (
        "no credential in Authorization, X-Access-Token, cookie __Host-token, query access_token, websocket bearer"
    )


def test_optional_is_no_credential_at_all() -> None:
    assert chosen(optional=True).authorization == ()
    only: Credentials = (HEADER,)
    assert chosen((b"Authorization", b"Bearer abc"), credentials=only, optional=True).authorization == ()
    with pytest.raises(MisplacedToken):
        chosen((b"X-Access-Token", b"a b"), optional=True)
    assert chosen((b"X-Access-Token", b"abc"), optional=True).place == "X-Access-Token"


SOME: list[tuple[HeaderLine, dict[str, Any]]] = [
    ((b"X-Access-Token", b"abc"), {}),
    ((b"Sec-WebSocket-Protocol", b"bearer, abc"), {"is_websocket": True}),
    ((b"Cookie", b"__Host-token=abc"), {}),
    ((b"Accept", b"*/*"), {"target": b"/orders?access_token=abc"}),
]


@pytest.mark.parametrize(("line", "settings"), SOME)
def test_a_token_is_found_wherever_it_may_stand(line: HeaderLine, settings: dict[str, Any]) -> None:
    found = chosen(line, **settings)
    assert found.authorization == (b"Bearer abc",)
    assert found.target == b"/orders"
    assert b"abc" not in b"".join(value for _, value in found.headers)
    assert found.is_ambient == (line[0] == b"Cookie")


def test_a_cookie_counts_where_nothing_else_stands() -> None:
    cookie = (b"Cookie", b"__Host-token=abc; a=1")
    found = chosen(cookie, (b"X-Access-Token", b"def"))
    assert (found.authorization, found.headers) == ((b"Bearer def",), ((b"Cookie", b"a=1"),))
    assert chosen(cookie, (b"Authorization", b"Bearer ghi")).authorization == (b"Bearer ghi",)
    assert chosen(cookie, (b"Authorization", b"Basic YTpi")).authorization == (b"Bearer abc",)
    with pytest.raises(MultipleCredentials):
        chosen(cookie, cookie)
    with pytest.raises(MisplacedToken):
        chosen((b"Cookie", b"__Host-token="))


def test_protocols_are_emptied_on_every_line_and_others_stay() -> None:
    lines = ((b"Sec-WebSocket-Protocol", b"bearer"), (b"A", b"b"), (b"sec-websocket-protocol", b"abc, chat, x"))
    found = emptied(*lines, is_websocket=True)
    assert found.headers == ((b"Sec-WebSocket-Protocol", b"chat, x"), (b"A", b"b"))
    assert found.placed[0].offer == ((b"chat", b"x"), b"bearer")
    request = facts(None, (b"Sec-WebSocket-Protocol", b"chat ,x"), is_websocket=True)
    assert places(*ALL).emptied(request) is request
    with pytest.raises(MisplacedToken, match="no WebSocket"):
        chosen((b"Sec-WebSocket-Protocol", b"bearer, abc"))
    # A proxy that asks need not tell of an upgrade.
    assert chosen((b"Sec-WebSocket-Protocol", b"bearer, abc"), is_question=True).place == "websocket bearer"


def test_a_query_is_for_requests_that_change_nothing() -> None:
    assert chosen(target=b"/a?access_token=abc", method="HEAD").place == "query access_token"
    with pytest.raises(MisplacedToken, match="GET and HEAD only"):
        chosen(target=b"/a?access_token=abc", method="POST")


def test_headers_that_tell_a_target_again_are_emptied_too() -> None:
    lines = ((b"X-Forwarded-Uri", b"/a?access_token=abc&b"), (b"Referer", b"https://h/?access%5Ftoken=abc"))
    found = emptied(*lines)
    assert found.headers == ((b"X-Forwarded-Uri", b"/a?b"), (b"Referer", b"https://h/"))
    assert found.placed == ()


def test_what_only_a_proxy_could_empty_is_told() -> None:
    watched = places(PROTOCOL, QUERY, COOKIE)
    assert watched.has_any(facts(None, (b"Cookie", b"__Host-token=abc")))
    assert watched.has_any(facts(None, (b"Cookie", b"__host-token=abc")))
    assert watched.has_any(facts(None, target=b"/?access%5Ftoken=abc"))
    assert not watched.has_any(facts(b"abc", (b"Cookie", b"a=1"), (b"Referer", b"/?access_token=abc")))


def test_who_made_a_request_is_asked_where_a_cookie_may_have_a_token() -> None:
    assert cross_site_of(Config(issuers=(issuer(),), credentials=("authorization", QUERY))) is None
    assert cross_site_of(Config(issuers=(issuer(),), credentials=("authorization", COOKIE))) is not None


VALUES = st.binary(max_size=12) | st.sampled_from(
    [b"abc", b"Bearer abc", b"bearer, abc", b"__Host-token=abc", b"DPoP x"]
)
LINES = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Authorization", b"X-Access-Token", b"X_Access_Token", b"Cookie", b"Sec-WebSocket-Protocol", b"Referer"]
        ),
        VALUES,
    ),
    max_size=5,
)
TARGETS = st.sampled_from([b"/a", b"/a?access_token=abc", b"/a?access_token", b"/a?access%5Ftoken=abc&b", b"*"])


def outcome(lines: list[HeaderLine], target: bytes, *, is_websocket: bool) -> type[Refusal] | bytes:
    try:
        found = chosen(*lines, target=target, is_websocket=is_websocket)
    except Refusal as refusal:
        return type(refusal)
    return b" ".join(found.authorization)


@given(lines=LINES, target=TARGETS, is_websocket=st.booleans())
def test_any_bytes_in_any_place_are_one_token_or_refused(
    lines: list[HeaderLine], target: bytes, *, is_websocket: bool
) -> None:
    found = outcome(lines, target, is_websocket=is_websocket)
    assert isinstance(found, bytes | type)


@example(
    lines=[(b"Cookie", b"__Host-token=abc"), (b"Cookie", b"__Host-token=abc")],
    target=b"/a",
    is_websocket=False,
    more=(b"Authorization", b"Bearer abc"),
)
@given(
    lines=LINES,
    target=TARGETS,
    is_websocket=st.booleans(),
    more=st.sampled_from(
        [
            (b"Authorization", b"Bearer abc"),
            (b"X-Access-Token", b"abc"),
            (b"Cookie", b"__Host-token=abc"),
            (b"Sec-WebSocket-Protocol", b"bearer, abc"),
        ]
    ),
)
def test_a_further_place_never_helps_what_was_refused_in_another(
    lines: list[HeaderLine], target: bytes, *, is_websocket: bool, more: HeaderLine
) -> None:
    assume(more[0] not in {name for name, _ in lines})
    found = outcome(lines, target, is_websocket=is_websocket)
    again = outcome([*lines, more], target, is_websocket=is_websocket)
    if isinstance(found, type):
        others = outcome([line for line in lines if line[0] != b"Cookie"], target, is_websocket=is_websocket)
        # Cookies give way unread, those that would have been refused as well.
        only_cookies = isinstance(others, type) and issubclass(others, MissingCredential) and more[0] != b"Cookie"
        assert isinstance(again, type) or issubclass(found, MissingCredential) or only_cookies
    elif isinstance(again, bytes) and again != found:
        # What was there was no token of ours, or in a cookie, which gives way.
        assert not found.startswith((b"Bearer", b"DPoP")) or any(name == b"Cookie" for name, _ in lines)
