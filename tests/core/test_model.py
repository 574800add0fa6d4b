"""Frozen values whose repr may stand in a log."""

import pytest

from gateway.core.config import Route
from gateway.core.model import Admission, Credential, Facts, Identity, Verdict
from gateway.core.route import compile_route
from gateway.core.token import parse_token
from tests.signer import key, sign

SECRET = "c2VjcmV0"
LINES = ((b"Cookie", SECRET.encode()),)
ROUTE = compile_route(Route(path="/*"))


def facts(target: bytes = b"/orders?q=1") -> Facts:
    return Facts(
        method="GET",
        target=target,
        version=(1, 1),
        headers=LINES,
        authorization=(f"Bearer {SECRET}".encode(),),
        host=b"api.example.com",
        content_length=None,
        chunked=False,
        scheme="https",
        peer="192.0.2.1",
        trusted=False,
        request_id="r1",
    )


def identity() -> Identity:
    return Identity(
        issuer="local",
        subject="alice",
        client=None,
        scopes=(),
        claims={"email": SECRET},
        expires_at=1.0,
        not_before=None,
        leeway=30.0,
        key="thumbprint",
        verdict=Verdict("access", "header typ is at+jwt"),
        token_id="0123456789ab",
        headers=LINES,
    )


@pytest.mark.parametrize(
    "value",
    [facts(), identity(), Credential(SECRET.encode()), Admission(ROUTE, identity(), b"/", LINES)],
    ids=lambda value: type(value).__name__,
)
def test_repr_shows_no_token_and_no_header_value(value: object) -> None:
    assert SECRET not in repr(value)


def test_repr_of_a_token_shows_neither_claims_nor_signature() -> None:
    token = parse_token(sign())
    assert "alice" not in repr(token)
    assert "signature" not in repr(token)
    assert str(token.signature)[2:10] not in repr(token)
    assert "public" not in repr(key("p-256"))


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        facts().trusted = True  # type: ignore[misc]


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
