import pytest

from gateway.core.http.grammar import FIELD_NAME, METHOD, is_token68


@pytest.mark.parametrize("name", ["X-User-Id", "x", "!#$%&'*+.^_`|~9"])
def test_the_name_of_a_field_is_a_token(name: str) -> None:
    assert FIELD_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "X User", "X:", "X\n", "\u00fc", '"X"', "X(1)"])
def test_what_is_no_token_names_no_field(name: str) -> None:
    assert not FIELD_NAME.fullmatch(name)


@pytest.mark.parametrize(
    ("method", "fits"), [("GET", True), ("M-SEARCH", True), ("get", False), ("-A", False), ("", False)]
)
def test_a_method_is_written_in_capitals(method: str, *, fits: bool) -> None:
    assert bool(METHOD.fullmatch(method)) is fits


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (b"a", True),
        (b"aZ09-._~+/", True),
        (b"a==", True),
        (b"", False),
        (b"=", False),
        (b"a=b", False),
        (b"a b", False),
        (b"a,b", False),
        (b"a\n", False),
        (b"\xc3\xbc", False),
    ],
)
def test_a_token68_is_one_run_of_its_characters(value: bytes, *, fits: bool) -> None:
    assert is_token68(value) is fits
