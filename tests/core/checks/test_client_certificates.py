"""A header for certificates is one that somebody is believed in, and that says nothing else."""

from typing import Any

import pytest

from gateway.core.checks.client_certificates import certificate_problems, certificate_warnings
from gateway.core.checks.problems import problems, warnings
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.file import Config
from gateway.core.config.upstreams import UpstreamSection
from tests.signer import issuer


def config(settings: dict[str, Any] | None, **others: Any) -> Config:
    header = None
    if settings is not None:
        header = ClientCertificateHeader(**{"name": "X-Forwarded-Client-Cert", "format": "xfcc", **settings})
    return Config(
        upstreams={"default": UpstreamSection(url="http://127.0.0.1:1", headers={"X-Static": "a"})},
        issuers=(issuer(),),
        client_certificate_header=header,
        **{"trusted_proxies": ("10.0.0.0/8",), **others},
    )


SOMETHING_ELSE = "name: is a header that says something else"


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (None, []),
        ({}, []),
        ({"element": "first"}, []),
        ({"element": -2}, []),
        ({"element": "first", "format": "base64_der", "name": "X-Forwarded-Tls-Client-Cert"}, []),
        ({"name": "Client-Cert", "format": "rfc9440"}, []),
        ({"name": "ssl-client-cert", "format": "pem"}, []),
        ({"name": "X-My-Certificate", "format": "pem"}, []),
        ({"element": 0}, ["element: must be first, last, or a number: 1 is the first, -1 the last"]),
        ({"format": "pem", "element": "first"}, ["element: has no effect: pem has one certificate"]),
        ({"format": "rfc9440", "element": 1}, ["element: has no effect: rfc9440 has one certificate"]),
        ({"name": ""}, ["name: is not a valid header name: letters, digits and hyphens are"]),
        ({"name": "X Cert"}, ["name: is not a valid header name: letters, digits and hyphens are"]),
        *(({"name": name}, [SOMETHING_ELSE]) for name in ("Authorization", "Host", "X-Forwarded-For", "Forwarded")),
        *(({"name": name}, [SOMETHING_ELSE]) for name in ("x_real_ip", "Content-Type", "X-Gateway-Cert")),
        *(({"name": name}, ["name: is a header that the gateway sets itself"]) for name in ("X-User-Id", "x_static")),
    ],
)
def test_the_header_is_one_of_its_own(settings: dict[str, Any] | None, sentences: list[str]) -> None:
    found = [str(problem) for problem in certificate_problems(config(settings))]
    assert found == [f"client_certificate_header.{sentence}" for sentence in sentences]


def test_somebody_must_be_believed() -> None:
    wrong = config({}, trusted_proxies=())
    sentence = "client_certificate_header: needs trusted_proxies: nobody else's header is believed"
    assert [str(problem) for problem in certificate_problems(wrong)] == [sentence]
    assert sentence in [str(problem) for problem in problems(wrong)]


@pytest.mark.parametrize(
    ("settings", "warns"),
    [
        (None, False),
        ({}, False),
        ({"element": "first"}, False),
        ({"element": 1}, False),
        ({"element": "last"}, True),
        ({"element": -1}, True),
        # A comma in the name of the first moves all that follow.
        ({"element": 2}, True),
        ({"element": -3}, True),
        ({"element": "last", "format": "base64_der"}, False),
    ],
)
def test_an_element_behind_the_first_is_seldom_the_clients(settings: dict[str, Any] | None, *, warns: bool) -> None:
    found = [problem.path for problem in certificate_warnings(config(settings))]
    assert found == (["client_certificate_header.element"] if warns else [])
    assert all(path in [warning.path for warning in warnings(config(settings))] for path in found)


def test_no_header_of_ours_has_the_name_of_one_for_certificates() -> None:
    wrong = config(None, identity_headers={"SSL-Client-S-Dn": "sub"})
    assert [str(problem) for problem in problems(wrong)] == [
        (
            "identity_headers.SSL-Client-S-Dn: cannot be an identity header: SSL-Client-S-Dn is where proxies pass on the "
            "certificate of a client"
        )
    ]
