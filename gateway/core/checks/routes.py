"""Which routes make sense: each by itself, against the names it uses, and against the routes before it.

Knows nothing of requests; what a path means is asked of `routing`.
"""

import re
from collections.abc import Iterator

from gateway.core.checks.hosts import hosts_problems
from gateway.core.checks.route_paths import path_problems
from gateway.core.claims import is_pointer
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import distinct_issuers, issuer_name
from gateway.core.config.keys_of import AskedKeys
from gateway.core.config.routes import RouteSection, route_name
from gateway.core.config.words import ConfigProblem, did_you_mean, joined, may_be_shown, named
from gateway.core.errors import AmbiguousPath, UriTooLong
from gateway.core.http.hosts import is_host_within, names_all_hosts, plain_host
from gateway.core.routing.pattern import Covering, parse_pattern, variables_of
from gateway.core.routing.table import DEFAULT_NAME

#: RFC 6749 section 3.3: scope-token
_SCOPE = re.compile(r"[!#-\[\]-~]+")
#: RFC 9110 section 5.6.2, as methods are written
_METHOD = re.compile(r"[A-Z][A-Z-]*")
#: characters of a name: it is a label of metrics
MAX_NAME = 128
#: what is said of a scope that is none; roles of providers may have any characters
_NO_SCOPE = (
    "must be one scope: printable ASCII, not empty, without blanks, quotes and backslashes (RFC 6749 section 3.3); "
    "claims can ask for a role of any spelling"
)
_UNREACHED = "is never reached: {} comes first and takes all of it"
#: what a route may ask of a token, beside that there is one
_ASKED = ("scopes", "any_scope", "claims", "where", "clients", "issuers", "audience", "acr", "max_age", "condition")
#: methods that never reach a route
_NEVER = {"CONNECT", "TRACE"}


def route_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong with `routes`, route by route."""
    if len(config.routes) > config.limits.routes:
        yield ConfigProblem("routes", f"are {len(config.routes)}, and limits.routes is {config.limits.routes}")
    names: dict[str, str] = {}
    for index, route in enumerate(config.routes):
        path = joined("routes", index)
        for key, sentence in _own_problems(route, config):
            yield ConfigProblem(f"{path}.{key}", sentence)
        name = route_name(route)
        if route.name is not None and names.setdefault(name, path) != path:
            yield ConfigProblem(joined(path, "name"), f"must differ: {names[name]} is called so as well")
        names.setdefault(name, path)


def route_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What is unsafe in `routes`, or has no effect."""
    kept = {name for name, upstream in upstreams_of(config).items() if upstream.authorization == "keep"}
    for index, route in enumerate(config.routes):
        path = joined("routes", index)
        if route.mode == "report":
            also = "" if route.upstream in kept else "; the API does not see the token to judge it itself"
            yield ConfigProblem(joined(path, "mode"), f"is unsafe: would-be refusals pass, and are only counted{also}")
        if route.access == "public":
            yield ConfigProblem(joined(path, "access"), "is public: anybody may call it")
        elif route.access == "optional":
            yield ConfigProblem(joined(path, "access"), _optional_words(route))
    yield from order_warnings(config)
    yield from scope_warnings(config)
    if config.pass_override_headers and config.routes:
        yield ConfigProblem("pass_override_headers", "is unsafe: a client may change the method behind the gateway")
    if config.unmatched_methods == "next" and config.routes:
        sentence = "is unsafe: a method that a route does not name goes to a wider one that may demand less"
        yield ConfigProblem("unmatched_methods", sentence)
    if config.ambiguous_paths == "allow" and config.routes:
        yield ConfigProblem("ambiguous_paths", "is unsafe: a path may be read differently behind the gateway")
    paths = named("upstreams", config.upstreams)
    for name in sorted(kept):
        yield ConfigProblem(joined(paths[name], "authorization"), "is unsafe: the API gets the token")


