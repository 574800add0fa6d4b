"""Whom a changed configuration lets in that the one before did not: what becomes public, weaker or unguarded.

Routes are asked with one request of each path that either file names, as the table that serves would be.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway.core.checks.lax import laxity
from gateway.core.config.file import Config, bad_tokens_of, upstreams_of
from gateway.core.config.issuers import Issuer, audiences_of, issuer_name
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.config.words import ConfigProblem, joined, named
from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts
from gateway.core.routing.route import Route
from gateway.core.routing.table import RouteTable

#: methods with which a route that names none is asked
_METHODS: Final = ("GET", "POST")
#: stands for a variable, and for what is below
_SAMPLE: Final = "1"
#: a host that no file names
_STRANGER: Final = "other.invalid"
Tenants = tuple[str, ...] | str | None

#: from the strictest on
_BINDINGS: Final = ("bound", "any")
_CERTIFICATES: Final = ("required", "optional", "none")


def opened(before: Config, after: Config) -> list[ConfigProblem]:
    """What ought to be known of `after`, in the order of the reference: where, and what it lets happen from now on."""
    return [*_of_issuers(before, after), *_of_keys(before, after), *_of_routes(before, after)]


def _of_issuers(before: Config, after: Config) -> Iterator[ConfigProblem]:
    known: dict[str, Issuer] = {}
    for issuer in before.issuers:
        known.setdefault(issuer_name(issuer), issuer)
    for index, issuer in enumerate(after.issuers):
        path, name = joined("issuers", index), issuer_name(issuer)
        old = known.get(name)
        if old is None or old.issuer != issuer.issuer:
            yield ConfigProblem(path, f"its tokens are accepted from now on ({name})")
            continue
        for key, is_weaker in _ISSUER.items():
            if is_weaker(old, issuer):
                yield ConfigProblem(joined(path, key), f"is weaker than it was ({name})")


def _grows(of: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    """Of a set: there is a member that was not there."""
    return lambda before, after: not set(of(after)) <= set(of(before))


def _widens(of: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    """The same of a set that stands for everything when it is empty."""
    return lambda before, after: bool(of(before)) and (not of(after) or not set(of(after)) <= set(of(before)))


def _turns_on(key: str) -> Callable[[Any, Any], bool]:
    return lambda before, after: bool(getattr(after, key)) and not getattr(before, key)


def _turns_off(key: str) -> Callable[[Any, Any], bool]:
    return lambda before, after: bool(getattr(before, key)) and not getattr(after, key)


def _lengthens(key: str) -> Callable[[Any, Any], bool]:
    """Of a bound; None is none."""

    def is_longer(before: Any, after: Any) -> bool:
        old, new = getattr(before, key), getattr(after, key)
        return old is not None and (new is None or new > old)

    return is_longer


def _loosens(key: str, order: tuple[Any, ...]) -> Callable[[Any, Any], bool]:
    """Of a choice; `order`: the strictest first, and all that is not named before them."""

    def rank(section: Any) -> int:
        value = getattr(section, key)
        return order.index(value) if value in order else -1

    return lambda before, after: rank(after) > rank(before)


def _has_more_tenants(before: Tenants, after: Tenants) -> bool:
    if before == "any" or after is None:
        return False
    return after == "any" or not set(after) <= set(before or ())


def _has_fewer_rates(before: Config, after: Config) -> bool:
    """One is gone, or lets more through than it did."""
    now = {rate.name: rate for rate in after.rates}
    return any(
        rate.name not in now or now[rate.name].limit / now[rate.name].window > rate.limit / rate.window
        for rate in before.rates
    )


def _within(key: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """The same of a section at this path, where both have one."""

    def compared(before: Any, after: Any) -> bool:
        for name in key.split("."):
            before, after = getattr(before, name), getattr(after, name)
            if before is None or after is None:
                return False
        return compare(before, after)

    return compared


#: by key of an issuer
_ISSUER: Final[Mapping[str, Callable[[Issuer, Issuer], bool]]] = {
    "audience": _grows(audiences_of),
    "tenants": lambda before, after: _has_more_tenants(before.tenants, after.tenants),
    "algorithms": _grows(lambda issuer: issuer.algorithms),
    "leeway": _lengthens("leeway"),
    "max_lifetime": _lengthens("max_lifetime"),
    "require_typ": _turns_off("require_typ"),
    "allow_unclassified": _turns_on("allow_unclassified"),
    "clients": _widens(lambda issuer: issuer.clients),
    "jwks_max_stale": _lengthens("jwks_max_stale"),
    "allow_http": _turns_on("allow_http"),
    "binding": _loosens("binding", _BINDINGS),
    "introspection": _turns_off("introspection"),
}
#: by path of a key of the file
_KEYS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "tls.client_certificates": _within("tls", _loosens("client_certificates", _CERTIFICATES)),
    "tls.min_version": _within("tls", _loosens("min_version", ("1.3", "1.2"))),
    "hosts": _widens(lambda config: config.hosts),
    "decisions_sources": _loosens("decisions_sources", ("headers", "all")),
    "unmatched": _loosens("unmatched", ("refuse", "token")),
    "unmatched_methods": _loosens("unmatched_methods", ("refuse", "token", "next")),
    "ambiguous_paths": _loosens("ambiguous_paths", ("refuse", "allow")),
    "pass_override_headers": _turns_on("pass_override_headers"),
    "trusted_proxies": _grows(lambda config: config.trusted_proxies),
    "limits.body_bytes": _within("limits", _lengthens("body_bytes")),
    "log.subject": _within("log", _loosens("subject", ("off", "hashed", "plain"))),
    "assertion": _turns_off("assertion"),
    "credentials": _grows(lambda config: map(repr, config.credentials)),
    "store.on_failure.replay": _within("store.on_failure", _loosens("replay", ("closed", "local"))),
    "store.on_failure.revocation": _within("store.on_failure", _loosens("revocation", ("closed", "local"))),
    "store.on_failure.rates": _within("store.on_failure", _loosens("rates", ("closed", "local"))),
    "rates": _has_fewer_rates,
    "bad_tokens": lambda before, after: bad_tokens_of(before) is not None and bad_tokens_of(after) is None,
}


def _of_keys(before: Config, after: Config) -> Iterator[ConfigProblem]:
    for path, is_weaker in _KEYS.items():
        if is_weaker(before, after):
            yield ConfigProblem(path, "is weaker than it was")
    known, upstreams = upstreams_of(before), upstreams_of(after)
    paths = named("upstreams", upstreams)
    for name, upstream in upstreams.items():
        old = known.get(name)
        if old is None:
            continue
        if upstream.authorization == "keep" != old.authorization:
            yield ConfigProblem(f"{paths[name]}.authorization", "is weaker than it was: the API gets the token")
        if _is_insecure(upstream) and not _is_insecure(old):
            yield ConfigProblem(f"{paths[name]}.tls.allow_insecure", "is weaker than it was")


def _is_insecure(upstream: UpstreamSection) -> bool:
    return upstream.tls is not None and upstream.tls.allow_insecure


def _of_routes(before: Config, after: Config) -> Iterator[ConfigProblem]:
    old, new = RouteTable(before), RouteTable(after)
    told: set[tuple[str, str]] = set()
    for method, path, host in _requests(before, after):
        facts = _facts(method, path, host)
        taker = _find(new, facts)
        if taker is None:
            continue
        wanted = _find(old, facts)
        if wanted is None:
            lax = "public" if taker.public else "optional" if taker.optional else None
        else:
            lax = laxity(taker, wanted)
        if lax is not None and (taker.name, lax) not in told:
            told.add((taker.name, lax))
            was = "which nothing took" if wanted is None else f"which {wanted.name} took"
            yield ConfigProblem("routes", f"{taker.name} is {lax} from now on for {method} {path}, {was}")


def _requests(before: Config, after: Config) -> list[tuple[str, str, str]]:
    """Method, path and host of one request for each way that a route of either file takes, each once."""
    found: dict[tuple[str, str, str], None] = {}
    for config in (after, before):
        for route in config.routes:
            path = "/".join(_SAMPLE if part[:1] == "{" or part == "*" else part for part in route.path.split("/"))
            for method in route.methods or _METHODS:
                for host in route.hosts or (_STRANGER,):
                    found[method, path, host.replace("*", _SAMPLE)] = None
    return list(found)


def _find(table: RouteTable, facts: Facts) -> Route | None:
    try:
        return table.match(facts)
    except Refusal:
        return None


def _facts(method: str, path: str, host: str) -> Facts:
    return Facts(
        method=method, target=path.encode(), version=(1, 1), headers=(), authorization=(), host=host.encode(),
        content_length=None, chunked=False, scheme="http", peer="", trusted=False, request_id="",
    )  # fmt: skip
