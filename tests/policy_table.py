"""Who may do what, as data: requests with the verdict they must get, shared by everything that decides.

Each runner (the gate in process, the proxy on sockets, the decision API, `explain`) takes ROWS, builds `config_of` the
row's configuration, sends `row.method row.target` with `row.host` and the Authorization lines of `authorization`, and
compares. Nothing here is computed by the code under test.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Size
from tests.policy_matrix import matrix, matrix_routes
from tests.policy_walls import HOSTS, WALLS, walls
from tests.signer import AUDIENCE, ISSUER, sign, some_claims

Verdict = Literal["admitted", "reported", "refused"]
HOST = "api.test"
#: the keys that every issuer but `down` publishes; the first one signs
KEYS = ("p-256", "rsa-2048-a")
#: name of an issuer to how it is configured; `down` has no keys, and nobody responds when asked for them
ISSUERS: dict[str, dict[str, Any]] = {
    "local": {"issuer": ISSUER},
    "auth0": {"issuer": "https://tenant.eu.auth0.com/", "preset": "auth0"},
    "keycloak": {
        "issuer": "https://keycloak.test/realms/shop",
        "preset": "keycloak",
        "audience": (AUDIENCE, "shop"),
    },
    "entra": {"issuer": "https://login.microsoftonline.com/1/v2.0", "preset": "entra"},
    "custom": {"issuer": "https://custom.test", "scope_claims": ("roles", "/x/*/rights")},
    "picky": {"issuer": "https://picky.test", "clients": ("app",)},
    "down": {"issuer": "https://down.test"},
}

SHOP = (
    RouteSection(path="/health", access="public", name="health"),
    RouteSection(path="/login/*", methods=("GET", "POST"), access="public", name="login"),
    RouteSection(path="/orders/special", scopes=("read:orders", "write:orders"), name="special"),
    RouteSection(path="/orders/*", methods=("GET",), scopes=("read:orders",), name="read"),
    RouteSection(path="/orders/*", methods=("POST", "PUT"), scopes=("write:orders",), name="write"),
    RouteSection(path="/reports/*", any_scope=("reports", "admin"), name="reports"),
    RouteSection(path="/both/*", scopes=("read:orders",), any_scope=("reports", "admin"), name="both"),
    RouteSection(path="/admin/*", hosts=("Admin.test", "[::1]"), claims={"roles": "admin"}, name="console"),
    RouteSection(path="/admin/*", scopes=("admin",), name="admin"),
    RouteSection(path="/only/*", hosts=("only.test",), access="public", name="only"),
    RouteSection(path="/claims/member", claims={"roles": ("editor", "author")}, name="member"),
    RouteSection(path="/claims/pointer", claims={"/realm_access/roles": "boss"}, name="pointer"),
    RouteSection(path="/claims/literal", claims={"https://example.com/roles": "buyer"}, name="literal"),
    RouteSection(path="/claims/slash", claims={"/realm_access/roles/0": "boss"}, name="slash"),
    RouteSection(path="/claims/flag", claims={"verified": True}, name="flag"),
    RouteSection(path="/claims/number", claims={"level": (1, 2.5)}, name="number"),
    RouteSection(path="/claims/two", claims={"level": 1, "verified": True}, name="two"),
    RouteSection(path="/clients/*", clients=("app", "batch"), name="clients"),
    RouteSection(path="/partners/*", issuers=("keycloak", "auth0"), name="partners"),
    RouteSection(path="/sources/*", scopes=("manage",), name="sources"),
    RouteSection(path="/api/v1/*", strip_prefix="/api/v1", name="api"),
    RouteSection(path="/a%20b/*", scopes=("read:orders",), name="blank"),
    RouteSection(path="/\u00fc/*", scopes=("read:orders",), name="umlaut"),
    RouteSection(path="/trial/scope/*", methods=("GET", "POST"), scopes=("trial",), mode="report", name="trial scope"),
    RouteSection(path="/trial/claim/*", claims={"roles": "trial"}, mode="report", name="trial claim"),
    RouteSection(path="/trial/client/*", clients=("trial",), mode="report", name="trial client"),
    RouteSection(path="/trial/issuer/*", issuers=("keycloak",), mode="report", name="trial issuer"),
)
SETTINGS: dict[str, dict[str, Any]] = {
    "shop": {"routes": SHOP},
    #: what is not named is refused; a method that is not named needs a token; case is ignored
    "closed": {
        "routes": (
            RouteSection(path="/Health", access="public", name="health"),
            RouteSection(path="/orders/*", methods=("GET",), scopes=("read:orders",), name="read"),
            RouteSection(path="/stra%C3%9Fe/*", scopes=("read:orders",), name="street"),
        ),
        "unmatched": "refuse",
        "unmatched_methods": "token",
        "path_case": "insensitive",
    },
    #: every spelling is matched as well as it goes
    "loose": {
        "routes": (
            RouteSection(path="/health", access="public", name="health"),
            RouteSection(path="/orders/*", scopes=("read:orders",), name="read"),
            RouteSection(path="/api/*", strip_prefix="/api", name="api"),
        ),
        "ambiguous_paths": "allow",
    },
    #: the same routes the other way round: order decides
    "wide first": {
        "routes": (
            RouteSection(path="/*", scopes=("write:orders",), name="wide"),
            RouteSection(path="/health", access="public", name="health"),
        )
    },
    #: a public remainder
    "open": {
        "routes": (
            RouteSection(path="/orders/*", scopes=("read:orders",), name="read"),
            RouteSection(path="/*", access="public", name="rest"),
        )
    },
    #: everybody at every kind of door
    "matrix": {"routes": matrix_routes()},
    #: everything that is not named is public, and nobody gets around a route
    "walls": {"routes": WALLS, "hosts": HOSTS},
    "without routes": {},
    "without anything": {"unmatched": "refuse"},
    #: identity headers that cannot always be made
    "identity": {
        "routes": (
            RouteSection(path="/trial/*", mode="report", name="trial"),
            RouteSection(path="/orders/*", name="orders"),
            RouteSection(path="/health", access="public", name="health"),
        ),
        "identity_headers": {
            "X-User-Id": "sub",
            "X-Tenant": IdentityHeader(claim="tenant", required=True, encoding="none", max_bytes=Size(20)),
        },
    },
}


def config_of(name: str, **settings: Any) -> Config:
    """One of the configurations, with what a runner needs to change; `issuers` is a dictionary of settings by name."""
    more: dict[str, dict[str, Any]] = settings.pop("issuers", {})
    issuers = (
        Issuer(**{"audience": AUDIENCE, "name": label, **given, **more.get(label, {})})
        for label, given in ISSUERS.items()
    )
    return Config(**{"upstream": "http://127.0.0.1:1", **SETTINGS[name], **settings}, issuers=tuple(issuers))


def _token(
    now: float,
    *,
    issuer: str = "local",
    header: dict[str, Any] | None = None,
    named: dict[str, Any] | None = None,
    **changes: Any,
) -> bytes:
    """A bearer token with these claims changed; `named` has those whose names are no Python words."""
    usual = {"iss": ISSUERS[issuer]["issuer"], "iat": now, "exp": now + 300}
    claims = some_claims(**(usual | changes | (named or {})))
    return b"Bearer " + sign(claims, name=KEYS[0], header=header)


#: name of what a client sends to its Authorization lines
CLIENTS: dict[str, Callable[[float], tuple[bytes, ...]]] = {
    "nothing": lambda now: (),
    "basic": lambda now: (b"Basic YWxpY2U6c2VjcmV0",),
    "no token": lambda now: (b"Bearer",),
    "two": lambda now: (_token(now), _token(now)),
    "list": lambda now: (_token(now) + b", Basic YWxpY2U6c2VjcmV0",),
    "opaque": lambda now: (b"Bearer 0123456789abcdef",),
    "huge": lambda now: (b"Bearer " + b"a" * 17_000,),
    # Tokens that pass
    "reader": lambda now: (_token(now, scope="read:orders"),),
    "writer": lambda now: (_token(now, scope="write:orders"),),
    "both": lambda now: (_token(now, scope="read:orders write:orders"),),
    "everything": lambda now: (_token(now, scope="read:orders write:orders reports admin manage trial more"),),
    "array": lambda now: (_token(now, scope=["read:orders"]),),
    "scp": lambda now: (_token(now, scope=..., scp="read:orders"),),
    "scp array": lambda now: (_token(now, scope=..., scp=["read:orders"]),),
    "capital": lambda now: (_token(now, scope="READ:ORDERS"),),
    "prefix": lambda now: (_token(now, scope="read"),),
    "plain": lambda now: (_token(now, scope="other"),),
    "no scope": lambda now: (_token(now, scope=...),),
    "lower bearer": lambda now: (b"bearer" + _token(now, scope="read:orders")[6:],),
    "reports": lambda now: (_token(now, scope="reports"),),
    "reads reports": lambda now: (_token(now, scope="read:orders reports"),),
    "admin": lambda now: (_token(now, scope="admin"),),
    "admin role": lambda now: (_token(now, roles=["user", "admin"]),),
    "editor": lambda now: (_token(now, roles=["user", "editor"]),),
    "author": lambda now: (_token(now, roles="author"),),
    "nested editor": lambda now: (_token(now, roles=[["editor"]]),),
    "boss": lambda now: (_token(now, realm_access={"roles": ["boss"]}),),
    "no boss": lambda now: (_token(now, realm_access={"roles": ["clerk", "boss2"]}),),
    "literal boss": lambda now: (_token(now, named={"/realm_access/roles/0": "boss"}),),
    "literal clerk": lambda now: (_token(now, named={"/realm_access/roles/0": "clerk", "realm_access": {"roles": ["boss"]}}),),
    "buyer": lambda now: (_token(now, named={"https://example.com/roles": ["buyer"]}),),
    "nested buyer": lambda now: (_token(now, named={"https:": {"": {"example.com": {"roles": ["buyer"]}}}}),),
    "verified": lambda now: (_token(now, verified=True),),
    "verified 1": lambda now: (_token(now, verified=1),),
    "verified text": lambda now: (_token(now, verified="true"),),
    "level 1": lambda now: (_token(now, level=1),),
    "level 2.5": lambda now: (_token(now, level=2.5),),
    "level 1.0": lambda now: (_token(now, level=1.0),),
    "level true": lambda now: (_token(now, level=True),),
    "level text": lambda now: (_token(now, level="1"),),
    "level and verified": lambda now: (_token(now, level=1, verified=True),),
    "batch": lambda now: (_token(now, client_id="batch"),),
    "machine": lambda now: (_token(now, sub=...),),
    "other client": lambda now: (_token(now, client_id="other"),),
    "tenant": lambda now: (_token(now, tenant="acme"),),
    "long tenant": lambda now: (_token(now, tenant="a" * 21),),
    "odd tenant": lambda now: (_token(now, tenant="\u00fc"),),
    "auth0": lambda now: (_token(now, issuer="auth0", scope="openid", permissions=["manage"]),),
    "auth0 roles": lambda now: (_token(now, issuer="auth0", roles=["manage"], scp="manage"),),
    "keycloak realm": lambda now: (_token(now, issuer="keycloak", realm_access={"roles": ["manage"]}),),
    "keycloak client": lambda now: (_token(now, issuer="keycloak", resource_access={"shop": {"roles": ["manage"]}}),),
    "keycloak another": lambda now: (_token(now, issuer="keycloak", resource_access={"a": {"roles": ["manage"]}}),),
    "keycloak permissions": lambda now: (_token(now, issuer="keycloak", permissions=["manage"]),),
    "entra scp": lambda now: (_token(now, issuer="entra", scope=..., scp="manage"),),
    "entra roles": lambda now: (_token(now, issuer="entra", scope=..., roles=["manage"]),),
    "entra scope": lambda now: (_token(now, issuer="entra", scope="manage"),),
    "custom roles": lambda now: (_token(now, issuer="custom", roles="manage other"),),
    "custom rights": lambda now: (_token(now, issuer="custom", x={"a": {"rights": ["manage"]}, "b": 1}),),
    "custom scope": lambda now: (_token(now, issuer="custom", scope="manage"),),
    "local permissions": lambda now: (_token(now, permissions=["manage"], roles=["manage"]),),
    "picky": lambda now: (_token(now, issuer="picky"),),
    # Tokens that do not
    "picky other": lambda now: (_token(now, issuer="picky", client_id="other"),),
    "expired": lambda now: (_token(now, iat=now - 900, exp=now - 600),),
    "early": lambda now: (_token(now, nbf=now + 600),),
    "other audience": lambda now: (_token(now, aud="https://other.example"),),
    "stranger": lambda now: (_token(now, iss="https://stranger.example"),),
    "unknown key": lambda now: (_token(now, header={"kid": "unknown"}),),
    "forged": lambda now: (b"Bearer " + sign(some_claims(iat=now, exp=now + 300), name="rsa-2048-b", header={"kid": "rsa-a"}),),
    "id token": lambda now: (_token(now, header={"typ": "JWT"}, scope=..., client_id=..., nonce="n", at_hash="h"),),
    "refresh": lambda now: (_token(now, header={"typ": "JWT"}, typ="Refresh"),),
    "unclassified": lambda now: (_token(now, header={"typ": "JWT"}, scope=...),),
    "bound": lambda now: (_token(now, cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),),
    "down": lambda now: (_token(now, issuer="down"),),
}  # fmt: skip


@cache
def authorization(client: str, now: float) -> tuple[bytes, ...]:
    """The Authorization lines that a client of this name sends at `now`, seconds since the epoch."""
    return CLIENTS[client](now)


#: reason to the status of its response
STATUS = {
    "missing_credential": 401, "malformed_credential": 400, "multiple_credentials": 400, "token_malformed": 401,
    "unknown_issuer": 401, "unknown_key": 401, "bad_signature": 401, "token_expired": 401, "token_not_yet_valid": 401,
    "wrong_audience": 401, "client_not_allowed": 401, "id_token": 401, "refresh_token": 401, "unclassified_token": 401,
    "proof_required": 401, "insufficient_scope": 403, "claim_mismatch": 403, "identity_claim_missing": 403,
    "identity_header_invalid": 403, "identity_header_too_large": 403, "ambiguous_path": 400, "no_route": 404, "unknown_host": 421, "path_mismatch": 403,
    "method_not_allowed": 405, "token_too_large": 431, "issuer_unavailable": 503,
}  # fmt: skip


#: reason to the step that gives it
STEPS = {
    "ambiguous_path": "route", "no_route": "route", "unknown_host": "route", "path_mismatch": "policy", "method_not_allowed": "route", "missing_credential": "credential",
    "malformed_credential": "credential", "multiple_credentials": "credential", "token_too_large": "credential",
    "token_malformed": "form", "unknown_issuer": "issuer", "id_token": "class", "refresh_token": "class",
    "unclassified_token": "class", "token_expired": "time", "token_not_yet_valid": "time", "wrong_audience": "audience",
    "unknown_key": "signature", "bad_signature": "signature", "issuer_unavailable": "signature",
    "identity_claim_missing": "headers", "identity_header_invalid": "headers", "identity_header_too_large": "headers",
    "proof_required": "binding", "insufficient_scope": "policy", "claim_mismatch": "policy",
    "client_not_allowed": "policy",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One request and what must become of it."""

    config: str
    #: who sends it: a key of CLIENTS
    client: str
    method: str
    target: str
    host: str
    verdict: Verdict
    #: why it was refused, or would have been
    reason: str | None
    #: name of the route; None: none was found
    route: str | None
    #: of the client's response; 200 is the upstream's
    status: int
    #: `scope` in the challenge, or `Allow`
    told: str | None
    #: X-User-Id for the upstream; None: no identity header at all, or nothing reached it
    user: str | None
    #: the target that reached the upstream
    forwarded: str | None

    @property
    def step(self) -> str | None:
        """The step of admission that gives the reason."""
        if (self.client, self.reason) == ("picky other", "client_not_allowed"):
            return "subject"
        return None if self.reason is None else STEPS[self.reason]

    def __str__(self) -> str:
        return f"{self.config}: {self.client} {self.method} {self.host}{self.target}"


