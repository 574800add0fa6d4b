"""What may be asked for, how it is called in sentences, and that whoever only reads files imports no client."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core.config.issuers import Issuer
from gateway.remote.fetched import FetchFailed, parse_fetchable, shown_address


@pytest.mark.parametrize(
    ("issuer", "allow_http", "address", "allowed"),
    [
        ("https://id.example", False, "https://id.example/x", True),
        ("https://id.example", False, "https://keys.example/x", True),
        ("https://id.example", False, "http://id.example/x", False),
        ("http://id.example", False, "http://id.example/x", False),
        ("http://id.example", True, "http://id.example/x", True),
        ("https://id.example", False, "http://127.0.0.1/x", False),
        ("https://id.example", False, "http://localhost/x", False),
        ("http://127.0.0.1:9000", False, "http://127.0.0.1:9000/x", True),
        ("http://localhost:9000", False, "http://[::1]:9000/x", True),
        ("http://localhost:9000", False, "http://localhost.evil.example/x", False),
        ("http://localhost:9000", False, "http://127.0.0.1@evil.example/x", False),
        ("http://localhost:9000", False, "http://id.example/x", False),
        ("a name", True, "ftp://id.example/x", False),
        ("a name", True, "file:///etc/passwd", False),
        ("a name", True, "http://", False),
        ("a name", True, "/x", False),
        ("a name", True, "http://[::1", False),
        ("a name", True, "", False),
    ],
)
def test_plain_http_is_for_loopback_issuers_on_loopback_or_where_it_is_allowed(
    *, issuer: str, allow_http: bool, address: str, allowed: bool
) -> None:
    configured = Issuer(issuer=issuer, audience="a", allow_http=allow_http)
    if allowed:
        assert parse_fetchable(address, configured)
    else:
        with pytest.raises(FetchFailed):
            parse_fetchable(address, configured)


def test_an_address_is_shown_without_user_and_query_and_in_printable_ascii() -> None:
    assert shown_address("https://u:p@id.example/x?key=1#f") == "https://id.example/x"
    # What nobody could ask, for the signs in the password.
    for text in (
        "https://u:p/w@id.example/x",
        "https://u:p#w@id.example/x",
        "https://u:p?w@id.example/x",
        "https:/u:p@id.example/x",
    ):
        assert shown_address(text).endswith("id.example/x")
        assert "u:" not in shown_address(text)
    shown = shown_address("nö\r\n\x1b[31m" + "x" * 1_000)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 200


def test_keys_in_a_file_need_no_client() -> None:
    code = (
        "import sys; from gateway.core.config.issuers import Issuer; from gateway.remote.keys.discovery import Publisher; "
        "Publisher(Issuer(issuer='https://a', audience='b', jwks_file='c')); print('aiohttp' in sys.modules); "
        "Publisher(Issuer(issuer='https://a', audience='b')); print('aiohttp' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
