"""`tls` takes files and words, and has neither by default."""

import pytest

from gateway.core.config.conversion import convert
from gateway.core.config.tls import ListenerTls


def test_the_short_form_asks_nobody_for_a_certificate() -> None:
    values = {"certificate": "tls.crt", "key": "tls.key"}
    converted = convert({"issuers": [], "upstream": "http://a", "tls": values})
    assert converted.problems == ()
    assert converted.config.tls == ListenerTls(certificate="tls.crt", key="tls.key")
    assert not converted.config.tls.asks
    assert convert({"issuers": [], "upstream": "http://a"}).config.tls is None


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"certificate": "a"}, "tls.key: is required"),
        ({"certificate": "a", "key": "b", "min_version": 1.2}, "tls.min_version: must be 1.2 or 1.3, not 1.2"),
        (
            {"certificate": "a", "key": "b", "client_certificates": "maybe"},
            "tls.client_certificates: must be none, optional or required, not this text",
        ),
    ],
)
def test_anything_else_is_a_problem(values: dict[str, object], problem: str) -> None:
    converted = convert({"issuers": [], "upstream": "http://a", "tls": values})
    assert [str(found) for found in converted.problems] == [problem]
