import pytest

from gateway.core.http.private import private_lines, unshared_lines


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], b"private"),
        ([b"public, max-age=60"], b"max-age=60, private"),
        ([b"Public", b"s-maxage=10 , max-age=60"], b"max-age=60, private"),
        ([b"s-maxage=10"], b"private"),
        ([b"no-store"], b"no-store"),
        ([b"PRIVATE, max-age=1"], b"PRIVATE, max-age=1"),
        ([b"public, no-store"], b"no-store"),
        ([b'private="Set-Cookie, X", max-age=1'], b'private="Set-Cookie, X", max-age=1, private'),
        ([b'no-cache="a, public", ,'], b'no-cache="a, public", private'),
        ([b'x="public'], b'x="public, private'),
    ],
)
def test_no_cache_may_share_it(values: list[bytes], expected: bytes) -> None:
    lines = private_lines([(b"cache-control", value) for value in values])
    assert lines == ((b"Cache-Control", expected),)


def test_caches_that_are_told_by_other_names_are_told_too() -> None:
    headers = [(b"CDN-Cache-Control", b"max-age=60"), (b"Surrogate-Control", b"x"), (b"X-Accel-Expires", b"60")]
    assert private_lines([(b"Date", b"x"), *headers, headers[0]]) == (
        (b"Cache-Control", b"private"),
        (b"CDN-Cache-Control", b"no-store"),
        (b"Surrogate-Control", b"no-store"),
        (b"X-Accel-Expires", b"0"),
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], b"private"),
        ([b"max-age=60", b"immutable"], b"max-age=60, immutable, private"),
        ([b"no-cache"], b"no-cache, private"),
        ([b"public"], None),
        ([b"max-age=60, S-MaxAge=10"], None),
        ([b"must-revalidate"], None),
        ([b"private"], None),
        ([b'private="Set-Cookie"'], None),
        ([b"no-store"], None),
    ],
)
def test_without_authorization_a_cache_is_told_what_that_would_have_told_it(
    values: list[bytes], expected: bytes | None
) -> None:
    lines = unshared_lines([(b"Cache-Control", value) for value in values])
    assert lines == (() if expected is None else ((b"Cache-Control", expected),))