def _optional_words(route: RouteSection) -> str:
    """What is open, and what its policy still holds for."""
    asked = [key for key in _ASKED if getattr(route, key)]
    narrowed = f"; only whoever shows one is asked for {', '.join(asked)}" if asked else ""
    return f"is optional: anybody may call it without a token{narrowed}"


def scope_warnings(config: Config) -> Iterator[ConfigProblem]:
    """Routes by whose scopes somebody gets in to whom another issuer gave them, who registers clients more freely."""
    closed = [issuer_name(issuer) for issuer in config.issuers if issuer.clients]
    open_ = [issuer_name(issuer) for issuer in config.issuers if not issuer.clients]
    if not closed or not open_:
        return
    for index, route in enumerate(config.routes):
        key = "scopes" if route.scopes else "any_scope" if route.any_scope else None
        if key is not None and route.access != "public" and not (route.issuers or route.clients):
            sentence = (
                f"count from every issuer: {closed[0]} has a list of clients, and {open_[0]} none, so any client that "
                "it registers may have them; name issuers"
            )
            yield ConfigProblem(joined(joined("routes", index), key), sentence)


def order_warnings(config: Config) -> Iterator[ConfigProblem]:
    """Routes that the ones before them take all of, and protected ones that a public one takes something of."""
    ignore_case = config.path_case == "insensitive"
    earlier = Covering()
    for index, route in enumerate(config.routes):
        try:
            own = parse_pattern(route.path, ignore_case=ignore_case)
        except (AmbiguousPath, UriTooLong):
            continue
        for first, pattern in earlier.find(own):
            if (sentence := _shadow(config.routes[first], route, same_path=pattern == own)) is not None:
                where = f"{joined('routes', first)} ({route_name(config.routes[first])})"
                yield ConfigProblem(joined("routes", index), sentence.format(where))
                break
        earlier.add(index, own)


def _shadow(first: RouteSection, later: RouteSection, *, same_path: bool) -> str | None:
    """What `first` does to a later route whose paths it takes, or None: nothing, or what was plainly meant."""
    opens = first.access != "token" and later.access == "token"
    if _has_all(_methods(first), _methods(later)) and names_all_hosts(first.hosts, later.hosts):
        return f"is not protected: {{}} comes first and is {first.access}" if opens else _UNREACHED
    if (
        opens
        and not same_path
        and _has_some(_methods(first), _methods(later))
        and _has_some_hosts(first.hosts, later.hosts)
    ):
        return f"is not protected for some methods or hosts: {{}} comes first and is {first.access}"
    return None


def _methods(route: RouteSection) -> frozenset[str]:
    return frozenset(route.methods) | ({"HEAD"} if "GET" in route.methods else frozenset())


