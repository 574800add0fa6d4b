"""Whoever reads a path in another way reaches no handler that the route it took is laxer than."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import AmbiguousPath, MethodNotAllowed, NoRoute, Refusal
from gateway.core.routing.route import Route
from gateway.core.routing.strictness import is_at_least_as_strict
from gateway.core.routing.table import RouteTable
from tests.memory import facts
from tests.signer import issuer

LITERALS: Final = ("admin", "users", "a b", "stra\u00dfe")
#: what clients may send in their place, and what else there is
SENT: Final = (
    "admin", "Admin", "ADMIN", "adm\u0131n", "adm\u0130n", "admin.", "admin ", "Admin. .", "admin?", "admin#x", "ADMIN.?x",
    "users", "u\u017fers", "Users+", "users?admin", "a b", "a+b", "A+B ", "STRASSE", "stra\u1e9ee.", "x", "X.", "7", "?", "#a", " ", "...", "+.", "x?",
)  # fmt: skip

ROUTES = st.lists(
    st.builds(
        lambda segments, below, **rest: {
            "path": "/" + "/".join([*(f"{{v{n}}}" if own == "*" else quote(own) for n, own in enumerate(segments)), *["*"] * below]),
            **rest,
        },
        st.lists(st.sampled_from((*LITERALS, "*")), max_size=3),
        st.booleans(),
        methods=st.sampled_from([(), (), ("GET",), ("POST",)]),
        access=st.sampled_from(["token", "public"]),
        scopes=st.sampled_from([(), ("r",), ("r", "w")]),
        upstream=st.sampled_from(["default", "default", "other"]),
    ),
    min_size=1,
    max_size=6,
).map(lambda routes: tuple(RouteSection(**{**route, "name": f"r{number}"}) for number, route in enumerate(routes)))  # fmt: skip
Text = Callable[[str], str]
FOLDS: Final[tuple[Text, ...]] = (
    str,
    str.lower,
    str.upper,
    str.casefold,
    lambda text: text.upper().lower(),
    # Simple lower case maps one character to one.
    lambda text: "".join(char.lower()[0] for char in text),
)
ENDS: Final[tuple[Text, ...]] = (str, str.rstrip, lambda text: text.rstrip("."), lambda text: text.rstrip(" ."))
BLANKS: Final[tuple[Text, ...]] = (str, lambda text: text.replace("+", " "))


def readings(segments: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths that a reader may make of one, with the literals of the file where it takes a segment for one."""
    path = "/".join(segments)
    for mark, fold, end, blank in itertools.product(("", "?", "#"), FOLDS, ENDS, BLANKS):
        cut = path.partition(mark)[0] if mark else path
        read = [end(blank(segment)) for segment in cut.split("/")]
        known = {fold(literal): literal for literal in LITERALS}
        yield tuple(known.get(fold(segment), segment) for segment in read if segment)


def taken(table: RouteTable, segments: tuple[str, ...], method: str) -> Route | Refusal:
    target = "/" + "/".join(quote(segment, safe="+") for segment in segments)
    try:
        return table.match(facts(target=target.encode(), method=method))
    except (AmbiguousPath, MethodNotAllowed, NoRoute) as refusal:
        return refusal


@given(
    ROUTES,
    st.fixed_dictionaries(
        {"unmatched": st.sampled_from(["token", "refuse"]), "unmatched_methods": st.sampled_from(["refuse", "token"])}
    ),
    st.lists(st.sampled_from(SENT), max_size=4).map(tuple),
    st.sampled_from(["GET", "POST"]),
)
def test_no_reader_reaches_a_handler_that_asks_for_more(
    routes: tuple[RouteSection, ...], settings: dict[str, Any], segments: tuple[str, ...], method: str
) -> None:
    upstreams = {name: UpstreamSection(url=f"http://{name}") for name in ("default", "other")}
    table = RouteTable(Config(upstreams=upstreams, issuers=(issuer(),), routes=routes, **settings))
    route = taken(table, segments, method)
    if isinstance(route, Refusal):
        return
    for read in set(readings(segments)):
        meant = taken(table, read, method)
        if isinstance(meant, Route):
            assert meant.upstream == route.upstream
            assert is_at_least_as_strict(route, meant)
        else:
            # One that is itself read in several ways says nothing of this one.
            assert isinstance(meant, AmbiguousPath)


@given(
    ROUTES, st.lists(st.sampled_from((*LITERALS, "x", "7", "y-z", "Logo.PNG", "a_b", "100%")), max_size=4).map(tuple)
)
def test_a_path_that_nobody_reads_otherwise_is_never_ambiguous(
    routes: tuple[RouteSection, ...], segments: tuple[str, ...]
) -> None:
    upstreams = {name: UpstreamSection(url=f"http://{name}") for name in ("default", "other")}
    table = RouteTable(Config(upstreams=upstreams, issuers=(issuer(),), routes=routes))
    assert not isinstance(taken(table, segments, "GET"), AmbiguousPath)
