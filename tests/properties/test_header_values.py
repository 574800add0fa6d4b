"""Headers for the upstream: nothing of the client's passes for ours, and every value can be decoded again."""

import json
from base64 import urlsafe_b64decode
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityHeader
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Size
from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.header_names import HOP_BY_HOP, fold, nominated
from gateway.core.routing.route import compile_route
from gateway.core.upstream.headers import UpstreamHeaders
from gateway.core.upstream.identity_headers import IdentityLines
from tests.properties.json_values import TEXT, VALUES
from tests.signer import issuer

FORGED = b"forged"
EVERYTHING = compile_route(RouteSection(path="/*"))
CONFIG = Config(
    upstream="http://127.0.0.1:1",
    issuers=(issuer(),),
    identity_headers={"X-User-Email": "email", "Remote_User": "sub", "X.Roles": "roles"},
)
OURS = [name.encode() for name in (*(CONFIG.identity_headers or {}), *DEFAULT_IDENTITY_HEADERS)]
IDENTITY = ((b"X-User-Email", b"a@example.com"), (b"Remote_User", b"alice"))
#: RFC 9110 section 5.6.2: what may stand in a name and is neither a letter nor a digit
SEPARATORS = b"!#$%&'*+-.^_`|~"
PROTECTED = [b"Host", b"Cookie", b"Content-Type", b"Content-Language", b"X-Request-Id", b"Authorization"]
PROTECTED += [
    b"Forwarded",
    b"X-Real-IP",
    b"X-Forwarded",
    b"X-Forwarded-For",
    b"X-Forwarded-Whatever",
    b"X-Gateway-Assertion",
]


@st.composite
def respelled(draw: st.DrawFn, names: list[bytes]) -> bytes:
    """One of the names as a client may spell it so that some upstream takes it for that name."""
    name = draw(st.sampled_from(names))
    return b"".join(
        bytes([draw(st.sampled_from([byte, byte ^ 32]))])
        if bytes([byte]).isalpha()
        else bytes([byte])
        if bytes([byte]).isdigit()
        else bytes([draw(st.sampled_from(SEPARATORS))])
        for byte in name
    )