_Given = str | None


def _row(verdict: Verdict, config: str, client: str, request: str, **rest: Any) -> Row:
    method, target = request.split(" ", 1)
    given: dict[str, Any] = {"host": HOST, "reason": None, "route": "default", "told": None, "user": None, **rest}
    passed = verdict != "refused"
    return Row(
        **{
            "config": config,
            "client": client,
            "method": method,
            "target": target,
            "verdict": verdict,
            "status": 200 if passed else STATUS[given["reason"]],
            "forwarded": target if passed else None,
            **given,
        }
    )


def _yes(config: str, client: str, request: str, route: str = "default", **rest: Any) -> Row:
    """Admitted with a token, and the upstream knows whose."""
    return _row("admitted", config, client, request, **{"route": route, "user": "alice", **rest})


def _open(config: str, client: str, request: str, route: str, **rest: Any) -> Row:
    """Admitted without anybody having asked who it is."""
    return _row("admitted", config, client, request, route=route, **rest)


def _reported(config: str, client: str, request: str, route: str, reason: str, **rest: Any) -> Row:
    """Admitted and counted; `user` only where the token itself was admitted."""
    return _row("reported", config, client, request, route=route, reason=reason, **rest)


def _no(
    config: str, client: str, request: str, route: str | None, reason: str, told: _Given = None, **rest: Any
) -> Row:
    """Refused."""
    return _row("refused", config, client, request, route=route, reason=reason, told=told, **rest)


