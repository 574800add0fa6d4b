"""What is published of protected resources: exactly the document, at exactly its host and path."""

import json
from typing import Any

import pytest

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.tls import ListenerTls
from gateway.core.routing.published import published

TOOLS = "https://api.example.com/mcp"
ORDERS = "https://orders.example.com/v1/"
LOGIN = "https://login.example"
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def documents(
    *routes: dict[str, Any], issuers: tuple[Issuer, ...] = (), resources: dict[str, Any] | None = None, **settings: Any
) -> dict[tuple[str, str], Any]:
    config = Config(
        upstream="http://127.0.0.1:3000",
        issuers=issuers or (Issuer(issuer=LOGIN, audience=(TOOLS, ORDERS)),),
        resources={name: ResourceSection(**section) for name, section in (resources or {"tools": {"identifier": TOOLS}}).items()},
        routes=tuple(RouteSection(**route) for route in routes or ({"path": "/mcp/*"},)),
        **settings,
    )  # fmt: skip
    return {place: json.loads(document) for place, document in published(config).items()}


def document(*routes: dict[str, Any], **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = documents(*routes, **settings)["api.example.com", f"{WELL_KNOWN}/mcp"]
    return found


def test_the_least_that_is_published() -> None:
    assert document() == {"resource": TOOLS, "authorization_servers": [LOGIN], "bearer_methods_supported": ["header"]}


def test_all_that_is_published_in_the_order_of_the_rfc() -> None:
    section = {
        "identifier": TOOLS,
        "name": "Tools \u00fc",
        "documentation": "https://docs.example.com/#mcp",
        "authorization_servers": ("https://other.example", LOGIN),
        "publish_scopes": True,
    }
    routes = (
        {"path": "/mcp/admin", "scopes": ("tools:read", "tools:admin")},
        {"path": "/mcp/*", "scopes": ("tools:read",), "any_scope": ("tools:call", "tools:admin")},
        {"path": "/orders", "scopes": ("orders",)},
    )
    found = document(*routes, resources={"tools": section})
    assert list(found.items()) == [
        ("resource", TOOLS),
        ("authorization_servers", ["https://other.example", LOGIN]),
        ("scopes_supported", ["tools:read", "tools:admin", "tools:call"]),
        ("bearer_methods_supported", ["header"]),
        ("resource_name", "Tools \u00fc"),
        ("resource_documentation", "https://docs.example.com/#mcp"),
    ]


def test_scopes_are_published_only_where_that_is_wanted() -> None:
    assert "scopes_supported" not in document({"path": "/mcp", "scopes": ("a",)})
    wanted = {"tools": {"identifier": TOOLS, "publish_scopes": True}}
    assert "scopes_supported" not in document({"path": "/mcp"}, resources=wanted)


def test_the_only_one_is_at_the_bare_path_too() -> None:
    found = documents()
    assert found.keys() == {("api.example.com", WELL_KNOWN), ("api.example.com", f"{WELL_KNOWN}/mcp")}
    assert found["api.example.com", WELL_KNOWN] == found["api.example.com", f"{WELL_KNOWN}/mcp"]


def test_several_are_each_at_its_own_host_and_path() -> None:
    found = documents(
        {"path": "/mcp", "resource": "tools"},
        {"path": "/v1/*", "resource": "orders"},
        resources={"tools": {"identifier": TOOLS}, "orders": {"identifier": ORDERS}},
    )
    assert {place: document["resource"] for place, document in found.items()} == {
        ("api.example.com", f"{WELL_KNOWN}/mcp"): TOOLS,
        ("orders.example.com", f"{WELL_KNOWN}/v1"): ORDERS,
    }


@pytest.mark.parametrize("identifier", ["https://api.example.com", "https://api.example.com/"])
def test_one_without_a_path_is_at_the_bare_path_alone(identifier: str) -> None:
    issuers = (Issuer(issuer=LOGIN, audience=identifier),)
    found = documents(issuers=issuers, resources={"all": {"identifier": identifier}})
    assert list(found) == [("api.example.com", WELL_KNOWN)]
    assert found["api.example.com", WELL_KNOWN]["resource"] == identifier


OTHERS = (
    Issuer(issuer=LOGIN, audience=TOOLS),
    Issuer(issuer="https://two.example/t", audience=("x", TOOLS), name="two"),
    # No token of it can be for this.
    Issuer(issuer="https://three.example", audience="https://api.example.com/mcp/"),
    Issuer(issuer="http://127.0.0.1:9000", audience=TOOLS),
    Issuer(issuer="http://inside.example", audience=TOOLS, allow_http=True),
    Issuer(issuer="no-url", audience=TOOLS, jwks_file="/jwks.json"),
)


@pytest.mark.parametrize(
    ("routes", "servers"),
    [
        (({"path": "/mcp"},), [LOGIN, "https://two.example/t"]),
        (({"path": "/mcp", "issuers": ("two",)},), ["https://two.example/t"]),
        # In the order of the file, those of all of its routes, and of no other route.
        (
            ({"path": "/mcp/a", "issuers": ("two",)}, {"path": "/mcp/b", "issuers": ("login.example",)}),
            [LOGIN, "https://two.example/t"],
        ),
        (({"path": "/mcp/a", "issuers": ("two",)}, {"path": "/orders"}), ["https://two.example/t"]),
        # A route that is for another audience takes the tokens of another issuer.
        (({"path": "/mcp", "audience": "https://api.example.com/mcp/"},), ["https://three.example"]),
    ],
)
def test_clients_are_sent_to_the_issuers_whose_tokens_count(routes: Any, servers: list[str]) -> None:
    assert document(*routes, issuers=OTHERS, unmatched="refuse")["authorization_servers"] == servers


def test_templates_clusters_and_the_same_issuer_twice_are_no_places_to_log_in() -> None:
    issuers = (
        Issuer(issuer="https://login.example/{tid}/v2.0", audience=TOOLS, tenants=("a",), name="many"),
        Issuer(issuer="https://cluster.example", audience=TOOLS, preset="kubernetes", name="cluster"),
        Issuer(issuer=LOGIN, audience=TOOLS, jwks_url="https://login.example/one", name="one"),
        Issuer(issuer=LOGIN, audience=TOOLS, jwks_url="https://login.example/two", name="two"),
    )
    assert document(issuers=issuers)["authorization_servers"] == [LOGIN]


HEADER = CredentialPlace(header="X-Access-Token")
QUERY = CredentialPlace(query="access_token")


@pytest.mark.parametrize(
    ("routes", "settings", "methods"),
    [
        (({"path": "/mcp"},), {}, ["header"]),
        (({"path": "/mcp"},), {"credentials": ("authorization", HEADER)}, ["header"]),
        (({"path": "/mcp"},), {"credentials": (HEADER,)}, []),
        # RFC 6750 section 2.3 has one name for the parameter.
        (({"path": "/mcp"},), {"credentials": ("authorization", QUERY)}, ["header", "query"]),
        (({"path": "/mcp"},), {"credentials": ("authorization", CredentialPlace(query="token"))}, ["header"]),
        (({"path": "/mcp/a"}, {"path": "/mcp/b", "credentials": (QUERY,)}), {}, []),
        (({"path": "/mcp", "credentials": ("authorization",)},), {"credentials": (HEADER,)}, ["header"]),
        # What one of its routes does not take is no method of the resource.
        (({"path": "/mcp/a"}, {"path": "/mcp/b", "credentials": (HEADER,)}), {}, []),
        (({"path": "/mcp"}, {"path": "/orders", "credentials": (HEADER,)}), {}, ["header"]),
        # It has no route.
        (({"path": "/orders"},), {}, []),
    ],
)
def test_where_a_token_may_stand_is_published(routes: Any, settings: Any, methods: list[str]) -> None:
    assert document(*routes, **settings)["bearer_methods_supported"] == methods


def test_tokens_that_are_bound_to_certificates_are_published_where_they_pass() -> None:
    header = ClientCertificateHeader(name="X-Forwarded-Client-Cert", format="xfcc")
    assert document(client_certificate_header=header)["tls_client_certificate_bound_access_tokens"] is True
    files: dict[str, Any] = {"certificate": "/tls.crt", "key": "/tls.key"}
    for asked in ("optional", "required"):
        tls = ListenerTls(**{**files, "client_ca": "/ca.crt", "client_certificates": asked})
        assert document(tls=tls)["tls_client_certificate_bound_access_tokens"] is True
    assert "tls_client_certificate_bound_access_tokens" not in document(tls=ListenerTls(**files))


def test_proofs_are_published_where_they_pass_and_needed_where_no_token_passes_without() -> None:
    dpop = DPoPSection(algorithms=("ES256", "EdDSA"))
    assert document(dpop=dpop)["dpop_signing_alg_values_supported"] == ["ES256", "EdDSA"]
    assert "dpop_bound_access_tokens_required" not in document(dpop=dpop)

    def issuer(name: str, **settings: Any) -> Issuer:
        return Issuer(issuer=f"https://{name}.example", audience=TOOLS, name=name, **settings)

    bound, free = issuer("bound", binding="dpop"), issuer("free")
    assert document(dpop=dpop, issuers=(bound,))["dpop_bound_access_tokens_required"] is True
    assert "dpop_bound_access_tokens_required" not in document(dpop=dpop, issuers=(bound, free))
    # Of the issuers only those count whose tokens open its routes.
    only = {"path": "/mcp", "issuers": ("bound",)}
    found = document(only, dpop=dpop, issuers=(bound, free), unmatched="refuse")
    assert found["dpop_bound_access_tokens_required"] is True
    other = Issuer(issuer="https://other.example", audience="x", name="other")
    assert document(dpop=dpop, issuers=(bound, other))["dpop_bound_access_tokens_required"] is True
    assert "dpop_bound_access_tokens_required" not in document({"path": "/orders"}, dpop=dpop, issuers=(bound,))


def test_on_loopback_issuers_on_loopback_count_as_well() -> None:
    identifier = "http://127.0.0.1:8080/mcp"
    issuers = (
        Issuer(issuer="http://127.0.0.1:9000", audience=identifier),
        Issuer(issuer="http://a.example", audience=identifier),
    )
    found = documents(issuers=issuers, resources={"tools": {"identifier": identifier}})
    assert found["127.0.0.1", WELL_KNOWN]["authorization_servers"] == ["http://127.0.0.1:9000"]


def test_where_nobody_can_be_named_nobody_is() -> None:
    issuers = (Issuer(issuer="no-url", audience=TOOLS, jwks_file="/jwks.json"),)
    assert document(issuers=issuers) == {"resource": TOOLS, "bearer_methods_supported": ["header"]}
