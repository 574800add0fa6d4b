"""A configured name finds its claim: literal first, then as a pointer, or as a path of members."""

import re
from typing import Any

import pytest

from gateway.core.claims import (
    ABSENT,
    KEYS,
    ClaimName,
    find_claim,
    find_claims,
    find_first,
    find_words,
    is_pointer,
    is_scope,
    keys_of,
    roots_of,
    scopes_among,
    written,
)

CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "null": None,
    "empty": "",
    "https://example.com/roles": ["a"],
    "a.b": 1,
    "a": {"b": 2, "": 3, "x/y": 4, "x~y": 5, "0": 6, "~1": 7},
    "/a/b": 8,
    "": 9,
    "list": ["zero", {"name": "one"}, ["deep"], *range(3, 20)],
    "realm_access": {"roles": ["admin"]},
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", "alice"),
        ("null", None),
        ("https://example.com/roles", ["a"]),
        ("a.b", 1),
        ("", 9),
        ("/a/b", 8),
        ("/a/", 3),
        ("/", 9),
        ("/a/x~1y", 4),
        ("/a/x~0y", 5),
        ("/a/~01", 7),
        ("/a/0", 6),
        ("/realm_access/roles", ["admin"]),
        ("/realm_access/roles/0", "admin"),
        ("/list/0", "zero"),
        ("/list/1/name", "one"),
        ("/list/2/0", "deep"),
        ("/list/19", 19),
        (("a", "b"), 2),
        (("a.b",), 1),
        (("/a/b",), 8),
        (("list", "1", "name"), "one"),
        (("a", "x/y"), 4),
        ("a/b", ABSENT),
        ("nobody", ABSENT),
        ("/nobody", ABSENT),
        ("/sub/0", ABSENT),
        ("/null/x", ABSENT),
        ("/a/b/c", ABSENT),
        ("/list/20", ABSENT),
        ("/list/01", ABSENT),
        ("/list/-1", ABSENT),
        ("/list/-", ABSENT),
        ("/list/+1", ABSENT),
        ("/list/1 ", ABSENT),
        ("/list/1\n", ABSENT),
        ("/list/\u0661", ABSENT),
        ("/list/10000", ABSENT),
        ("/list/" + "9" * 5_000, ABSENT),
        ("/list/name", ABSENT),
        (("a", "nobody"), ABSENT),
    ],
)
def test_a_claim_is_found_by_its_name(name: ClaimName, value: Any) -> None:
    assert find_claim(CLAIMS, name) is value or find_claim(CLAIMS, name) == value


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("sub",), ("sub", "alice")),
        (("nobody", "/list/0", "sub"), ("/list/0", "zero")),
        (("null", "sub"), ("null", None)),
        (("empty", "sub"), ("empty", "")),
        (("nobody", "/nobody"), None),
        ((), None),
    ],
)
def test_the_first_claim_that_is_present_is_found_whatever_it_is(
    names: tuple[str, ...], found: tuple[str, Any] | None
) -> None:
    assert find_first(CLAIMS, names) == found


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"scope": "read write"}, ("read", "write")),
        ({"scp": ["read", "write"]}, ("read", "write")),
        ({"scope": ["read write", "admin"]}, ("read write", "admin")),
        ({"scp": "write", "scope": "read write"}, ("read", "write")),
        ({"scope": "  read   read "}, ("read",)),
        ({"scope": "", "scp": []}, ()),
        ({"scope": None, "scp": 7}, ()),
        ({"scope": {"read": True}}, ()),
        ({"scope": [1, None, ["x"], {"y": 1}, "read"]}, ("read",)),
        ({}, ()),
    ],
)
def test_words_come_from_strings_and_lists_each_once(claims: dict[str, Any], words: tuple[str, ...]) -> None:
    assert find_words(claims, ("scope", "scp")) == words