def _scope(client: str, request: str, route: str, missing: str, config: str = "shop", **rest: Any) -> Row:
    return _no(config, client, request, route, "insufficient_scope", missing, **rest)


def _mismatch(client: str, request: str, route: str, **rest: Any) -> Row:
    return _no("shop", client, request, route, "claim_mismatch", **rest)


#: spellings that http.md calls ambiguous, of /orders/1, /health and others
AMBIGUOUS = [
    "//", "//orders/1", "/orders//1", "/orders/1//", "///orders/1", "//health", "/health//",
    "/./orders/1", "/orders/./1", "/health/../orders/1", "/health/..", "/orders/.", "/orders/1/../1", "/../orders/1",
    "/%2e/orders/1", "/health/%2e%2e/orders/1", "/health/.%2E/orders/1", "/health/%2E./orders/1", "/health/%2e%2E",
    "/health/..;/orders/1", "/health/.;x/orders/1", "/health;/../orders/1", "/orders;x/1", "/orders/1;v=2", "/health;",
    "/health%2F..%2forders/1", "/orders%2F1", "/%2forders/1", "/orders%2f", "/health%2f",
    "/orders%5C1", "/orders%5c..%5c1", "/orders%3B/1", "/orders/1%3bx",
    "/orders/1%00", "/orders/1%0a", "/orders/%0d%0aX:1", "/orders/%1F", "/orders/%7f", "/%09orders",
    "/%256frders/1", "/%2566", "/health/%252e%252e/orders/1", "/orders%252f1", "/%25%36%66rders/1", "/orders/%2541",
    "/orders\\1", "/\\orders/1", "/health\\..\\orders\\1", "/orders#/1", "/orders/1#", "/#/orders/1",
    "/orders/%", "/orders/%1", "/orders/%zz", "/%%36%66rders/1", "/%u006frders/1",
    "/orders/%ff", "/orders/%c0%ae%c0%ae/1", "/orders%c0%af1", "/orders/%ED%A0%80", "/%e0%80%afhealth",
]  # fmt: skip
#: other spellings of the same path, which are read in one way
RESPELLED = [
    "/orders/1", "/orders/1/", "/orders", "/orders/", "/%6frders/1", "/%6Frders/%31", "/%6f%72%64%65%72%73", "/orders/1?x",
    "/orders/1?x=/../../health", "/orders/1?;#//%2e%zz%00", "/orders?/health", "/orders/?", "/orders/%C3%BC", "/orders/100%25",
    "/orders/a+b", "/orders/a%2Bb", "/orders/...", "/orders/a..b", "/orders/1/2/3/4/5", "/orders/%E2%82%AC", "/orders/~:@!$&'()*,=",
]  # fmt: skip
#: paths that look like /orders/* and are not
ELSEWHERE = [
    "/ordersx",
    "/order",
    "/x/orders/1",
    "/.orders",
    "/",
]
#: paths that /orders/* is to whoever ignores case, blanks and dots at the end of a segment, or what follows an escaped ?
NEARBY = [
    "/Orders/1",
    "/ORDERS",
    "/order%C5%BF/1",
    "/orders%20/1",
    "/orders./1",
    "/orders+",
    "/orders%2B",
    "/orders%3Fx",
    "/orders%23/1",
    "/ORDERS.%20%3f/1",
]