def _has_some_hosts(hosts: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether some host is named by both; none at all stand for every host."""
    pairs = [(plain_host(one), plain_host(other)) for one in hosts for other in others]
    return not hosts or not others or any(is_host_within(*pair) or is_host_within(*reversed(pair)) for pair in pairs)


def _has_all(words: frozenset[str], others: frozenset[str]) -> bool:
    """Whether `words` include the others; none at all stand for every word."""
    return not words or (bool(others) and words >= others)


def _has_some(words: frozenset[str], others: frozenset[str]) -> bool:
    return not words or not others or not words.isdisjoint(others)


def _own_problems(route: RouteSection, config: Config) -> Iterator[tuple[str, str]]:
    yield from path_problems(route, ignore_case=config.path_case == "insensitive")
    yield from _word_problems(route)
    yield from _asked_problems(route)
    yield from _name_problems(route, config)


def _word_problems(route: RouteSection) -> Iterator[tuple[str, str]]:
    for index, method in enumerate(route.methods):
        if method in _NEVER:
            yield joined("methods", index), f"cannot have {method}: the gateway refuses it everywhere"
        elif _METHOD.fullmatch(method) is None:
            yield joined("methods", index), "must be a method in capital letters, such as GET"
    yield from hosts_problems(route.hosts)
    if route.name is not None and (not 1 <= len(route.name) <= MAX_NAME or not route.name.isprintable()):
        yield "name", f"must have 1 to {MAX_NAME} printable characters"
    if route.name in {DEFAULT_NAME, "-"}:
        yield "name", "is taken: metrics use it for requests without a route"
    if route.timeout is not None and route.timeout <= 0:
        yield "timeout", "must be more than 0"


def _asked_problems(route: RouteSection) -> Iterator[tuple[str, str]]:
    for key, scopes in (("scopes", route.scopes), ("any_scope", route.any_scope)):
        for index, scope in enumerate(scopes):
            if _SCOPE.fullmatch(scope) is None:
                yield joined(key, index), _NO_SCOPE
    paths = named("claims", route.claims)
    keyed: dict[str, str] = {}
    for name, values in route.claims.items():
        if isinstance(values, AskedKeys):
            yield from _keys_problems(values, paths[name], keyed)
            continue
        if not name or (name.startswith("/") and not is_pointer(name)):
            yield paths[name], "is not the name of a claim, and no valid JSON Pointer"
        if values == ():
            yield paths[name], "must have at least one value"
    yield from _where_problems(route)
    asked = [key for key in _ASKED if getattr(route, key)]
    if route.access == "public" and asked:
        yield asked[0], "has no effect on a public route: remove it, or access: public"


def _keys_problems(asked: AskedKeys, path: str, known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Of one `keys_of`. `known`: objects that were named before, and where."""
    if not asked.keys_of or (asked.keys_of.startswith("/") and not is_pointer(asked.keys_of)):
        yield f"{path}.keys_of", "is not the name of a claim, and no valid JSON Pointer"
    elif asked.keys_of in known:
        yield f"{path}.keys_of", f"is that of {known[asked.keys_of]} again; one of them must go"
    if asked.one_of in ((), ""):
        yield f"{path}.one_of", "must have at least one name"
    known.setdefault(asked.keys_of, path)


def _where_problems(route: RouteSection) -> Iterator[tuple[str, str]]:
    paths, variables = named("where", route.where), variables_of(route.path)
    for name, claim in route.where.items():
        if name not in variables:
            hint = did_you_mean(name, variables) or f": write {{{name}}} as a segment of path" * may_be_shown(name)
            yield paths[name], f"is no variable of path{hint}"
        if not claim or (claim.startswith("/") and not is_pointer(claim)):
            yield paths[name], "must be the name of a claim, a JSON Pointer, subject or client"


def _issuer_meant(name: str, issuers: list[str], config: Config) -> str:
    """Which name was meant: a near one, or that of the issuer to which an entry of this name only adds keys."""
    further = next((issuer for issuer in config.issuers if issuer_name(issuer) == name), None)
    if further is None:
        return did_you_mean(name, issuers)
    first = next(issuer for issuer in config.issuers if issuer.issuer == further.issuer)
    meant = issuer_name(first)
    return f" but of further keys of {meant}, as its tokens are called (did you mean {meant}?)"


def _name_problems(route: RouteSection, config: Config) -> Iterator[tuple[str, str]]:
    upstreams = upstreams_of(config)
    # Without any that is told once, not of each route.
    if upstreams and route.upstream not in upstreams:
        yield "upstream", f"is not one of the upstreams{did_you_mean(route.upstream, upstreams)}"
    issuers = [issuer_name(issuer) for issuer in distinct_issuers(config.issuers)]
    for index, name in enumerate(route.issuers):
        if name not in issuers:
            yield joined("issuers", index), f"is not the name of an issuer{_issuer_meant(name, issuers, config)}"
    for key, words in (("clients", route.clients), ("methods", route.methods), ("scopes", route.scopes)):
        for index, word in enumerate(words):
            if word in words[:index]:
                yield joined(key, index), f"is {joined(key, words.index(word))} again"