KEYCLOAK: dict[str, Any] = {
    "realm_access": {"roles": ["offline", "admin"]},
    "resource_access": {"shop": {"roles": ["buyer"]}, "account": {"roles": ["view", "buyer"]}, "odd": 7, "empty": {}},
    "nested": {"a": {"x": {"r": "one"}, "y": {"r": ["two"]}}, "b": {"z": {"r": "three"}}},
    "groups": {"a": "g1", "b": ["g2"]},
    "*": {"r": "star"},
    "/literal/*/name": "literal",
    "slash": {"a/b": {"r": "escaped"}, "list": [{"r": "hidden"}]},
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/realm_access/roles", ("offline", "admin")),
        ("/resource_access/*/roles", ("buyer", "view")),
        ("/resource_access/*/roles/0", ("buyer", "view")),
        ("/nested/*/*/r", ("one", "two", "three")),
        ("/nested/*/x/r", ("one",)),
        ("/*/roles", ("offline", "admin")),
        ("/*/shop/roles", ("buyer",)),
        ("/groups/*", ("g1", "g2")),
        ("/literal/*/name", ("literal",)),
        ("/slash/a~1b/r", ("escaped",)),
        ("/slash/*/r", ("escaped",)),
        ("/slash/list/*/r", ()),
        ("/resource_access/*", ()),
        ("/resource_access/*/nothing", ()),
        ("/nobody/*/roles", ()),
        ("/realm_access/roles/*", ()),
        ("resource_access/*/roles", ()),
        ("*", ()),
        ("/resource_access/sh*/roles", ()),
    ],
)
def test_a_star_in_a_pointer_stands_for_every_member(name: str, words: tuple[str, ...]) -> None:
    assert find_words(KEYCLOAK, (name,)) == words


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("/a", True), ("/", True), ("/a/b", True), ("/a~0b~1c", True), ("//", True), ("/a/*/b", True),
        ("", False), ("a", False), ("a/b", False), ("/a~", False), ("/a~2", False), ("/~/b", False),
    ],
)  # fmt: skip
def test_a_pointer_begins_with_a_slash_and_escapes_its_tildes(name: str, *, sound: bool) -> None:
    assert is_pointer(name) is sound


def test_an_element_of_an_array_is_one_word_and_a_scope_only_without_blanks() -> None:
    words = find_words({"roles": ["read only admin", "viewer", "", 1, " "]}, ("roles",))
    assert words == ("read only admin", "viewer", " ")
    assert tuple(filter(is_scope, words)) == ("viewer",)


@pytest.mark.parametrize(
    ("name", "roots"),
    [
        ("email", ("email",)),
        ("a/b", ("a/b",)),
        ("/a/b", ("/a/b", "a")),
        ("/a~1b/c", ("/a~1b/c", "a/b")),
        ("/~01", ("/~01", "~1")),
        (("a", "b"), ("a",)),
    ],
)
def test_where_a_name_may_be_found(name: ClaimName, roots: tuple[str, ...]) -> None:
    assert roots_of(name) == roots


ROLES = {"roles": {"admin": {"1": "a.example"}, "orders editor": {}, "off": False, "gone": None, "on": True}}


@pytest.mark.parametrize(
    ("claims", "name", "expected"),
    [
        (ROLES, "roles", ["admin", "orders editor", "on"]),
        ({"realm": ROLES}, "/realm/roles", ["admin", "orders editor", "on"]),
        ({"/realm/roles": {"a": 1}, "realm": ROLES}, "/realm/roles", ["a"]),
        ({"roles": {}}, "roles", []),
        ({"roles": ["admin"]}, "roles", ABSENT),
        ({"roles": "admin"}, "roles", ABSENT),
        ({"roles": None}, "roles", ABSENT),
        ({}, "roles", ABSENT),
        ({"roles": {KEYS: {"a": 1}}}, "roles", [KEYS]),
    ],
)
def test_the_keys_of_an_object_are_words(claims: dict[str, Any], name: str, expected: Any) -> None:
    assert find_claim(claims, keys_of(name)) == expected
    assert find_words(claims, (keys_of(name),)) == (() if expected is ABSENT else tuple(expected))


def test_a_name_is_told_in_words_and_has_a_root() -> None:
    assert [written(name) for name in ("a", "/a/b", ("a", "b"), keys_of("/a/b"))] == [
        "a",
        "/a/b",
        "/a/b",
        "the keys of /a/b",
    ]
    assert roots_of(keys_of("/a/b")) == ("/a/b", "a")
    assert roots_of(keys_of("a")) == ("a",)


def test_of_objects_that_are_known_for_it_the_keys_are_found_beside_them() -> None:
    known = re.compile("roles|list")
    claims = {**ROLES, "list": ["a"], "other": {"a": 1}}
    found = find_claims(claims, ("roles", "list", "other", "absent", ("other",)), of_keys=known)
    assert found == {
        "roles": ROLES["roles"],
        keys_of("roles"): ["admin", "orders editor", "on"],
        "list": ["a"],
        "other": {"a": 1},
        ("other",): {"a": 1},
    }
    assert find_claims(claims, ("roles",)) == {"roles": ROLES["roles"]}


def test_the_words_of_a_text_are_kept_once_whoever_has_it() -> None:
    first, second = (find_words({"scope": "read  write read"}, ("scope", "scp")) for _ in range(2))
    assert first == ("read", "write")
    assert first is second
    assert find_words({"scope": "read", "scp": ["a b", "read"]}, ("scope", "scp")) == ("read", "a b")
    long = " ".join(f"scope-{number:04}" for number in range(200))
    assert find_words({"scope": long}, ("scope",)) == tuple(long.split())


def test_scopes_are_the_words_without_blanks() -> None:
    assert scopes_among(words := ("read", "write")) is words
    assert scopes_among(("read", "Site Admin", "write")) == ("read", "write")
    assert scopes_among(()) == ()
