from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection


def test_an_upstream_without_more_is_the_short_form() -> None:
    upstream = UpstreamSection(url="http://a")
    assert (upstream.keepalive, upstream.pool_timeout) == (Seconds(60), Seconds(5))
    assert upstream.max_age == Seconds(300)
    assert upstream.max_connections == 256
    assert (upstream.tls, upstream.authorization, upstream.headers) == (None, "drop", {})


def test_a_credential_says_where_its_secret_is() -> None:
    credential = UpstreamCredential(basic=BasicCredential(user="a", password=Secret(env="PASSWORD")))
    assert "PASSWORD" in repr(credential)