_SPELLED = [
    *(_no("shop", "everything", f"GET {target}", None, "ambiguous_path") for target in AMBIGUOUS),
    *(_no("shop", "nothing", f"GET {target}", None, "ambiguous_path") for target in AMBIGUOUS[::4]),
    *(_no("open", "nothing", f"GET {target}", None, "ambiguous_path") for target in AMBIGUOUS[1::2]),
    *(_no("closed", "everything", f"POST {target}", None, "ambiguous_path") for target in AMBIGUOUS[2::7]),
    *(_yes("shop", "reader", f"GET {target}", "read") for target in RESPELLED),
    *(_no("shop", "nothing", f"GET {target}", "read", "missing_credential") for target in RESPELLED[2::3]),
    *(_scope("writer", f"GET {target}", "read", "read:orders") for target in RESPELLED[1::3]),
    *(_no("open", "nothing", f"GET {target}", "read", "missing_credential") for target in RESPELLED[::2]),
    *(_yes("shop", "plain", f"GET {target}") for target in ELSEWHERE),
    *(_open("open", "nothing", f"GET {target}", "rest") for target in ELSEWHERE),
    *(_no("shop", "everything", f"GET {target}", None, "ambiguous_path") for target in NEARBY),
    *(_no("open", "nothing", f"GET {target}", None, "ambiguous_path") for target in NEARBY),
    # Without anything stricter to lead to they are as good as any.
    *(_yes("wide first", "writer", f"GET {target}", "wide") for target in ("/Health", "/health.", "/health%3Fx")),
    *(_yes("loose", "plain", f"GET {target}") for target in NEARBY),
    *(
        _no("closed", "reader", f"GET {target}", None, "no_route")
        for target in ("/ordersx", "/order", "/x/orders", "/")
    ),
    *(_yes("loose", "plain", f"GET {target}") for target in ("//orders/1", "/./orders/1", "/health/..", "/orders%2F1")),
    *(_yes("without routes", "plain", f"GET {target}") for target in AMBIGUOUS[::5]),
    _yes("loose", "reader", "GET /orders//1", "read"),
    _yes("loose", "reader", "GET /orders/../health", "read"),
    _yes("loose", "reader", "GET /orders/%zz", "read"),
    _scope("plain", "GET /orders/..;/1", "read", "read:orders", "loose"),
    _open("loose", "nothing", "GET /%68ealth", "health"),
    _yes("loose", "plain", "GET /api//evil.test/a", "api", forwarded="/evil.test/a"),
    _yes("shop", "reader", "GET /a%20b/c", "blank"),
    _scope("plain", "GET /%61%20b", "blank", "read:orders"),
    _yes("shop", "reader", "GET /%c3%bc/x", "umlaut"),
    _scope("plain", "GET /%C3%Bc", "umlaut", "read:orders"),
    # A composed letter and its parts are different paths, as they are different bytes.
    _yes("shop", "plain", "GET /u%CC%88/x"),
    # Case
    *(
        _yes("closed", "reader", f"GET {target}", "read")
        for target in ("/orders/1", "/ORDERS/1", "/oRdErS", "/%4Frders")
    ),
    *(_scope("plain", f"GET {target}", "read", "read:orders", "closed") for target in ("/Orders/1", "/ORDER%53")),
    *(_open("closed", "nothing", f"GET {target}", "health") for target in ("/health", "/HEALTH/", "/h%45alth")),
    _yes("closed", "reader", "GET /STRA%C3%9FE/1", "street"),
    _scope("plain", "GET /Stra%C3%9Fe", "street", "read:orders", "closed"),
]

