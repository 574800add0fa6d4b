"""Matching against a slow reader of the file: every route is looked at, and what it names is listed path by path."""

import itertools
from functools import cache
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import MethodNotAllowed, NoRoute, Refusal
from gateway.core.routing.policy import check_policy
from gateway.core.routing.route import compile_route
from gateway.core.routing.strictness import is_at_least_as_strict
from gateway.core.routing.table import RouteTable
from gateway.core.token.identity import Identity
from gateway.core.token.markers import Verdict
from tests.memory import facts
from tests.signer import issuer

#: no one of them is another one read in another way
LETTERS: Final = ("a", "b", "c")
PATHS: Final = [path for length in range(5) for path in itertools.product(LETTERS, repeat=length)]
HOSTS: Final = (None, "x.test", "one.x.test", "two.one.x.test", "other")
METHODS: Final = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
SCOPES: Final = ("r", "w")


def subsets(*words: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), unique=True, max_size=2).map(tuple)


def written(segments: list[str], *, below: bool) -> str:
    """A path in a configuration; each variable has a name of its own."""
    named = [f"{{v{place}}}" if segment == "*" else segment for place, segment in enumerate(segments)]
    return "/" + "/".join([*named, "*"] if below else named)


ROUTES = st.lists(
    st.builds(
        lambda segments, below, **rest: {"path": written(segments, below=below), **rest},
        st.lists(st.sampled_from(("a", "b", "*")), max_size=3),
        st.booleans(),
        methods=subsets("GET", "POST", "DELETE"),
        hosts=subsets("x.test", "*.x.test", "*.one.x.test"),
        access=st.sampled_from(["token", "token", "optional", "public"]),
        scopes=subsets(*SCOPES),
    ),
    min_size=1,
    max_size=6,
).map(lambda routes: tuple(RouteSection(**{**route, "name": f"r{number}"}) for number, route in enumerate(routes)))
SETTINGS = st.fixed_dictionaries(
    {
        "unmatched": st.sampled_from(["token", "refuse"]),
        "unmatched_methods": st.sampled_from(["refuse", "token", "next"]),
    }
)


@cache
def names_path(pattern: str, path: tuple[str, ...]) -> bool:
    own = [segment for segment in pattern.split("/") if segment]
    below = bool(own) and own[-1] == "*"
    own = own[:-1] if below else own
    if len(path) < len(own) or (len(path) > len(own) and not below):
        return False
    return all(segment.startswith("{") or segment == is_ for segment, is_ in zip(own, path, strict=False))


def names_host(route: RouteSection, host: str | None) -> bool:
    return not route.hosts or any(
        host is not None and (host == name or (name.startswith("*.") and host.endswith(name[1:])))
        for name in route.hosts
    )


def takes(route: RouteSection, method: str) -> bool:
    return not route.methods or method in route.methods or (method == "HEAD" and "GET" in route.methods)


def names_no_more(one: RouteSection, other: RouteSection) -> bool:
    paths = all(names_path(other.path, path) for path in PATHS if names_path(one.path, path))
    return paths and all(names_host(other, host) for host in HOSTS if names_host(one, host))


def demands_as_much(one: RouteSection, other: RouteSection) -> bool:
    order = ["public", "optional", "token"]
    return order.index(one.access) >= order.index(other.access) and set(one.scopes) >= set(other.scopes)


def slowly(config: Config, path: tuple[str, ...], method: str, host: str | None) -> str:
    fitting = [route for route in config.routes if names_path(route.path, path) and names_host(route, host)]
    for place, route in enumerate(fitting):
        if not takes(route, method):
            continue
        passed = [other for other in fitting[:place] if not takes(other, method)]
        if config.unmatched_methods == "next" or all(
            names_no_more(route, other) or demands_as_much(route, other) for other in passed
        ):
            return str(route.name)
    if fitting and config.unmatched_methods != "token":
        return MethodNotAllowed.reason
    return "default" if fitting or config.unmatched == "token" else NoRoute.reason


def allowed(config: Config, path: tuple[str, ...], host: str | None) -> list[str]:
    return sorted(method for method in (*METHODS, "PUT") if slowly(config, path, method, host).startswith("r"))


@given(ROUTES, SETTINGS, st.data())
def test_matching_is_what_a_slow_reader_of_the_file_does(
    routes: tuple[RouteSection, ...], settings: dict[str, Any], data: st.DataObject
) -> None:
    config = Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=routes, **settings)
    table = RouteTable(config)
    requests = st.tuples(st.sampled_from(PATHS), st.sampled_from(METHODS), st.sampled_from(HOSTS))
    for path, method, host in data.draw(st.lists(requests, min_size=1, max_size=20)):
        request = facts(
            target=("/" + "/".join(path)).encode(), method=method, host=None if host is None else host.encode()
        )
        expected = slowly(config, path, method, host)
        refusal: Refusal | None = None
        try:
            found = table.match(request).name
        except Refusal as caught:
            refusal, found = caught, caught.reason
        assert found == expected
        if isinstance(refusal, MethodNotAllowed):
            assert list(refusal.allow) == allowed(config, path, host)
        # What explain says passes over the same routes.
        names = [str(route.name) for route in routes]
        passed_over = [name for name, _ in table.passed_over(request)]
        assert passed_over == (names[: names.index(found)] if found in names else names)


@given(st.data())
def test_what_demands_as_much_lets_nobody_in_that_the_other_refuses(data: st.DataObject) -> None:
    policies = st.builds(
        RouteSection,
        path=st.just("/*"),
        scopes=subsets(*SCOPES),
        any_scope=subsets(*SCOPES, "x"),
        claims=st.dictionaries(st.sampled_from("ab"), st.lists(st.sampled_from([1, True, "x", 0]), min_size=1).map(tuple), max_size=2),
        clients=subsets("app", "batch"),
        issuers=subsets("local", "other"),
    )  # fmt: skip
    one, other = (compile_route(data.draw(policies)) for _ in range(2))
    who = Identity(
        issuer=data.draw(st.sampled_from(["local", "other", "third"])),
        subject="alice",
        client=data.draw(st.sampled_from(["app", "batch", None])),
        scopes=data.draw(subsets(*SCOPES, "x")),
        claims=data.draw(st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, True, "x", 0, [1, "x"]]))),
        expires_at=1.0,
        not_before=None,
        leeway=0.0,
        key="k",
        verdict=Verdict("access", ""),
        token_id="",
        headers=(),
    )

    def passes(route: Any) -> bool:
        try:
            check_policy(route, who)
        except Refusal:
            return False
        return True

    if is_at_least_as_strict(one, other) and passes(one):
        assert passes(other)
