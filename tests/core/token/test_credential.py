"""Exactly one bearer token, or a refusal that says what is wrong with the request."""

import pytest

from gateway.core.errors import (
    MalformedCredential,
    MisplacedToken,
    MissingCredential,
    MultipleCredentials,
    Refusal,
    TokenTooLarge,
)
from gateway.core.token.credential import find_credential, is_ours, presumed_token


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer abc",
        b"bearer abc",
        b"BEARER abc",
        b"bEaReR abc",
        b"Bearer   abc",
        b" \tBearer abc\t ",
    ],
)
def test_the_scheme_is_read_in_any_case(value: bytes) -> None:
    assert find_credential([value], token_bytes=3).token == b"abc"


@pytest.mark.parametrize("token", [b"a", b"a.b.c", b"aZ09-._~+/", b"abc==", b"bearer"])
def test_a_token68_is_taken_as_it_is(token: bytes) -> None:
    assert find_credential([b"Bearer " + token], token_bytes=100).token == token


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ([], MissingCredential),
        ([b""], MissingCredential),
        ([b" "], MissingCredential),
        ([b"Basic YWxpY2U6c2VjcmV0"], MissingCredential),
        ([b'Digest username="bearer", uri="/"'], MissingCredential),
        ([b"DPoP abc"], MissingCredential),
        ([b"BearerToken abc"], MissingCredential),
        ([b"Bearer2 abc"], MissingCredential),
        ([b"abc"], MissingCredential),
        ([b"\xff\xfe abc"], MissingCredential),
        ([b"Basic abc, Bearer2 abc"], MissingCredential),
        ([b"Bearer"], MalformedCredential),
        ([b"Bearer "], MalformedCredential),
        ([b"Bearer\tabc"], MalformedCredential),
        ([b"Bearer:abc"], MalformedCredential),
        ([b"Bearer=abc"], MalformedCredential),
        ([b"Bearer a b"], MalformedCredential),
        ([b"Bearer \tabc"], MalformedCredential),
        ([b'Bearer "abc"'], MalformedCredential),
        ([b"Bearer token=abc;"], MalformedCredential),
        ([b"Bearer ="], MalformedCredential),
        ([b"Bearer =abc"], MalformedCredential),
        ([b"Bearer a=b"], MalformedCredential),
        ([b"Bearer a\x00b"], MalformedCredential),
        ([b"Bearer a\xffb"], MalformedCredential),
        ([b"Bearer a\nb"], MalformedCredential),
        ([b"Bearer abc\n"], MalformedCredential),
        ([b"Bearer a%20b"], MalformedCredential),
        ([b"Bearer Bearer abc"], MalformedCredential),
        ([b"Bearer abc", b"Bearer abc"], MultipleCredentials),
        ([b"Basic abc", b"Bearer abc"], MultipleCredentials),
        ([b"", b"Bearer abc"], MultipleCredentials),
        ([b"Bearer abc, Bearer def"], MultipleCredentials),
        ([b"Bearer abc,Basic def"], MultipleCredentials),
        ([b"Bearer abc,"], MultipleCredentials),
        ([b"Basic abc, Bearer def"], MultipleCredentials),
        ([b"Basic abc,\tbearer def"], MultipleCredentials),
        ([b"Basic abc,bearer"], MultipleCredentials),
        ([b"Bearer " + b"a" * 101], TokenTooLarge),
    ],
)
def test_anything_but_one_bearer_token_is_refused(values: list[bytes], refusal: type[Refusal]) -> None:
    with pytest.raises(Refusal) as caught:
        find_credential(values, token_bytes=100)
    assert type(caught.value) is refusal


def test_a_token_of_exactly_the_limit_passes() -> None:
    assert len(find_credential([b"Bearer " + b"a" * 100], token_bytes=100).token) == 100


def test_evidence_quotes_nothing_of_the_header() -> None:
    for value in (b"Bearer secret secret", b"Bearer secret,secret", b"Secret secret"):
        with pytest.raises(Refusal) as caught:
            find_credential([value], token_bytes=100)
        assert b"secret" not in caught.value.evidence.encode()


