"""Claims as header lines that can be decoded again, and never split a message."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityHeader
from gateway.core.config.section import Size
from gateway.core.errors import IdentityClaimMissing, IdentityHeaderInvalid, IdentityHeaderTooLarge
from gateway.core.token.lacks import Lacks
from gateway.core.upstream.identity_headers import IdentityLines


def identity_lines(
    configured: Mapping[str, IdentityHeader],
    claims: Mapping[str, Any],
    *,
    issuer: str,
    client: str | None,
    scopes: tuple[str, ...],
    tenant: str | None = None,
) -> tuple[tuple[bytes, bytes], ...]:
    """What is written for one token alone."""
    return IdentityLines(configured).of(claims, issuer=issuer, client=client, scopes=scopes, tenant=tenant)


def values(value: Any, *, client: str | None = None, scopes: tuple[str, ...] = (), **settings: Any) -> list[str]:
    """What is written for the claim `c`, or for what `settings` name instead."""
    header = IdentityHeader(**({"claim": "c"} | settings if "source" not in settings else settings))
    claims = {} if value is ... else {"c": value}
    lines = identity_lines({"X-C": header}, claims, issuer="local", client=client, scopes=scopes)
    assert all(name == b"X-C" for name, _ in lines)
    return [text.decode("ascii") for _, text in lines]


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_default_headers_are_subject_client_and_scopes() -> None:
    lines = identity_lines(
        DEFAULT_IDENTITY_HEADERS, {"sub": "alice"}, issuer="local", client="app", scopes=("read", "write")
    )
    assert lines == ((b"X-User-Id", b"alice"), (b"X-Client-Id", b"app"), (b"X-Token-Scopes", b"read write"))


def test_a_header_without_a_value_is_left_out() -> None:
    assert identity_lines(DEFAULT_IDENTITY_HEADERS, {}, issuer="local", client=None, scopes=()) == ()
    lines = identity_lines(DEFAULT_IDENTITY_HEADERS, {"sub": None}, issuer="local", client="app", scopes=())
    assert lines == ((b"X-Client-Id", b"app"),)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("alice", "alice"),
        ("a b", "a b"),
        ("a,b", "a,b"),
        ('a"b\\c', 'a"b\\c'),
        ("50%", "50%25"),
        ("%0A", "%250A"),
        ("Jürgen", "J%C3%BCrgen"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("😀", "%F0%9F%98%80"),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
        ("a\x00b\x7f\t", "a%00b%7F%09"),
        (" alice ", "%20alice%20"),
        ("   ", "%20 %20"),
        (" ", "%20"),
        (7, "7"),
        (-1.5, "-1.5"),
        (0, "0"),
        (True, "true"),
        (False, "false"),
        (["a", "b"], "a,b"),
        (["a,b", "c"], "a%2Cb,c"),
        (["a%2Cb"], "a%252Cb"),
        ([" a", "b "], "%20a,b%20"),
        (["", "a", ""], ",a,"),
        ([1, True, None, "x"], "1,true,null,x"),
        ([{"a": 1, "b": 2}], '{"a":1%2C"b":2}'),
        ({"a": "ü", "b": [1]}, '{"a":"%C3%BC","b":[1]}'),
        ({}, "{}"),
    ],
)
def test_auto_writes_each_type_its_own_way(value: Any, written: str) -> None:
    assert values(value) == [written]


@pytest.mark.parametrize("value", [..., None, "", []])
@pytest.mark.parametrize("form", ["auto", "csv", "space", "json", "repeat"])
def test_an_absent_null_or_empty_claim_writes_nothing(form: str, value: Any) -> None:
    assert values(value, format=form) == []
    with pytest.raises(IdentityClaimMissing):
        values(value, format=form, required=True)


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        ("csv", ["a", "b c"], ["a,b c"]),
        ("csv", "a,b", ["a%2Cb"]),
        ("csv", 7, ["7"]),
        ("csv", {"a": 1, "b": 2}, ['{"a":1%2C"b":2}']),
        ("space", ["a", "b c"], ["a b%20c"]),
        ("space", ["a,b"], ["a,b"]),
        ("space", " a", ["%20a"]),
        ("space", ["a%20b"], ["a%2520b"]),
        ("json", ["a", "ü"], ['["a","%C3%BC"]']),
        ("json", "a", ['"a"']),
        ("json", 0, ["0"]),
        ("json", {"a": None}, ['{"a":null}']),
        ("repeat", ["a", "b,c", 7], ["a", "b,c", "7"]),
        ("repeat", "a", ["a"]),
        ("repeat", [" ", "ü"], ["%20", "%C3%BC"]),
    ],
)
def test_a_format_says_how_elements_are_written(form: str, value: Any, written: list[str]) -> None:
    assert values(value, format=form) == written


@pytest.mark.parametrize("value", [["", "a"], ["a", ""], ["a", "", "b"], [""], ["", ""]])
def test_an_empty_element_cannot_stand_between_spaces(value: list[str]) -> None:
    with pytest.raises(IdentityHeaderInvalid, match="X-C"):
        values(value, format="space")


def test_scopes_are_written_with_spaces_and_other_lists_with_commas() -> None:
    assert values(..., source="scopes", scopes=("read", "write")) == ["read write"]
    assert values(..., source="scopes", scopes=("read", "write"), format="csv") == ["read,write"]
    assert values(..., source="scopes", scopes=("a b", "ü")) == ["a%20b %C3%BC"]
    assert values(..., source="scopes") == []
    assert values(..., source="scopes", scopes=("read", "write"), format="json") == ['["read","write"]']


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ({}, ["read read%20only%20admin %20"]),
        ({"format": "space"}, ["read read%20only%20admin %20"]),
        ({"format": "csv"}, ["read,read only admin,%20"]),
        ({"format": "repeat"}, ["read", "read only admin", "%20"]),
        ({"format": "json"}, ['["read","read only admin"," "]']),
        ({"encoding": "none"}, ["read"]),
        ({"encoding": "none", "format": "space"}, ["read"]),
        ({"encoding": "none", "format": "json"}, ['["read","read only admin"," "]']),
        ({"encoding": "base64url"}, ["cmVhZA"]),
    ],
)
def test_a_role_with_blanks_is_no_scope_and_arrives_whole_where_it_can_be_written(
    settings: dict[str, Any], written: list[str]
) -> None:
    assert values("", source="scopes", scopes=("read", "read only admin", " "), **settings) == written


def test_the_client_is_written_and_no_other_claim_passes_for_it() -> None:
    assert values("alice", source="client", client="app") == ["app"]
    assert values("alice", source="client") == []


def test_the_issuer_is_written_by_its_configured_name_and_no_claim_passes_for_it() -> None:
    configured = {"X-Token-Issuer": IdentityHeader(source="issuer"), "X-User-Id": IdentityHeader(claim="sub")}
    claims = {"sub": "alice", "issuer": "evil", "iss": "https://evil.example"}
    lines = identity_lines(configured, claims, issuer="staff ü", client=None, scopes=())
    assert lines == ((b"X-Token-Issuer", b"staff %C3%BC"), (b"X-User-Id", b"alice"))


@pytest.mark.parametrize(
    ("value", "written"),
    [("Jürgen", "Jürgen"), ("a\r\nb", "a\r\nb"), (["a", "b"], "a,b"), ({"a": "ü"}, '{"a":"ü"}'), (" ", " ")],
)
def test_base64url_carries_anything(value: Any, written: str) -> None:
    (text,) = values(value, encoding="base64url")
    assert "=" not in text
    assert decoded(text).decode() == written


def test_the_whole_payload_can_be_had() -> None:
    claims = {"sub": "Jürgen", "roles": ["a", "b"], "n": 1.5, "none": None}
    header = IdentityHeader(claims="all", format="json", encoding="base64url")
    ((name, value),) = identity_lines({"X-Claims": header}, claims, issuer="local", client=None, scopes=())
    assert name == b"X-Claims"
    assert json.loads(decoded(value.decode())) == claims


@pytest.mark.parametrize("value", ["alice", "a b", "100%", "a,b", "~"])
def test_without_encoding_printable_ascii_is_written_as_it_is(value: str) -> None:
    assert values(value, encoding="none") == [value]


@pytest.mark.parametrize(
    "value", ["ü", "a\r\nb", "a\nb", "a\x00b", "\x7f", "\t", " a", "a ", " ", "a\n", ["ü"], {"a": "ü"}]
)
def test_without_encoding_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(IdentityHeaderInvalid, match="X-C"):
        values(value, encoding="none")


@pytest.mark.parametrize("encoding", ["none", "base64url"])
@pytest.mark.parametrize(("form", "value"), [("csv", ["a,b", "c"]), ("space", ["a b", "c"]), ("auto", ["a,b"])])
def test_a_separator_that_cannot_be_escaped_is_refused(encoding: str, form: str, value: Any) -> None:
    with pytest.raises(IdentityHeaderInvalid, match="separator"):
        values(value, encoding=encoding, format=form)


@pytest.mark.parametrize("encoding", ["none", "base64url"])
def test_elements_without_the_separator_are_joined_in_any_encoding(encoding: str) -> None:
    (text,) = values(["a", "b"], encoding=encoding, format="space")
    assert (text if encoding == "none" else decoded(text).decode()) == "a b"


@pytest.mark.parametrize(
    ("value", "settings", "size"),
    [
        ("x" * 10, {}, 10),
        ("ü", {}, 6),
        (["a", "b"], {"format": "repeat"}, 2),
        ("xyz", {"encoding": "base64url"}, 4),
    ],
)
def test_the_encoded_size_is_bounded(value: Any, settings: dict[str, Any], size: int) -> None:
    assert values(value, max_bytes=size, **settings)
    with pytest.raises(IdentityHeaderTooLarge, match=f"{size} bytes; {size - 1} are accepted"):
        values(value, max_bytes=size - 1, **settings)
    assert values(value, max_bytes=size - 1, too_large="omit", required=True, **settings) == []


def test_4096_bytes_are_the_default_bound() -> None:
    assert values("x" * 4096)
    with pytest.raises(IdentityHeaderTooLarge):
        values("x" * 4097)


def test_a_default_header_that_is_too_large_is_left_out_and_refuses_nobody() -> None:
    roles = tuple(f"role-of-the-department-{number:03}" for number in range(160))
    lines = identity_lines(DEFAULT_IDENTITY_HEADERS, {"sub": "alice"}, issuer="local", client="app", scopes=roles)
    assert lines == ((b"X-User-Id", b"alice"), (b"X-Client-Id", b"app"))
    assert (
        identity_lines(DEFAULT_IDENTITY_HEADERS, {"sub": "x" * 5000}, issuer="local", client="x" * 5000, scopes=())
        == ()
    )
    # Whoever asked for it by name is told.
    with pytest.raises(IdentityHeaderTooLarge, match="X-Token-Scopes would have"):
        identity_lines(
            {"X-Token-Scopes": IdentityHeader(source="scopes")}, {}, issuer="local", client=None, scopes=roles
        )


def test_a_claim_is_found_by_literal_name_pointer_or_path() -> None:
    claims = {"https://example.com/roles": ["a"], "realm_access": {"roles": ["b", "c"]}, "x.y": 1}
    configured = {
        "X-A": IdentityHeader(claim="https://example.com/roles"),
        "X-B": IdentityHeader(claim="/realm_access/roles"),
        "X-C": IdentityHeader(claim=("realm_access", "roles", "1")),
        "X-D": IdentityHeader(claim="x.y"),
    }
    lines = identity_lines(configured, claims, issuer="local", client=None, scopes=())
    assert lines == ((b"X-A", b"a"), (b"X-B", b"b,c"), (b"X-C", b"c"), (b"X-D", b"1"))


def test_a_percent_encoded_value_decodes_to_what_the_claim_was() -> None:
    everything = "".join(map(chr, [*range(0x180), 0xD7FF, 0xE000, 0xFFFF, 0x10FFFF]))
    (text,) = values(everything)
    assert unquote(text, errors="strict") == everything


def test_evidence_names_the_header_and_quotes_no_value() -> None:
    with pytest.raises(IdentityHeaderInvalid) as caught:
        values("geheimü", encoding="none")
    assert "geheim" not in caught.value.evidence


def test_identities_share_the_lines_that_they_have_in_common() -> None:
    lines = IdentityLines(DEFAULT_IDENTITY_HEADERS)
    first, second = (
        lines.of({"sub": sub}, issuer="local", client="spa", scopes=("read", "write")) for sub in ("alice", "bob")
    )
    assert first == ((b"X-User-Id", b"alice"), (b"X-Client-Id", b"spa"), (b"X-Token-Scopes", b"read write"))
    assert second == ((b"X-User-Id", b"bob"), *first[1:])
    assert first[1] is second[1]
    assert first[2] is second[2]
    assert repr(lines) == "IdentityLines(X-User-Id, X-Client-Id, X-Token-Scopes)"


def test_as_many_lines_as_there_may_be_are_no_matter() -> None:
    lines = IdentityLines({"X-User-Id": IdentityHeader(claim="sub"), "X-Mail": IdentityHeader(claim="mail")})
    for number in range(3000):
        sub, mail = str(number), f"{number}@example.com"
        assert lines.of({"sub": sub, "mail": mail}, issuer="local", client=None, scopes=()) == (
            (b"X-User-Id", sub.encode()),
            (b"X-Mail", mail.encode()),
        )


def test_what_is_remembered_is_no_other_value_and_no_refusal() -> None:
    lines = IdentityLines(
        {
            "X-C": IdentityHeader(claim="c", required=True, max_bytes=Size(9)),
            "X-Scopes": IdentityHeader(source="scopes", format="repeat"),
        }
    )
    for _ in range(2):
        assert lines.of({"c": "a,b"}, issuer="l", client=None, scopes=("a", "b")) == (
            (b"X-C", b"a,b"),
            (b"X-Scopes", b"a"),
            (b"X-Scopes", b"b"),
        )
        assert lines.of({"c": ["a", "b"]}, issuer="l", client=None, scopes=("a b",)) == (
            (b"X-C", b"a,b"),
            (b"X-Scopes", b"a b"),
        )
        assert lines.of({"c": "1"}, issuer="l", client=None, scopes=()) == ((b"X-C", b"1"),)
        assert lines.of({"c": 1.0}, issuer="l", client=None, scopes=()) == ((b"X-C", b"1.0"),)
        assert lines.of({"c": True}, issuer="l", client=None, scopes=()) == ((b"X-C", b"true"),)
        with pytest.raises(IdentityHeaderTooLarge):
            lines.of({"c": "x" * 10}, issuer="l", client=None, scopes=())
        nothing: Any
        for nothing in ("", None, [], ...):
            with pytest.raises(IdentityClaimMissing):
                lines.of({} if nothing is ... else {"c": nothing}, issuer="l", client=None, scopes=())


def test_a_long_value_is_written_and_not_remembered() -> None:
    lines = IdentityLines({"X-C": IdentityHeader(claim="c")})
    first, second = (lines.of({"c": "x" * 300}, issuer="l", client=None, scopes=()) for _ in range(2))
    assert first == second == ((b"X-C", b"x" * 300),)
    assert first[0] is not second[0]


def test_a_header_is_not_required_while_its_claim_may_be_asked_for() -> None:
    lines = IdentityLines(
        {
            "X-Email": IdentityHeader(claim="email", required=True, max_bytes=Size(7), format="json"),
            "X-Client": IdentityHeader(source="client", required=True),
        }
    )
    lacks = Lacks(frozenset({"email"}), by_all=True, claims={}, words=())
    assert lines.of({}, issuer="l", client="app", scopes=(), lacks=lacks) == ((b"X-Client", b"app"),)
    with pytest.raises(IdentityClaimMissing, match="X-Email"):
        lines.of({}, issuer="l", client="app", scopes=())
    with pytest.raises(IdentityClaimMissing, match="X-Client"):
        lines.of({}, issuer="l", client=None, scopes=(), lacks=lacks)
    with pytest.raises(IdentityClaimMissing, match="X-Email"):
        lines.of({}, issuer="l", client="app", scopes=(), lacks=Lacks(frozenset(), by_all=True, claims={}, words=()))


def test_the_tenant_is_written_as_it_was_verified_and_no_claim_passes_for_it() -> None:
    configured = {"X-Tenant": IdentityHeader(source="tenant")}
    claims = {"sub": "alice", "tenant": "evil", "tid": "evil"}
    lines = identity_lines(configured, claims, issuer="entra", tenant="a-1", client=None, scopes=())
    assert lines == ((b"X-Tenant", b"a-1"),)
    assert identity_lines(configured, claims, issuer="entra", client=None, scopes=()) == ()
