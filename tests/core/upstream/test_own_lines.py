"""What the gateway itself says to an upstream: well-formed, or a sentence that does not show the secret."""

import base64

import pytest

from gateway.core.config.console import ConsoleSection, Operators
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection
from gateway.core.upstream.own_lines import (
    basic_value,
    bearer_value,
    header_value,
    own_lines,
    secret_uses,
    upstream_lines,
)

A, B = Secret(file="/run/a"), Secret(env="B")


@pytest.mark.parametrize("token", ["abc", "a.b-c_d~e+f/g==", "0" * 8192])
def test_a_bearer_token_stands_behind_its_scheme(token: str) -> None:
    assert bearer_value(token) == b"Bearer " + token.encode()


@pytest.mark.parametrize(
    "token", ["", "a b", "Bearer abc", "abc\n", "a,b", "=", "ab=c", "ä", "a\r\nX-User-Id: root", '"a"']
)
def test_what_is_no_bearer_token_is_told_without_being_shown(token: str) -> None:
    with pytest.raises(
        ValueError, match=r"^must hold one bearer token: letters, digits and -\._~\+/ only, and = at its end$"
    ):
        bearer_value(token)


@pytest.mark.parametrize(("user", "password"), [("a", "b"), ("", "b"), ("jörg", "pässwörd: €"), ("a", " :: ")])
def test_a_name_and_a_password_are_basic_in_utf_8(user: str, password: str) -> None:
    scheme, _, value = basic_value(user, password).partition(b" ")
    assert scheme == b"Basic"
    assert base64.b64decode(value, validate=True).decode() == f"{user}:{password}"


def test_the_example_of_rfc_7617() -> None:
    assert basic_value("Aladdin", "open sesame") == b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    ("user", "password", "sentence"),
    [
        ("a:b", "c", "must not have a colon, at which the API would take the password to begin"),
        ("a\n", "c", "must be text of one line, without control characters"),
        ("a", "c\n", "must be text of one line, without control characters"),
        ("a", "\x80c", "must be text of one line, without control characters"),
        ("a", "c\udcff", "must be text of one line, without control characters"),
    ],
)
def test_what_cannot_be_basic_is_told_without_being_shown(user: str, password: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        basic_value(user, password)


@pytest.mark.parametrize("text", ["", "a", "a b", "ä€", 'a="b"; c', "~" * 9999])
def test_a_fixed_header_is_what_was_written_in_utf_8(text: str) -> None:
    assert header_value(text) == text.encode()


@pytest.mark.parametrize("text", ["a\nb", "a\r\nX-User-Id: root", "a\0", "\t", "a\x7f", "\x85", "\udcff"])
def test_a_control_character_is_in_no_header(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be text of one line, without control characters$"):
        header_value(text)


@pytest.mark.parametrize("text", [" a", "a ", " "])
def test_blanks_that_would_be_lost_on_the_way_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must not have blanks at its beginning or end: no header value keeps them$"):
        header_value(text)


def test_the_lines_of_an_upstream_are_its_credential_and_its_headers_in_their_order() -> None:
    upstream = UpstreamSection(
        url="http://a", authorization=UpstreamCredential(bearer=A), headers={"X-One": "1", "x-Key": B, "X-Two": "2"}
    )
    assert upstream_lines(upstream, {A: "abc", B: "geheim"}) == (
        (b"Authorization", b"Bearer abc"),
        (b"X-One", b"1"),
        (b"x-Key", b"geheim"),
        (b"X-Two", b"2"),
    )
    basic = UpstreamCredential(basic=BasicCredential(user="a", password=B))
    assert upstream_lines(UpstreamSection(url="http://a", authorization=basic), {B: "b"}) == (
        (b"Authorization", b"Basic YTpi"),
    )


@pytest.mark.parametrize("authorization", ["drop", "keep"])
def test_an_upstream_without_any_of_it_has_no_lines(authorization: str) -> None:
    assert upstream_lines(UpstreamSection(url="http://a", authorization=authorization), {}) == ()  # type: ignore[arg-type]


def test_no_line_is_made_without_its_secret() -> None:
    with pytest.raises(KeyError):
        upstream_lines(UpstreamSection(url="http://a", headers={"X-Key": A}), {B: "b"})


def test_every_use_of_a_secret_is_found_with_what_it_must_be_there() -> None:
    config = Config(
        issuers=(),
        upstream="http://a",
        upstreams={
            "b": UpstreamSection(
                url="http://b", authorization=UpstreamCredential(bearer=A), headers={"X-A": A, "X.B": "text"}
            ),
            "c": UpstreamSection(
                url="http://c",
                authorization=UpstreamCredential(basic=BasicCredential(user="u", password=B)),
                headers={"X.C": B},
            ),
            "d": UpstreamSection(url="http://d", authorization=UpstreamCredential()),
        },
    )
    uses = list(secret_uses(config))
    assert [(use.path, use.secret) for use in uses] == [
        ("upstreams.b.authorization.bearer", A),
        ("upstreams.b.headers.X-A", A),
        ("upstreams.c.authorization.basic.password", B),
        ("upstreams.c.headers['X.C']", B),
    ]
    for text, fit in (("abc", [True] * 4), ("a b", [False, True, True, True]), (" a", [False, False, True, False])):
        assert [passes(use.check, text) for use in uses] == fit


def passes(check: object, text: str) -> bool:
    try:
        check(text)  # type: ignore[operator]
    except ValueError:
        return False
    return True


def test_every_upstream_has_its_lines_the_short_form_too() -> None:
    other = UpstreamSection(url="http://b", headers={"X-Key": A})
    assert own_lines(Config(issuers=(), upstream="http://a", upstreams={"b": other}), {A: "abc"}) == {
        "default": (),
        "b": ((b"X-Key", b"abc"),),
    }


def test_a_secret_of_operators_is_long_and_can_be_sent_as_a_bearer_token() -> None:
    section = ConsoleSection(address="127.0.0.1:0", operators=Operators(secret=A))
    (use,) = secret_uses(Config(issuers=(), console=section))
    assert use.path == "console.operators.secret"
    use.check("x" * 32)
    for secret, sentence in (("x" * 31, "at least 32 bytes"), ("x" * 32 + " ", "one bearer token")):
        with pytest.raises(ValueError, match=sentence):
            use.check(secret)
