"""What each way of authentication needs, and what has no effect beside it."""

import pytest

from gateway.core.checks.client_authentication import authentication_problems
from gateway.core.config.client_authentication import ClientAuthentication, ClientCertificate
from gateway.core.config.secret import Secret

SECRET = Secret(file="s")
TLS = ClientCertificate(certificate="c", key="k")


@pytest.mark.parametrize(
    "section",
    [
        ClientAuthentication(client_id="gateway", client_secret=SECRET),
        ClientAuthentication(client_id="gateway", client_secret=SECRET, auth="client_secret_post", tls=TLS),
        ClientAuthentication(client_id="gateway", key=SECRET, key_id="k", assertion_audience="https://i.example"),
        ClientAuthentication(client_id="gateway", tls=TLS),
        ClientAuthentication(bearer=SECRET),
        ClientAuthentication(auth="none"),
    ],
)
def test_what_is_whole_is_sound(section: ClientAuthentication) -> None:
    assert list(authentication_problems(section)) == []


@pytest.mark.parametrize(
    ("section", "problems"),
    [
        (
            ClientAuthentication(client_id="gateway"),
            ["client_secret is required for client_secret_basic; or auth names another way"],
        ),
        (ClientAuthentication(key=SECRET), ["client_id is required for private_key_jwt; or auth names another way"]),
        (
            ClientAuthentication(client_id="", client_secret=SECRET, bearer=SECRET, auth="client_secret_post"),
            ["client_id must not be empty", "bearer has no effect with client_secret_post; one of them must go"],
        ),
        (
            ClientAuthentication(client_id="g", auth="tls_client_auth"),
            ["tls is required for tls_client_auth"],
        ),
        (
            ClientAuthentication(client_id="g", tls=ClientCertificate(certificate="", key="")),
            ["tls.certificate must not be empty", "tls.key must not be empty"],
        ),
        (
            ClientAuthentication(client_secret=SECRET, auth="none"),
            ["client_secret has no effect with none; one of them must go"],
        ),
    ],
)
def test_what_is_missing_or_has_no_effect_is_told(section: ClientAuthentication, problems: list[str]) -> None:
    assert [f"{key} {sentence}" for key, sentence in authentication_problems(section)] == problems