_METHODS = [
    _yes("shop", "reader", "HEAD /orders/1", "read"),
    _scope("writer", "HEAD /orders/1", "read", "read:orders"),
    _no("shop", "nothing", "HEAD /orders/1", "read", "missing_credential"),
    _yes("shop", "writer", "POST /orders/1", "write"),
    _yes("shop", "writer", "PUT /orders", "write"),
    _scope("reader", "POST /orders", "write", "write:orders"),
    *(
        _no("shop", client, f"{method} /orders/1", None, "method_not_allowed", "GET, HEAD, POST, PUT")
        for client, method in (
            ("everything", "DELETE"), ("everything", "PATCH"), ("everything", "OPTIONS"), ("everything", "PROPFIND"),
            ("nothing", "DELETE"), ("expired", "DELETE"), ("everything", "QUERY"), ("nothing", "OPTIONS"),
        )
    ),
    _no("shop", "nothing", "PUT /login/x", None, "method_not_allowed", "GET, HEAD, POST"),
    _no("shop", "everything", "DELETE /trial/scope/1", None, "method_not_allowed", "GET, HEAD, POST"),
    _open("shop", "nothing", "POST /login", "login"),
    _open("shop", "nothing", "HEAD /login/x", "login"),
    *(_open("shop", "nothing", f"{method} /health", "health") for method in ("HEAD", "POST", "DELETE", "OPTIONS")),
    *(_yes("shop", "both", f"{method} /orders/special", "special") for method in ("GET", "DELETE", "OPTIONS")),
    _scope("reader", "DELETE /orders/special", "special", "write:orders"),
    _yes("closed", "plain", "DELETE /orders/1"),
    _yes("closed", "plain", "OPTIONS /orders"),
    _no("closed", "nothing", "DELETE /orders/1", "default", "missing_credential"),
    _scope("plain", "HEAD /orders/1", "read", "read:orders", "closed"),
    # The target that is no path
    _yes("shop", "plain", "OPTIONS *"),
    _no("shop", "nothing", "OPTIONS *", "default", "missing_credential"),
    _no("open", "nothing", "OPTIONS *", "default", "missing_credential"),
    _no("closed", "everything", "OPTIONS *", None, "no_route"),
    _yes("without routes", "plain", "OPTIONS *"),
    _no("without anything", "everything", "OPTIONS *", None, "no_route"),
]  # fmt: skip

