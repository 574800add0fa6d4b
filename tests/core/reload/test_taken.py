"""What may go on behind another configuration."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection, UpstreamTls
from gateway.core.reload.taken import authorities_of, identity_settings, is_unchanged, key_source

ISSUER = Issuer(issuer="https://one.test", audience="api", ca_file="/ca")


def config(**settings: Any) -> Config:
    return Config(**{"upstream": "http://127.0.0.1:1", "issuers": (ISSUER,), **settings})


@pytest.mark.parametrize(
    ("setting", "is_another"),
    [
        ({"issuer": "https://two.test"}, True),
        ({"jwks_url": "https://two.test/jwks"}, True),
        ({"jwks_file": "/keys"}, True),
        ({"discovery_url": "https://two.test/d"}, True),
        ({"ca_file": "/other"}, True),
        ({"ca_file": None}, True),
        ({"audience": "other", "leeway": Seconds(1), "name": "x", "jwks_refresh": Seconds(60)}, False),
    ],
)
def test_whose_keys_they_are(setting: dict[str, Any], *, is_another: bool) -> None:
    files = {"/ca": "1"}
    assert (key_source(ISSUER, files) != key_source(replace(ISSUER, **setting), files)) is is_another
    assert key_source(ISSUER, files) != key_source(ISSUER, {"/ca": "2"})


@pytest.mark.parametrize(
    ("setting", "is_another"),
    [
        ({"issuers": (replace(ISSUER, audience="other"),)}, True),
        ({"identity_headers": {"X-A": "sub"}}, True),
        ({"routes": (RouteSection(path="/a", claims={"role": "x"}),)}, True),
        ({"routes": (RouteSection(path="/a", acr=("x",)),)}, True),
        ({"revocation": Revocation()}, True),
        ({"routes": (RouteSection(path="/a", scopes=("x",)),)}, False),
        ({"limits": Limits(connections=1), "realm": "other"}, False),
    ],
)
def test_what_an_identity_depends_on(setting: dict[str, Any], *, is_another: bool) -> None:
    assert (identity_settings(config()) != identity_settings(config(**setting))) is is_another


def test_a_section_is_the_same_while_its_authorities_are() -> None:
    api = UpstreamSection(url="https://a.test", tls=UpstreamTls(ca_file="/api-ca"))
    before = config(upstreams={"a": api})
    files = {"/ca": "1", "/api-ca": "1"}
    assert set(authorities_of(before)) == {"/api-ca", "/ca"}
    assert is_unchanged(before.issuers, before.issuers, files, files)
    assert is_unchanged(before.upstreams, before.upstreams, files, {**files, "/ca": "2"})
    assert not is_unchanged(before.issuers, before.issuers, files, {**files, "/ca": "2"})
    assert not is_unchanged(before.upstreams, before.upstreams, files, {**files, "/api-ca": "2"})
    assert not is_unchanged(api, replace(api, url="https://b.test"), files, files)
    assert is_unchanged("text", "text", files, files)