def cased(names: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the names, in any case."""
    return st.sampled_from(names).flatmap(
        lambda name: st.sampled_from([name, name.lower(), name.upper(), name.swapcase()])
    )


NAMES = st.one_of(
    respelled([*OURS, b"X-Gateway-Assertion", b"Proxy", b"X-Forwarded-For"]),
    cased(PROTECTED),
    st.sampled_from([b"Accept", b"X-A"]),
)
CONNECTIONS = st.lists(
    st.one_of(NAMES, st.binary(max_size=5), st.sampled_from([b"", b" close\t", b"X-A"])), max_size=5
).map(b",".join)
LINES = st.lists(
    st.one_of(st.tuples(NAMES, st.just(FORGED)), st.tuples(cased([b"Connection"]), CONNECTIONS)), max_size=8
)


def compose(lines: list[HeaderLine], *, trusted: bool) -> tuple[HeaderLine, ...]:
    facts = Facts(
        method="GET",
        target=b"/",
        version=(1, 1),
        headers=tuple(lines),
        authorization=(),
        host=b"api.example.com",
        content_length=None,
        chunked=False,
        scheme="https",
        peer="192.0.2.1",
        trusted=trusted,
        request_id="r1",
    )
    return UpstreamHeaders.of(CONFIG).compose(facts, IDENTITY, route=EVERYTHING).headers


@given(respelled(OURS))
def test_a_respelled_name_folds_to_the_name(name: bytes) -> None:
    assert fold(name) in {fold(ours) for ours in OURS}


@given(LINES, st.booleans())
def test_no_value_of_a_client_stands_in_an_identity_header_in_any_spelling(
    lines: list[HeaderLine],
    trusted: bool,  # noqa: FBT001 -- hypothesis gives it
) -> None:
    composed = compose(lines, trusted=trusted)
    ours = {fold(name) for name in OURS}
    assert tuple(line for line in composed if fold(line[0]) in ours) == IDENTITY
    for name, value in composed:
        folded = fold(name)
        assert folded not in HOP_BY_HOP | {b"proxy", b"authorization", b"content-length"}
        assert not folded.startswith(b"x-gateway-")
        if value == FORGED and (folded.startswith(b"x-forwarded") or folded in {b"forwarded", b"x-real-ip"}):
            assert trusted
            assert name.lower() == folded
    assert [value for name, value in composed if name.lower() == b"host"] == [b"api.example.com"]
    assert [value for name, value in composed if name.lower() == b"x-request-id"] == [b"r1"]


@given(LINES, st.booleans())
def test_what_is_kept_is_kept_in_order(lines: list[HeaderLine], trusted: bool) -> None:  # noqa: FBT001 -- as above
    composed = compose(lines, trusted=trusted)
    position = 0
    for name, value in composed:
        if (name, value) in lines[position:]:
            position = lines.index((name, value), position) + 1
        else:
            assert value != FORGED or fold(name).startswith(b"x-forwarded-")


@given(st.lists(CONNECTIONS, max_size=3))
def test_nominations_never_reach_protected_names(values: list[bytes]) -> None:
    gone = nominated([(b"connection", value) for value in values])
    assert not gone & {name.lower() for name in PROTECTED}
    lines: list[HeaderLine] = [(name, b"1") for name in (b"Cookie", b"Content-Type", b"X-Kept")]
    composed = compose([(b"Connection", value) for value in values] + lines, trusted=False)
    assert set(lines) <= set(composed)
    assert set(IDENTITY) <= set(composed)


# Values

FORMATS = st.sampled_from(["auto", "csv", "space", "json", "repeat"])
ENCODINGS = st.sampled_from(["percent", "base64url", "none"])


def written(value: Any, **settings: Any) -> list[bytes]:
    header = IdentityHeader(claim=("c",), max_bytes=Size(1 << 20), **settings)
    return [line for _, line in IdentityLines({"X-C": header}).of({"c": value}, issuer="local", client=None, scopes=())]


@given(VALUES, FORMATS, ENCODINGS)
def test_no_header_value_has_anything_but_printable_ascii_or_blanks_at_its_ends(
    value: Any, form: str, encoding: str
) -> None:
    with suppress(Refusal):
        for line in written(value, format=form, encoding=encoding):
            assert all(0x20 <= byte <= 0x7E for byte in line)
            assert line.strip(b" \t") == line


@given(TEXT)
def test_a_percent_encoded_text_decodes_to_what_it_was(text: str) -> None:
    assume(text)
    for form in ("auto", "csv", "space", "repeat"):
        assert [unquote(line.decode(), errors="strict") for line in written(text, format=form)] == [text]


@given(st.lists(TEXT, min_size=1, max_size=6))
def test_a_list_splits_and_decodes_to_what_it_was(elements: list[str]) -> None:
    for form in ("auto", "csv"):
        (line,) = written(elements, format=form)
        assert [unquote(part, errors="strict") for part in line.decode().split(",")] == elements
        # Receivers that trim what they split get the same.
        assert [unquote(part.strip(), errors="strict") for part in line.decode().split(",")] == elements
    assert [unquote(line.decode(), errors="strict") for line in written(elements, format="repeat")] == elements


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=6))
def test_a_list_with_spaces_splits_and_decodes_to_what_it_was(elements: list[str]) -> None:
    (line,) = written(elements, format="space")
    assert [unquote(part, errors="strict") for part in line.decode().split()] == elements


@given(VALUES)
def test_json_in_either_encoding_decodes_to_what_it_was(value: Any) -> None:
    assume(value is not None and value not in ("", []))
    (line,) = written(value, format="json")
    assert json.loads(unquote(line.decode(), errors="strict")) == value
    (line,) = written(value, format="json", encoding="base64url")
    assert json.loads(urlsafe_b64decode(line + b"=" * (-len(line) % 4))) == value