_ROUTES = [
    # Public: nothing is asked, nothing is read, nothing is told
    *(
        _open("shop", client, "GET /health", "health")
        for client in ("nothing", "reader", "expired", "opaque", "id token", "basic", "two", "no token", "huge", "down")
    ),
    _open("shop", "nothing", "GET /health/", "health"),
    _open("shop", "nothing", "GET /he%61lth?x=1", "health"),
    _no("shop", "nothing", "GET /health/x", "default", "missing_credential"),
    _no("shop", "nothing", "GET /healthx", "default", "missing_credential"),
    _no("shop", "nothing", "GET /loginx", "default", "missing_credential"),
    # What no route names
    _yes("shop", "plain", "GET /other"),
    _yes("shop", "no scope", "DELETE /other/x"),
    _no("shop", "nothing", "GET /other", "default", "missing_credential"),
    _no("shop", "expired", "GET /", "default", "token_expired"),
    _no("closed", "everything", "GET /other", None, "no_route"),
    _no("closed", "nothing", "GET /other", None, "no_route"),
    _no("closed", "nothing", "GET /", None, "no_route"),
    _yes("without routes", "plain", "GET /orders/1"),
    _yes("without routes", "plain", "DELETE /health"),
    _no("without routes", "nothing", "GET /health", "default", "missing_credential"),
    _no("without routes", "expired", "GET /", "default", "token_expired"),
    _no("without anything", "everything", "GET /", None, "no_route"),
    # Order
    _scope("reader", "GET /health", "wide", "write:orders", "wide first"),
    _no("wide first", "nothing", "GET /health", "wide", "missing_credential"),
    _yes("wide first", "writer", "GET /", "wide"),
    _yes("open", "reader", "GET /orders/1", "read"),
    _scope("writer", "POST /orders/1", "read", "read:orders", "open"),
    _scope("reader", "GET /orders/special", "special", "write:orders"),
    _scope("plain", "GET /orders/special/", "special", "read:orders write:orders"),
    _yes("shop", "reader", "GET /orders/special/1", "read"),
    # Hosts
    *(
        _yes("shop", "admin role", "GET /admin/x", "console", host=host)
        for host in (
            "admin.test",
            "ADMIN.TEST",
            "admin.test:8443",
            "admin.test.",
            "admin.test.:80",
            "[::1]",
            "[::1]:8080",
        )
    ),
    *(_mismatch("admin", "GET /admin/x", "console", host=host) for host in ("admin.test", "Admin.Test.:1")),
    *(
        _yes("shop", "admin", "GET /admin/x", "admin", host=host)
        for host in ("api.test", "xadmin.test", "admin.test.evil", "test", "127.0.0.1:80", "[::2]")
    ),
    _scope("admin role", "GET /admin", "admin", "admin"),
    _no("shop", "nothing", "GET /admin", "console", "missing_credential", host="admin.test"),
    _open("shop", "nothing", "GET /only", "only", host="only.test"),
    _no("shop", "nothing", "GET /only", "default", "missing_credential"),
    # Prefixes
    _yes("shop", "plain", "GET /api/v1/a/b?c", "api", forwarded="/a/b?c"),
    _yes("shop", "plain", "GET /api/v1", "api", forwarded="/"),
    _yes("shop", "plain", "GET /api/v1/", "api", forwarded="/"),
    _yes("shop", "plain", "GET /api/v1?x=/api/v1", "api", forwarded="/?x=/api/v1"),
    _yes("shop", "plain", "POST /%61pi/%76%31/a%2Bb/", "api", forwarded="/a%2Bb/"),
    _yes("shop", "plain", "GET /api/v2/a"),
    _no("shop", "nothing", "GET /api/v1/a", "api", "missing_credential"),
]

