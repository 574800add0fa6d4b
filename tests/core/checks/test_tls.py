"""TLS that asks for certificates knows whose, and one that asks for none has nobody to name."""

from typing import Any

import pytest

from gateway.core.checks.problems import notes, problems, warnings
from gateway.core.checks.tls import tls_notes, tls_problems, tls_warnings
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.file import Config
from gateway.core.config.tls import ListenerTls
from tests.signer import issuer

ASKS = {"client_ca": "clients.pem", "client_certificates": "optional"}


def config(settings: dict[str, Any] | None, **others: Any) -> Config:
    tls = None if settings is None else ListenerTls(**{"certificate": "tls.crt", "key": "tls.key", **settings})
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), tls=tls, **others)


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (None, []),
        ({}, []),
        (ASKS, []),
        ({**ASKS, "client_certificates": "required"}, []),
        ({"certificate": ""}, ["certificate: must not be empty"]),
        ({"key": ""}, ["key: must not be empty"]),
        ({**ASKS, "client_ca": ""}, ["client_ca: must not be empty"]),
        ({**ASKS, "client_ca": None}, ["client_ca: is required where clients are asked for certificates"]),
        ({**ASKS, "client_certificates": "none"}, ["client_ca: has no effect: client_certificates is none"]),
    ],
)
def test_what_is_missing_and_what_has_no_effect(settings: dict[str, Any] | None, sentences: list[str]) -> None:
    wrong = config(settings)
    found = [str(problem) for problem in tls_problems(wrong)]
    assert found == [f"tls.{sentence}" for sentence in sentences]
    assert [str(problem) for problem in problems(wrong)] == found


HEADER = ClientCertificateHeader(name="Client-Cert", format="rfc9440")


@pytest.mark.parametrize(
    ("settings", "others", "warns", "has_note"),
    [
        (None, {}, False, False),
        ({}, {"trusted_proxies": ("10.0.0.0/8",)}, False, False),
        (ASKS, {}, False, True),
        (ASKS, {"trusted_proxies": ("10.0.0.0/8",)}, True, True),
        (ASKS, {"trusted_proxies": ("10.0.0.0/8",), "client_certificate_header": HEADER}, False, True),
    ],
)
def test_a_proxy_between_clients_and_tls_is_told_of(
    settings: dict[str, Any] | None, others: dict[str, Any], *, warns: bool, has_note: bool
) -> None:
    configured = config(settings, **others)
    path = ["tls.client_certificates"]
    assert [warning.path for warning in tls_warnings(configured)] == path * warns
    assert [note.path for note in tls_notes(configured)] == path * has_note
    assert (path[0] in [warning.path for warning in warnings(configured)]) is warns
    assert (path[0] in [note.path for note in notes(configured)]) is has_note
