from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import BasicCredential, Secret, UpstreamCredential, UpstreamSection


def test_where_a_secret_is_can_be_the_key_of_what_it_is() -> None:
    secrets = {Secret(file="/run/a"): "one", Secret(env="A"): "two"}
    assert secrets[Secret(file="/run/a")] == "one"
    assert secrets[Secret(env="A")] == "two"
    assert Secret(env="/run/a") not in secrets


def test_an_upstream_without_more_is_the_short_form() -> None:
    upstream = UpstreamSection(url="http://a")
    assert (upstream.keepalive, upstream.pool_timeout) == (Seconds(60), Seconds(5))
    assert upstream.max_age == Seconds(300)
    assert upstream.max_connections == 256
    assert (upstream.tls, upstream.authorization, upstream.headers) == (None, "drop", {})


def test_a_credential_says_where_its_secret_is() -> None:
    credential = UpstreamCredential(basic=BasicCredential(user="a", password=Secret(env="PASSWORD")))
    assert "PASSWORD" in repr(credential)
