"""Which way of authentication what is given is for."""

import pytest

from gateway.core.config.client_authentication import (
    AUTH_METHODS,
    AuthMethod,
    ClientAuthentication,
    ClientCertificate,
    auth_of,
)
from gateway.core.config.secret import Secret

SECRET = Secret(file="s")
TLS = ClientCertificate(certificate="c", key="k")


@pytest.mark.parametrize(
    ("section", "method"),
    [
        (ClientAuthentication(), "client_secret_basic"),
        (ClientAuthentication(client_secret=SECRET), "client_secret_basic"),
        (ClientAuthentication(client_secret=SECRET, tls=TLS), "client_secret_basic"),
        (ClientAuthentication(key=SECRET, tls=TLS), "private_key_jwt"),
        (ClientAuthentication(tls=TLS), "tls_client_auth"),
        (ClientAuthentication(bearer=SECRET), "bearer"),
        (ClientAuthentication(auth="none"), "none"),
        (ClientAuthentication(client_secret=SECRET, auth="client_secret_post"), "client_secret_post"),
    ],
)
def test_the_method_is_that_which_is_named_or_what_is_given_is_for(
    section: ClientAuthentication, method: AuthMethod
) -> None:
    assert auth_of(section) == method
    assert method in AUTH_METHODS
