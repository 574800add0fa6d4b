"""What each way of authentication adds to a request."""

from base64 import b64decode
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.core.config.client_authentication import ClientAuthentication, ClientCertificate
from gateway.core.config.secret import Secret
from gateway.remote.authentication import Authentication, Credentials

SECRET = Secret(file="s")
NOW = 1_800_000_000.0


def authentication(secret: str = "sesame", **section: Any) -> Authentication:
    return Authentication(
        ClientAuthentication(**section), read=lambda _: secret, audience="https://i.example", clock=lambda: NOW
    )


def test_basic_encodes_name_and_secret_as_forms_do_first() -> None:
    credentials = authentication("p:ä+ %/", client_id="the client:1", client_secret=SECRET).credentials()
    assert credentials.form == {}
    scheme, _, value = credentials.headers["Authorization"].partition(" ")
    assert (scheme, b64decode(value)) == ("Basic", b"the+client%3A1:p%3A%C3%A4%2B+%25%2F")


def test_post_puts_them_into_the_form() -> None:
    credentials = authentication(client_id="g", client_secret=SECRET, auth="client_secret_post").credentials()
    assert credentials == Credentials({"client_id": "g", "client_secret": "sesame"}, {})


def test_a_certificate_is_sent_with_the_name_alone() -> None:
    made = authentication(client_id="g", tls=ClientCertificate(certificate="c", key="k"))
    assert made.credentials() == Credentials({"client_id": "g"}, {})
    assert made.certificate == ("c", "k")


def test_a_bearer_token_and_nothing() -> None:
    assert authentication(bearer=SECRET).credentials() == Credentials({}, {"Authorization": "Bearer sesame"})
    assert authentication(auth="none").credentials() == Credentials({}, {})
    assert authentication(auth="none").certificate is None


def test_what_signs_is_read_anew_and_signs_something_new_each_time() -> None:
    keys = [ECKey.generate_key("P-256"), ECKey.generate_key("P-256")]
    text = keys[0].as_pem(private=True).decode()
    made = Authentication(
        ClientAuthentication(client_id="g", key=SECRET, assertion_audience="https://i.example/introspect"),
        read=lambda _: text,
        audience="https://i.example",
        clock=lambda: NOW,
    )

    def claims(key: ECKey) -> dict[str, Any]:
        form = made.credentials().form
        assert form["client_id"] == "g"
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return jwt.decode(form["client_assertion"], key, algorithms=["ES256"]).claims

    first, second = claims(keys[0]), claims(keys[0])
    assert first["jti"] != second["jti"]
    assert first["aud"] == "https://i.example/introspect"
    text = keys[1].as_pem(private=True).decode()
    assert claims(keys[1])["sub"] == "g"
    text = "spoilt"
    with pytest.raises(ValueError, match="must hold a private key"):
        made.credentials()


def test_nothing_of_a_secret_is_shown() -> None:
    made = authentication(client_id="g", client_secret=SECRET)
    assert repr(made) == "Authentication(client_secret_basic, client 'g')"