_POLICIES = [
    # Scopes
    *(_yes("shop", client, "GET /orders/1", "read") for client in ("both", "everything", "array", "scp", "scp array")),
    *(_scope(client, "GET /orders/1", "read", "read:orders") for client in ("capital", "prefix", "plain", "no scope")),
    _yes("shop", "lower bearer", "GET /orders/1", "read"),
    _yes("shop", "machine", "GET /orders/1", "read", user=None),
    *(_yes("shop", client, "GET /reports/1", "reports") for client in ("reports", "admin", "everything")),
    *(_scope(client, "GET /reports/1", "reports", "reports") for client in ("reader", "no scope")),
    _yes("shop", "reads reports", "GET /both", "both"),
    _scope("reader", "GET /both", "both", "reports"),
    _scope("reports", "GET /both", "both", "read:orders"),
    _scope("plain", "GET /both", "both", "read:orders"),
    # Where scopes come from
    *(
        _yes("shop", client, "GET /sources/1", "sources")
        for client in (
            "auth0", "keycloak realm", "keycloak client", "entra scp", "entra roles", "custom roles", "custom rights",
            "everything",
        )
    ),
    *(
        _scope(client, "GET /sources/1", "sources", "manage")
        for client in (
            "auth0 roles", "keycloak permissions", "keycloak another", "entra scope", "custom scope", "local permissions",
        )
    ),
    # Claims
    _yes("shop", "editor", "GET /claims/member", "member"),
    _yes("shop", "author", "GET /claims/member", "member"),
    *(_mismatch(client, "GET /claims/member", "member") for client in ("nested editor", "admin role", "plain")),
    _yes("shop", "boss", "GET /claims/pointer", "pointer"),
    *(_mismatch(client, "GET /claims/pointer", "pointer") for client in ("no boss", "plain", "literal boss")),
    _yes("shop", "buyer", "GET /claims/literal", "literal"),
    *(_mismatch(client, "GET /claims/literal", "literal") for client in ("nested buyer", "plain")),
    *(_yes("shop", client, "GET /claims/slash", "slash") for client in ("boss", "literal boss")),
    *(_mismatch(client, "GET /claims/slash", "slash") for client in ("no boss", "literal clerk")),
    _yes("shop", "verified", "GET /claims/flag", "flag"),
    *(_mismatch(client, "GET /claims/flag", "flag") for client in ("verified 1", "verified text", "plain")),
    *(_yes("shop", client, "GET /claims/number", "number") for client in ("level 1", "level 1.0", "level 2.5")),
    *(_mismatch(client, "GET /claims/number", "number") for client in ("level true", "level text", "plain")),
    _yes("shop", "level and verified", "GET /claims/two", "two"),
    *(_mismatch(client, "GET /claims/two", "two") for client in ("level 1", "verified", "plain")),
    _no("shop", "nothing", "GET /claims/two", "two", "missing_credential"),
    # Clients and issuers
    *(_yes("shop", client, "GET /clients/1", "clients") for client in ("plain", "batch", "picky")),
    _no("shop", "other client", "GET /clients/1", "clients", "client_not_allowed"),
    _yes("shop", "other client", "GET /other"),
    _no("shop", "picky other", "GET /other", "default", "client_not_allowed"),
    *(_yes("shop", client, "GET /partners/1", "partners") for client in ("auth0", "keycloak realm")),
    *(_mismatch(client, "GET /partners/1", "partners") for client in ("plain", "entra scp")),
]  # fmt: skip

