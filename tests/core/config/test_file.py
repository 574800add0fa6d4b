import pytest

from gateway.core.config.file import Config, identity_headers_of, upstreams_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityHeader
from gateway.core.config.issuers import Issuer, audiences_of, issuer_name
from gateway.core.config.upstreams import UpstreamSection


def an_issuer(issuer: str = "https://issuer.example/", **rest: object) -> Issuer:
    return Issuer(**{"issuer": issuer, "audience": "api", **rest})  # type: ignore[arg-type]


def a_config(**rest: object) -> Config:
    return Config(**{"upstream": "http://127.0.0.1:3000", "issuers": (an_issuer(),), **rest})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("issuer", "name"),
    [
        (an_issuer("https://Tenant.Example/a"), "tenant.example"),
        (an_issuer("https://tenant.example:8443"), "tenant.example"),
        (an_issuer("tenant", jwks_file="keys.json"), "tenant"),
        (an_issuer("https://[tenant", jwks_file="keys.json"), "https://[tenant"),
        (an_issuer("https://tenant.example", name="staff"), "staff"),
    ],
)
def test_an_issuer_is_called_by_its_name_else_its_host_else_itself(issuer: Issuer, name: str) -> None:
    assert issuer_name(issuer) == name


def test_one_audience_and_a_list_of_audiences_read_alike() -> None:
    assert audiences_of(an_issuer(audience="a")) == ("a",)
    assert audiences_of(an_issuer(audience=("a", "b"))) == ("a", "b")


def test_without_the_key_the_three_default_identity_headers_are_set() -> None:
    assert identity_headers_of(a_config()) == DEFAULT_IDENTITY_HEADERS
    assert list(DEFAULT_IDENTITY_HEADERS) == ["X-User-Id", "X-Client-Id", "X-Token-Scopes"]


def test_giving_the_key_replaces_the_default_identity_headers() -> None:
    assert identity_headers_of(a_config(identity_headers={})) == {}


def test_the_short_forms_of_an_identity_header_name_its_claim() -> None:
    long = IdentityHeader(source="client", required=True)
    config = a_config(identity_headers={"X-A": "sub", "X-B": ("realm_access", "roles"), "X-C": long})
    assert identity_headers_of(config) == {
        "X-A": IdentityHeader(claim="sub"),
        "X-B": IdentityHeader(claim=("realm_access", "roles")),
        "X-C": long,
    }


def test_the_short_form_of_the_upstream_is_the_default_one() -> None:
    short, shop = UpstreamSection(url="http://127.0.0.1:3000"), UpstreamSection(url="http://shop")
    assert upstreams_of(a_config()) == {"default": short}
    assert upstreams_of(a_config(upstreams={"shop": shop})) == {"default": short, "shop": shop}
    assert upstreams_of(a_config(upstream=None, upstreams={"default": shop})) == {"default": shop}
    assert upstreams_of(a_config(upstream=None)) == {}