def test_a_hostile_header_costs_one_pass() -> None:
    for hostile in (b"Basic " + b", " * 500_000, b"Basic ," + b" " * 1_000_000, b"Bearer " + b"a=" * 500_000):
        with pytest.raises(Refusal):
            find_credential([hostile], token_bytes=100)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Bearer abc", True), (b"bearer", True), (b"\t BEARER\tabc", True), (b"Bearer:abc", True), (b"Bearer2 abc", True),
        (b"Basic x, Bearer y", True), (b"DPoP abc", True), (b"dpop", True), (b"Basic x,DPOP y", True), (b"Basic abc", False), (b"", False), (b"Bear er", False), (b'Digest username="bearer"', False),
    ],
)  # fmt: skip
def test_what_may_be_a_token_for_us_is_told_from_other_credentials(value: bytes, *, expected: bool) -> None:
    assert is_ours(value) is expected


@pytest.mark.parametrize("value", [b"Bearer abc", b"Bearer   abc", b"bearer abc", b"BEARER  abc", b" \tBearer abc\t "])
def test_a_token_is_presumed_where_it_is_found(value: bytes) -> None:
    assert presumed_token([value], token_bytes=3) == find_credential([value], token_bytes=3).token


@pytest.mark.parametrize("value", [b"Bearer a,b", b"Bearer a b", b"Bearer ", b"Bearer a\xff", b"Bearer " + b"a" * 9])
def test_what_is_presumed_is_not_checked(value: bytes) -> None:
    """It is only looked for among what was; nothing that is refused can be there."""
    assert presumed_token([value], token_bytes=3) == value[7:].strip()
    with pytest.raises(Refusal):
        find_credential([value], token_bytes=3)


@pytest.mark.parametrize("values", [[], [b"Bearer a", b"Bearer a"], [b"Basic a"], [b"bearer a,b"]])
def test_where_nobody_would_look_nothing_is_presumed(values: list[bytes]) -> None:
    with pytest.raises(Refusal):
        presumed_token(values, token_bytes=3)


@pytest.mark.parametrize("value", [b"DPoP abc", b"dpop abc", b" DPOP  abc "])
def test_a_token_under_the_scheme_dpop_is_taken_where_that_is_configured(value: bytes) -> None:
    found = find_credential([value], token_bytes=3, dpop=True)
    assert (found.token, found.scheme, found.place) == (b"abc", "DPoP", "Authorization")
    assert presumed_token([value], token_bytes=3, dpop=True) == b"abc"
    with pytest.raises(MissingCredential):
        find_credential([value], token_bytes=3)
    assert find_credential([b"Bearer abc"], token_bytes=3, dpop=True).scheme == "Bearer"


@pytest.mark.parametrize(
    ("values", "refusal", "scheme"),
    [
        ([b"DPoP"], MisplacedToken, "DPoP"),
        ([b"DPoP "], MisplacedToken, "DPoP"),
        ([b"DPoP\tabc"], MisplacedToken, "DPoP"),
        ([b"DPoP=abc"], MisplacedToken, "DPoP"),
        ([b"DPoP a b"], MisplacedToken, "DPoP"),
        ([b"DPoP a\xff"], MisplacedToken, "DPoP"),
        ([b"DPoP abc, DPoP def"], MultipleCredentials, "DPoP"),
        ([b"DPoP abc,Bearer def"], MultipleCredentials, "DPoP"),
        ([b"DPoP " + b"a" * 101], TokenTooLarge, "DPoP"),
        ([b"Basic abc, dpop def"], MultipleCredentials, "Bearer"),
        ([b"Bearer abc, DPoP def"], MultipleCredentials, "Bearer"),
        ([b"DPoP abc", b"Bearer abc"], MultipleCredentials, "Bearer"),
        ([b"DPoP2 abc"], MissingCredential, "Bearer"),
        ([b"DPoPa abc"], MissingCredential, "Bearer"),
        ([b"Bearer"], MalformedCredential, "Bearer"),
    ],
)
def test_anything_but_one_token_is_refused_under_either_scheme(
    values: list[bytes], refusal: type[Refusal], scheme: str
) -> None:
    with pytest.raises(Refusal) as caught:
        find_credential(values, token_bytes=100, dpop=True)
    assert (type(caught.value), caught.value.scheme) == (refusal, scheme)
    # It came under the word that everybody uses, or it is told otherwise.
    assert isinstance(caught.value, MisplacedToken) == (refusal is MisplacedToken)


def test_a_token_says_where_it_stood() -> None:
    assert find_credential([b"bearer abc"], token_bytes=3, place="X-Access-Token").place == "X-Access-Token"
    assert repr(find_credential([b"Bearer abc"], token_bytes=3)) == "Credential(Bearer, in Authorization)"
