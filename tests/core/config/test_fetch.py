"""How an issuer is asked, and what preset kubernetes says of that where the file does not."""

from typing import Any

import pytest

from gateway.core.config.fetch import Fetch
from gateway.core.config.issuers import Issuer, proxy_of
from gateway.core.config.secret import Secret

POD = "/var/run/secrets/kubernetes.io/serviceaccount"
CLUSTER = "https://kubernetes.default.svc.cluster.local"


def issuer(**settings: Any) -> Issuer:
    return Issuer(**{"issuer": CLUSTER, "audience": "orders", "preset": "kubernetes", **settings})


def test_preset_kubernetes_asks_the_cluster_of_the_gateway_s_own_pod() -> None:
    made = issuer()
    assert made.jwks_url == "https://kubernetes.default.svc/openid/v1/jwks"
    assert made.ca_file == f"{POD}/ca.crt"
    assert made.fetch == Fetch(authorization=Secret(file=f"{POD}/token"), origin="https://kubernetes.default.svc")


@pytest.mark.parametrize("source", ["jwks_url", "jwks_file", "discovery_url"])
def test_where_the_file_says_where_keys_are_the_preset_says_nothing(source: str) -> None:
    made = issuer(**{source: "https://keys.example"})
    assert (made.ca_file, made.fetch) == (None, None)


def test_what_the_file_says_of_the_cluster_counts() -> None:
    token = Secret(file="/run/token")
    fetch = Fetch(authorization=token, origin="https://10.0.0.1:6443", proxy="http://egress:3128")
    made = issuer(fetch=fetch, ca_file="/run/ca.crt")
    assert made.jwks_url == "https://10.0.0.1:6443/openid/v1/jwks"
    assert (made.ca_file, made.fetch) == ("/run/ca.crt", fetch)
    assert proxy_of(made) == "http://egress:3128"


def test_no_other_preset_says_where_keys_are() -> None:
    made = issuer(preset="keycloak")
    assert (made.jwks_url, made.ca_file, made.fetch, proxy_of(made)) == (None, None, None, None)
