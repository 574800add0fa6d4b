"""Who meets what a route asks for, each with each: a verdict worked out here, from a table of people and of demands.

Nothing of the gateway is asked: `Person` says by hand what is known of each client of `tests.policy_table`, `Asked` what
a route demands, and `outcome` what must become of the two, in the order that docs/architecture.md gives the checks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gateway.core.config.routes import RouteSection

Access = Literal["token", "optional", "public"]
Mode = Literal["enforce", "report"]


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of whoever sends a request."""

    #: why whatever they show is refused at every door that looks at it; None: it is good
    refused: str | None = None
    #: there is an Authorization line
    shows: bool = True
    scopes: frozenset[str] = frozenset({"read:orders", "write:orders"})
    #: None: the issuer's tokens name it elsewhere
    client: str | None = "app"
    issuer: str = "local"
    user: str | None = "alice"
    claims: dict[str, Any] = field(default_factory=dict)


def _scopes(*scopes: str, **more: Any) -> Person:
    return Person(scopes=frozenset(scopes), **more)


PEOPLE: dict[str, Person] = {
    "nothing": Person("missing_credential", shows=False),
    "basic": Person("missing_credential"),
    "no token": Person("malformed_credential"),
    "two": Person("multiple_credentials"),
    "list": Person("multiple_credentials"),
    "opaque": Person("token_malformed"),
    "expired": Person("token_expired"),
    "early": Person("token_not_yet_valid"),
    "other audience": Person("wrong_audience"),
    "stranger": Person("unknown_issuer"),
    "unknown key": Person("unknown_key"),
    "forged": Person("bad_signature"),
    "id token": Person("id_token"),
    "refresh": Person("refresh_token"),
    "unclassified": Person("unclassified_token"),
    "bound": Person("proof_required"),
    "picky other": Person("client_not_allowed"),
    "down": Person("issuer_unavailable"),
    "huge": Person("token_too_large"),
    "reader": _scopes("read:orders"),
    "writer": _scopes("write:orders"),
    "both": Person(),
    "everything": _scopes("read:orders", "write:orders", "reports", "admin", "manage", "trial", "more"),
    "plain": _scopes("other"),
    "no scope": _scopes(),
    "capital": _scopes("READ:ORDERS"),
    "reports": _scopes("reports"),
    "reads reports": _scopes("read:orders", "reports"),
    "admin": _scopes("admin"),
    "admin role": Person(claims={"roles": ["user", "admin"]}),
    "editor": Person(claims={"roles": ["user", "editor"]}),
    "author": Person(claims={"roles": "author"}),
    "level 1": Person(claims={"level": 1}),
    "level true": Person(claims={"level": True}),
    "level and verified": Person(claims={"level": 1, "verified": True}),
    "verified": Person(claims={"verified": True}),
    "batch": Person(client="batch"),
    "other client": Person(client="other"),
    "machine": Person(user=None),
    "auth0": _scopes("openid", "manage", issuer="auth0"),
    "keycloak realm": _scopes("read:orders", "write:orders", "manage", issuer="keycloak"),
    "entra scp": _scopes("manage", issuer="entra", client=None),
    "picky": Person(issuer="picky"),
}


class Asked(NamedTuple):
    """What a route demands, beside that there is a good token."""

    name: str
    issuers: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    any_scope: tuple[str, ...] = ()
    #: claim to what it must be, or have a member that is
    claims: tuple[tuple[str, tuple[Any, ...]], ...] = ()


DEMANDS = (
    Asked("nothing"),
    Asked("one scope", scopes=("read:orders",)),
    Asked("two scopes", scopes=("read:orders", "write:orders")),
    Asked("any scope", any_scope=("reports", "admin")),
    Asked("all and any", scopes=("read:orders",), any_scope=("reports", "admin")),
    Asked("claim", claims=(("roles", ("admin", "author")),)),
    Asked("two claims", claims=(("level", (1,)), ("verified", (True,)))),
    Asked("client", clients=("app",)),
    Asked("issuer", issuers=("keycloak", "auth0")),
    Asked("issuer and scope", issuers=("local",), scopes=("read:orders",)),
    Asked("client and claim", clients=("app", "batch"), claims=(("roles", ("editor",)),)),
    Asked("everything", issuers=("local",), clients=("app",), scopes=("read:orders",), claims=(("verified", (True,)),)),
)
DOORS: tuple[tuple[Access, Mode], ...] = (
    ("token", "enforce"),
    ("optional", "enforce"),
    ("token", "report"),
    ("optional", "report"),
)


def unmet(asked: Asked, person: Person) -> tuple[str, str | None] | None:
    """The reason that a good token of this person is refused with, and the scopes that the challenge names; None."""
    if asked.issuers and person.issuer not in asked.issuers:
        return "claim_mismatch", None
    if asked.clients and person.client not in asked.clients:
        return "client_not_allowed", None
    if not person.scopes >= set(asked.scopes):
        return "insufficient_scope", " ".join(scope for scope in asked.scopes if scope not in person.scopes)
    if asked.any_scope and not person.scopes & set(asked.any_scope):
        return "insufficient_scope", asked.any_scope[0]
    for name, values in asked.claims:
        found = person.claims.get(name)
        members = found if isinstance(found, list) else [found]
        # As JSON has it: true is not 1.
        if not any(type(member) is type(value) and member == value for member in members for value in values):
            return "claim_mismatch", None
    return None


class Outcome(NamedTuple):
    """What must become of a request."""

    verdict: Literal["admitted", "reported", "refused"]
    reason: str | None
    told: str | None
    user: str | None


def outcome(person: Person, asked: Asked, access: Access, mode: Mode) -> Outcome:
    """The reference: who may pass, who is told of the API, and who is refused with which reason."""
    if access == "public" or (access == "optional" and not person.shows):
        return Outcome("admitted", None, None, None)
    user = person.user if person.refused is None else None
    reason, told = (person.refused, None) if person.refused else unmet(asked, person) or (None, None)
    if reason is None:
        return Outcome("admitted", None, None, user)
    # A limit is no rule that could be tried out.
    if mode == "report" and reason != "token_too_large":
        return Outcome("reported", reason, None, user)
    return Outcome("refused", reason, told, None)


def _path(asked: Asked, access: Access, mode: Mode) -> str:
    return f"/{access}/{mode}/{asked.name.replace(' ', '-')}"


def matrix_routes() -> tuple[RouteSection, ...]:
    """One route for each demand behind each door, and a public one."""
    routes = [
        RouteSection(
            path=f"{_path(asked, access, mode)}/*",
            access=access,
            mode=mode,
            issuers=asked.issuers,
            clients=asked.clients,
            scopes=asked.scopes,
            any_scope=asked.any_scope,
            claims=dict(asked.claims),
            name=f"{access} {mode} {asked.name}",
        )
        for access, mode in DOORS
        for asked in DEMANDS
    ]
    return (*routes, RouteSection(path="/public/*", access="public", name="public"))


def matrix() -> Iterator[tuple[str, str, str, Outcome]]:
    """A client, its request, the name of the route, and what must become of it."""
    for access, mode in DOORS:
        for asked in DEMANDS:
            for client, person in PEOPLE.items():
                # Where only the token decides, one demand shows it as well as twelve: the strictest.
                if person.refused is None or asked.name in {"nothing", "everything"}:
                    path = f"GET {_path(asked, access, mode)}/1"
                    yield client, path, f"{access} {mode} {asked.name}", outcome(person, asked, access, mode)
    for client, person in PEOPLE.items():
        yield client, "GET /public/1", "public", outcome(person, DEMANDS[0], "public", "enforce")
