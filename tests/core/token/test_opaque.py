"""What a token looks like from outside, and who may be asked about it."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.token.opaque import AskedIssuers, form_of, is_json_in_base64, may_begin_jwt
from tests.signer import compact, sign, some_claims, some_header

HEADER = b'{"alg":"RS256"}'


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        (b"ory_at_AbCdEf", "opaque"),
        (b"ory_at_AbCdEf.GhI", "opaque"),
        (b"2YotnFZFEjr1zCsicMWpAA", "opaque"),
        (b"a.b.c", "opaque"),
        (b"", "opaque"),
        (b".", "opaque"),
        # Without a dot it is no JWT, whatever it begins with.
        (b"eyJhbGciOiJSUzI1NiJ9", "opaque"),
        (b"eyJhbGciOiJSUzI1NiJ9.", "jwt"),
        (b"eyJhbGciOiJSUzI1NiJ9.e30.x", "jwt"),
        (b"eyJhbGciOiJSUzI1NiJ9=.e30.x", "jwt"),
        (b"eyJhbGciOiJSUzI1NiJ9.e30", "jwt"),
        (b"eyJhbGciOiJSUzI1NiJ9.a.b.c", "jwt"),
        (b"eyJhbGciOiJSUzI1NiJ9.a.b.c.d", "encrypted"),
        (b"eyJhbGciOiJSUzI1NiJ9.a.b.c.d.e", "jwt"),
        (b"=e~y=J.e30.x", "jwt"),
        (urlsafe_b64encode(b" \r\n\t" + HEADER) + b".a.b", "jwt"),
        (urlsafe_b64encode(b" " * 9000 + HEADER) + b".a.b", "jwt"),
        (urlsafe_b64encode(b"\xef\xbb\xbf" + HEADER) + b".a.b", "jwt"),
        (urlsafe_b64encode(HEADER.decode().encode("utf-16")) + b".a.b", "jwt"),
        (b64encode(b'{"\xff\xfb": 1}') + b".a.b", "jwt"),
        (urlsafe_b64encode(b'["alg"]') + b".a.b", "opaque"),
    ],
)
def test_a_token_with_a_dot_that_begins_like_an_object_is_no_opaque_one(raw: bytes, form: str) -> None:
    assert form_of(raw) == form


@given(junk=st.lists(st.tuples(st.integers(0, 60), st.sampled_from("=~-_+/")), max_size=4), pad=st.integers(0, 3))
def test_no_spelling_of_a_jwt_that_some_decoder_forgives_is_opaque(junk: list[tuple[int, str]], pad: int) -> None:
    token = sign().decode()
    for place, char in junk:
        if char in "=~":
            token = token[:place] + char + token[place:]
    assert form_of(token.encode() + b"=" * pad) == "jwt"


@given(st.binary(max_size=64))
def test_any_bytes_have_a_form(raw: bytes) -> None:
    assert form_of(raw) in {"opaque", "jwt", "encrypted"}
    assert form_of(raw.replace(b".", b"")) == "opaque"


@pytest.mark.parametrize(
    ("prefix", "begins"),
    [
        (b"e", True),
        (b"ey", True),
        (b"eyJhbGci", True),
        (b"ewogICJ", True),
        (b"ICB7", True),
        (b"ory_at_", False),
        (b"gho_", False),
        (b"eA", False),
        (b"x", False),
    ],
)
def test_how_jwts_begin_is_known(prefix: bytes, *, begins: bool) -> None:
    assert may_begin_jwt(prefix) is begins


def test_nothing_is_no_object() -> None:
    assert not is_json_in_base64(b"")


def asked(*sections: dict[str, Any] | None) -> AskedIssuers:
    return AskedIssuers(
        [
            Issuer(
                issuer=f"https://{number}.example",
                audience="a",
                name="abcdef"[number],
                introspection=None if section is None else Introspection(**section),
            )
            for number, section in enumerate(sections)
        ]
    )


JWT = compact(some_header(), some_claims())
JWE = b"eyJhbGciOiJSUzI1NiJ9.a.b.c.d"


@pytest.mark.parametrize(
    ("sections", "raw", "found"),
    [
        # Nobody is asked about opaque tokens: they are refused as what they are.
        ([None, {"tokens": ("jwt",)}], b"opaque", None),
        ([{}], b"opaque", ("a",)),
        ([{}], JWT, None),
        ([{"tokens": "all"}], JWT, None),
        ([{}], JWE, None),
        ([{}, {"tokens": ("encrypted",)}, {"tokens": ("opaque", "encrypted"), "prefix": ("x",)}], JWE, ("b", "c")),
        ([None, {}, {"prefix": ("x_",)}, {}], b"opaque", ("b", "d")),
        ([None, {}, {"prefix": ("x_",)}, {}], b"x_opaque", ("c",)),
        ([{"prefix": ("x_",)}, {"prefix": ("x_y_", "x")}], b"x_y_z", ("b",)),
        ([{"prefix": ("x_",)}, {"prefix": ("x_y_", "x")}], b"x_z", ("a",)),
        ([{"prefix": ("x_",)}, {"prefix": ("x_y_", "x")}], b"xz", ("b",)),
        ([{"prefix": ("x_",)}], b"opaque", ()),
        # A prefix wins, whatever stands behind it.
        ([{"prefix": ("x_",)}], b"x_" + JWT, ("a",)),
        ([{"pattern": "[a-z]{6}"}, {"pattern": "[0-9]+"}], b"opaque", ("a",)),
        ([{"pattern": "[a-z]{6}"}, {"pattern": "[0-9]+"}], b"opaques", ()),
        ([{"prefix": ("x_",), "pattern": "x_[0-9]+"}, {}], b"x_a", ()),
        ([{"prefix": ("x_",), "pattern": "x_[0-9]+"}, {}], b"x_1", ("a",)),
    ],
)
def test_who_is_asked(sections: list[dict[str, Any] | None], raw: bytes, found: tuple[str, ...] | None) -> None:
    assert asked(*sections).find(raw) == found
