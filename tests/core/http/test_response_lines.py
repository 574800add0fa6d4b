"""What we say in a response is said once, whoever made the response."""

import pytest

from gateway.core.http.response_lines import NO_STORE, WITHOUT_NONCE, with_lines

VARY = (b"Vary", b"Origin")
ALLOWED = (b"Access-Control-Allow-Origin", b"https://app.example.com")
NONCE = (b"DPoP-Nonce", b"1")


def test_a_response_of_a_route_without_cors_is_left_alone() -> None:
    response = [(b"Access-Control-Allow-Origin", b"*"), (b"Vary", b"Accept")]
    assert with_lines(list(response), ()) == response


def test_what_the_api_says_of_cors_is_replaced() -> None:
    response = [
        (b"access-control-allow-origin", b"*"),
        (b"ETag", b"1"),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"ACCESS-CONTROL-EXPOSE-HEADERS", b"*"),
    ]
    assert with_lines(response, (VARY, ALLOWED)) == [(b"ETag", b"1"), VARY, ALLOWED]
    assert with_lines(response, (VARY,)) == [(b"ETag", b"1"), VARY]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [b"Origin"]),
        ([b"Accept-Encoding"], [b"Accept-Encoding, Origin"]),
        ([b"Accept", b"Cookie"], [b"Accept, Origin", b"Cookie"]),
        ([b"Accept, origin"], [b"Accept, origin"]),
        ([b"Accept", b"ORIGIN"], [b"Accept", b"ORIGIN"]),
        ([b"*"], [b"*"]),
        ([b""], [b"Origin"]),
        ([b"Origin-Agent"], [b"Origin-Agent, Origin"]),
    ],
)
def test_the_apis_vary_names_the_origin_once(before: list[bytes], after: list[bytes]) -> None:
    response = [(b"vary", value) for value in before]
    merged = with_lines(response, (VARY,))
    assert [value for _, value in merged] == after
    assert response == [(b"vary", value) for value in before]


def test_what_the_api_says_in_place_of_a_line_of_ours_goes_and_nothing_else() -> None:
    response = [(b"dpop-nonce", b"2"), (b"Access-Control-Allow-Origin", b"*"), (b"DPoP-Nonce", b"3"), (b"ETag", b"1")]
    assert with_lines(response, (NONCE,)) == [(b"Access-Control-Allow-Origin", b"*"), (b"ETag", b"1"), NONCE]
    assert with_lines(response, (VARY, NONCE)) == [(b"ETag", b"1"), VARY, NONCE]


def test_what_a_response_depends_on_says_nothing_of_cors_unless_it_is_the_origin() -> None:
    response = [(b"Access-Control-Allow-Origin", b"*"), (b"Vary", b"Accept")]
    merged = with_lines(response, ((b"Vary", b"Authorization"),))
    assert merged == [(b"Access-Control-Allow-Origin", b"*"), (b"Vary", b"Accept, Authorization")]


def test_nobody_keeps_a_response_of_which_the_api_does_not_say_that_it_may_be_kept() -> None:
    assert with_lines([(b"ETag", b"1")], (NONCE, NO_STORE)) == [(b"ETag", b"1"), NONCE, NO_STORE]
    kept = [(b"cache-control", b"max-age=60"), (b"ETag", b"1")]
    assert with_lines(list(kept), (NONCE, NO_STORE)) == [*kept, NONCE]


def test_a_line_without_a_value_takes_the_place_of_what_the_api_says_and_is_not_written() -> None:
    assert with_lines([(b"DPoP-NONCE", b"2"), (b"ETag", b"1")], WITHOUT_NONCE) == [(b"ETag", b"1")]
