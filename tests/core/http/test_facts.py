import pytest

from gateway.core.http.facts import Facts


def facts(target: bytes) -> Facts:
    return Facts(
        method="GET",
        target=target,
        version=(1, 1),
        headers=(),
        authorization=(),
        host=b"api.example.com",
        content_length=None,
        chunked=False,
        scheme="https",
        peer="192.0.2.1",
        trusted=False,
        request_id="r1",
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/orders?q=secret", "/orders"),
        (b"/orders", "/orders"),
        (b"*", "*"),
        (b"/a%20b?c?d", "/a%20b"),
        (b"/\xff?x", "/\\xff"),
        (b"?", ""),
    ],
)
def test_the_path_for_the_log_has_no_query_and_is_ascii(target: bytes, path: str) -> None:
    assert facts(target).path == path
