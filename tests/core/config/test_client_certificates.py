"""`client_certificate_header` takes a format by name, and an element by word or number."""

from typing import Any

import pytest

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.conversion import convert

ELEMENT = "client_certificate_header.element: must be first or last or a whole number, not "


@pytest.mark.parametrize("element", ["first", "last", 1, -2, None])
def test_an_element_is_a_word_or_a_number(element: str | int | None) -> None:
    values = {"name": "X-Forwarded-Client-Cert", "format": "xfcc", "element": element}
    converted = convert({"issuers": [], "upstream": "http://a", "client_certificate_header": values})
    assert converted.problems == ()
    assert converted.config.client_certificate_header == ClientCertificateHeader(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"element": "middle"}, ELEMENT + "this text"),
        ({"element": True}, ELEMENT + "true"),
        (
            {"format": "der"},
            "client_certificate_header.format: must be base64_der, pem, rfc9440 or xfcc, not this text",
        ),
        ({"header": "a"}, "client_certificate_header.header: is not a key here"),
    ],
)
def test_anything_else_is_a_problem(values: dict[str, Any], problem: str) -> None:
    whole = {"name": "a", "format": "xfcc", **values}
    converted = convert({"issuers": [], "upstream": "http://a", "client_certificate_header": whole})
    assert [str(found) for found in converted.problems] == [problem]