#: client to the reason that its token, or the lack of one, is refused with everywhere
_REFUSED = {
    "nothing": "missing_credential", "basic": "missing_credential", "no token": "malformed_credential",
    "two": "multiple_credentials", "list": "multiple_credentials", "opaque": "token_malformed", "expired": "token_expired",
    "early": "token_not_yet_valid", "other audience": "wrong_audience", "stranger": "unknown_issuer",
    "unknown key": "unknown_key", "forged": "bad_signature", "id token": "id_token", "refresh": "refresh_token",
    "unclassified": "unclassified_token", "bound": "proof_required", "down": "issuer_unavailable",
    "picky other": "client_not_allowed",
}  # fmt: skip

_REPORTS = [
    # A credential, a token, a binding or a dependency: passes without an identity
    *(_no("shop", client, "GET /orders/1", "read", reason) for client, reason in _REFUSED.items()),
    *(_reported("shop", client, "GET /trial/scope/1", "trial scope", reason) for client, reason in _REFUSED.items()),
    *(
        _reported("shop", client, "POST /trial/scope", "trial scope", _REFUSED[client])
        for client in ("nothing", "expired")
    ),
    # Policy: passes with the identity of a token that was admitted in full
    _reported("shop", "plain", "GET /trial/scope/1", "trial scope", "insufficient_scope", user="alice"),
    _reported("shop", "machine", "GET /trial/scope/1", "trial scope", "insufficient_scope"),
    _reported("shop", "plain", "GET /trial/claim/1", "trial claim", "claim_mismatch", user="alice"),
    _reported("shop", "plain", "GET /trial/client/1", "trial client", "client_not_allowed", user="alice"),
    _reported("shop", "plain", "GET /trial/issuer/1", "trial issuer", "claim_mismatch", user="alice"),
    _yes("shop", "everything", "GET /trial/scope/1", "trial scope"),
    _yes("shop", "keycloak realm", "GET /trial/issuer/1", "trial issuer"),
    # Always refused: limits, paths, methods
    _no("shop", "huge", "GET /trial/scope/1", "trial scope", "token_too_large"),
    _no("shop", "huge", "GET /orders/1", "read", "token_too_large"),
    _no("shop", "everything", "GET /trial/scope//1", None, "ambiguous_path"),
    _no("shop", "everything", "GET /trial/%2e%2e/scope", None, "ambiguous_path"),
    # Identity headers that cannot be made
    _yes("identity", "tenant", "GET /orders/1", "orders"),
    _yes("identity", "tenant", "GET /trial/1", "trial"),
    _open("identity", "tenant", "GET /health", "health"),
    *(
        row
        for client, reason in (
            ("plain", "identity_claim_missing"),
            ("long tenant", "identity_header_too_large"),
            ("odd tenant", "identity_header_invalid"),
        )
        for row in (
            _no("identity", client, "GET /orders/1", "orders", reason),
            _reported("identity", client, "GET /trial/1", "trial", reason),
        )
    ),
]

_MATRIX = [
    _row(out.verdict, "matrix", client, request, route=route, reason=out.reason, told=out.told, user=out.user)
    for client, request, route, out in matrix()
]

_WALLS = [_row(wall.verdict, "walls", wall.client, wall.request, route=wall.route, **wall.more) for wall in walls()]

ROWS = (*_SPELLED, *_METHODS, *_ROUTES, *_POLICIES, *_REPORTS, *_MATRIX, *_WALLS)
#: rows that a runner sends in one test, which is to take less than two seconds
_AT_ONCE = 60


def parts() -> list[tuple[str, int]]:
    """Every configuration, and the numbers of its parts: what a runner on sockets is given."""
    counts = Counter(row.config for row in ROWS)
    return [(name, part) for name in SETTINGS for part in range(-(-counts[name] // _AT_ONCE))]


def part_of(name: str, part: int) -> list[Row]:
    """The rows of one part of a configuration."""
    rows = [row for row in ROWS if row.config == name]
    return rows[part * _AT_ONCE : (part + 1) * _AT_ONCE]
