import pytest

from gateway.core.http.header_names import is_forwarding


@pytest.mark.parametrize(
    ("name", "forwards"),
    [
        *((name, True) for name in (b"Forwarded", b"X-Real-IP", b"x_real_ip", b"X-Forwarded", b"X.FORWARDED.ANY")),
        *((name, False) for name in (b"X-Forward", b"XForwardedFor", b"Via", b"X-Real", b"")),
    ],
)
def test_a_forwarding_header_is_one_in_any_spelling(name: bytes, *, forwards: bool) -> None:
    assert is_forwarding(name) is forwards
