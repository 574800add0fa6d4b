"""A path is read in one way or refused: nothing that two programs might read differently is matched."""

from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import AmbiguousPath, UriTooLong
from gateway.core.http.paths import MAX_SEGMENTS, has_slash, parse_path


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        (b"/", ()),
        (b"/?a=/b", ()),
        (b"/orders", ("orders",)),
        (b"/orders/", ("orders",)),
        (b"/orders/1", ("orders", "1")),
        (b"/orders?x=1", ("orders",)),
        (b"/orders/?x=/../;#", ("orders",)),
        (b"/orders?", ("orders",)),
        (b"/%6frders", ("orders",)),
        (b"/%6Frders", ("orders",)),
        (b"/%6f%72%64%65%72%73/%31", ("orders", "1")),
        (b"/Orders", ("Orders",)),
        (b"/a%20b", ("a b",)),
        (b"/a+b", ("a+b",)),
        (b"/a%2Bb", ("a+b",)),
        (b"/%C3%BC", ("\u00fc",)),
        (b"/100%25", ("100%",)),
        (b"/100%25zz", ("100%zz",)),
        (b"/%25/2e", ("%", "2e")),
        (b"/a%3Fb", ("a?b",)),
        (b"/a%23b", ("a#b",)),
        (b"/...", ("...",)),
        (b"/.well-known/x", (".well-known", "x")),
        (b"/a..b/..c", ("a..b", "..c")),
        (b"/~'()*!$&,:@=", ("~'()*!$&,:@=",)),
        (b'/"<>^`{|}', ('"<>^`{|}',)),
        (b"*", ()),
    ],
)
def test_a_path_is_its_decoded_segments(target: bytes, segments: tuple[str, ...]) -> None:
    assert parse_path(target) == segments


#: every spelling that http.md names, and what is said of it
AMBIGUOUS = [
    *((path, "dot segment") for path in (b"/.", b"/..", b"/a/./b", b"/a/../b", b"/a/..", b"/a/../")),
    *((path, "dot segment") for path in (b"/%2e", b"/%2E%2e/a", b"/.%2e/a", b"/a/%2e%2E/b", b"/a/%2e./b")),
    *((path, "semicolon") for path in (b"/a/..;/b", b"/a/.;x=1/b", b"/a;x=1", b"/a;", b"/;/a")),
    *((path, "empty segment") for path in (b"//", b"//a", b"/a//b", b"/a//", b"///", b"/a//?x")),
    *((path, "encoded separator") for path in (b"/a%2Fb", b"/a%2fb", b"/%2f", b"/..%2fa", b"/a%5Cb", b"/a%5cb")),
    *((path, "encoded separator") for path in (b"/a%3Bb", b"/a%3bx=1", b"/..%3b/a")),
    *((path, "control") for path in (b"/a%00", b"/a%00.js", b"/a%0a", b"/a%0D%0Ab", b"/a%09b", b"/a%1f", b"/a%7F")),
    *((path, "twice") for path in (b"/%252e", b"/%252E%252e/a", b"/a%252fb", b"/a%25%32%66b", b"/%25%32e", b"/a%2541")),
    *((path, "backslash") for path in (b"/a\\b", b"/\\", b"/a\\..\\b", b"\\\\a")),
    *((path, "number sign") for path in (b"/a#b", b"/a#?b", b"/#", b"/a/#/../b")),
    *((path, "malformed") for path in (b"/a%", b"/a%2", b"/a%zz", b"/%%32%65", b"/%u002e", b"/a%2 b", b"/%2%66")),
    *(
        (path, "no UTF-8")
        for path in (b"/%ff", b"/%c0%ae", b"/%c0%af", b"/%e0%80%af", b"/%C3", b"/%ed%a0%80", b"/%80a")
    ),
]


@pytest.mark.parametrize(("target", "why"), AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused(target: bytes, why: str) -> None:
    with pytest.raises(AmbiguousPath) as caught:
        parse_path(target)
    assert why in caught.value.evidence


@pytest.mark.parametrize(("target", "why"), AMBIGUOUS)
def test_evidence_quotes_nothing_of_the_path_and_a_query_may_have_all_of_it(target: bytes, why: str) -> None:
    with pytest.raises(AmbiguousPath) as caught:
        parse_path(b"/secret" + target)
    assert "secret" not in caught.value.evidence
    assert parse_path(b"/a?" + target) == ("a",)


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        (b"/a/../b", ("a", "..", "b")),
        (b"//a", ("", "a")),
        (b"/a//", ("a", "")),
        (b"/a%2Fb", ("a/b",)),
        (b"/%252e", ("%2e",)),
        (b"/a;x\\y#z", ("a;x\\y#z",)),
        (b"/a%zz%", ("a%zz%",)),
        (b"/%ff", ("\udcff",)),
        (b"/a%00", ("a\0",)),
    ],
)
def test_where_ambiguous_paths_are_allowed_every_path_has_segments(target: bytes, segments: tuple[str, ...]) -> None:
    assert parse_path(target, refuse_ambiguous=False) == segments


@pytest.mark.parametrize(
    ("target", "segments"),
    [(b"/Orders/A%42c", ("orders", "abc")), (b"/%C3%9C", ("\u00fc",)), (b"/orders", ("orders",))],
)
def test_case_is_ignored_only_when_asked(target: bytes, segments: tuple[Any, ...]) -> None:
    assert parse_path(target, ignore_case=True) == segments
    assert (parse_path(target) == segments) == (target == b"/orders")


def test_a_path_of_slashes_alone_costs_nothing() -> None:
    assert len(parse_path(b"/a" * 256)) == 256
    with pytest.raises(UriTooLong):
        parse_path(b"/a" * 257)


#: in one case or another, or composed, all of these have ASCII in them
TURNING = "\u017f\u0131\u0130\u212a\ufb00\ufb03\ufb05\ufb06\u0149\u01f0\u1e96\u1e9a\u037e\u1fef"


@pytest.mark.parametrize("char", TURNING, ids=ascii)
def test_a_letter_that_is_ascii_in_one_case_only_is_ambiguous_where_case_is_ignored(char: str) -> None:
    target = f"/a{quote(char)}b/1".encode()
    assert parse_path(target) == (f"a{char}b", "1")
    with pytest.raises(AmbiguousPath, match="ASCII to whoever ignores case"):
        parse_path(target, ignore_case=True)
    assert parse_path(target, refuse_ambiguous=False, ignore_case=True)


def test_no_letter_of_unicode_reaches_an_ascii_path_in_any_case() -> None:
    """The whole of it: what Python, or whoever maps case or composes, makes ASCII of, is refused."""
    plain = set(map(chr, range(128)))
    for number in (*range(0x80, 0xD800), *range(0xE000, 0x20000)):
        char = chr(number)
        if char in "\u00df\u1e9e":
            assert parse_path(b"/" + quote(char).encode(), ignore_case=True) == ("ss",)
        elif plain.intersection(char.lower() + char.upper() + char.casefold() + normalize("NFC", char)):
            with pytest.raises(AmbiguousPath):
                parse_path(b"/" + quote(char).encode(), ignore_case=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u00dc", "\u00fc"),
        ("\u03a3\u03c3\u03c2", "\u03c3\u03c3\u03c3"),
        ("\u00e9", "e\u0301"),
        ("\u00c9", "e\u0301"),
        ("\u1fb3", "\u03b1\u03b9"),
        ("\ufb13", "\u0574\u0576"),
        ("\u0390", "\u1fd3"),
        ("\u2126", "\u03c9"),
        ("\u10a0", "\u2d00"),
        ("STRA\u00c9", "strae\u0301"),
    ],
)
def test_other_letters_are_compared_without_case_and_however_composed(one: str, other: str) -> None:
    read = [parse_path(f"/{quote(text)}".encode(), ignore_case=True) for text in (one, other)]
    assert read[0] == read[1]
    assert parse_path(f"/{quote(one)}".encode()) != parse_path(f"/{quote(other)}".encode())


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        (b"/projects/group%2Fname", ("projects", "group/name")),
        (b"/projects/group%2fsub%2Fname/files/lib%2Fa.rb", ("projects", "group/sub/name", "files", "lib/a.rb")),
        (b"/a%5Cb", ("a\\b",)),
        (b"/u/https:%2F%2Fa.test%2F", ("u", "https://a.test/")),
        (b"/a%2F...%2F.b", ("a/.../.b",)),
        (b"/%2F", ("/",)),
    ],
)
def test_an_encoded_slash_may_be_a_character_of_its_segment(target: bytes, segments: tuple[str, ...]) -> None:
    assert parse_path(target, keep_slashes=True) == segments
    assert has_slash(target)
    with pytest.raises(AmbiguousPath):
        parse_path(target)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        *((path, "dot segment between") for path in (b"/a%2F..", b"/..%2Fa", b"/a%2f.%2fb", b"/a%5C..%2Fb", b"/%2e%2e%5ca", b"/a%2F%2E")),
        *((path, "separator") for path in (b"/a%2Fb%3B", b"/a%2F%00", b"/a%3b", b"/a%2F%0a")),
        *((path, "twice") for path in (b"/a%252F", b"/a%2F%252e")),
        *((path, "backslash") for path in (b"/a%2F\\", b"/a%2F;x")),
        *((path, "empty") for path in (b"/a%2F//b",)),
    ],
)  # fmt: skip
def test_what_else_is_odd_about_it_stays_refused(target: bytes, why: str) -> None:
    with pytest.raises(AmbiguousPath) as caught:
        parse_path(target, keep_slashes=True)
    assert why in caught.value.evidence


@pytest.mark.parametrize("target", [b"/a", b"/a?x=%2F", b"/a%20b", b"/a%252F"])
def test_only_a_path_has_slashes(target: bytes) -> None:
    assert not has_slash(target)


#: what a path is plain without, and what makes it odd
_PIECES = st.sampled_from([b"/", b"a", b"Z", b"9", b".", b"..", b"...", b" ", b'"', b"[", b"]", b"~", b"$", b"&", b":", b"<", b";", b"#", b"\\", b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xc3\xa4"])  # fmt: skip


def _outcome(target: bytes) -> tuple[str, ...] | str:
    try:
        return parse_path(target)
    except (AmbiguousPath, UriTooLong) as refusal:
        return refusal.evidence


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=12).map(b"".join))
def test_a_path_that_is_split_at_once_has_the_segments_of_one_that_is_looked_at_closely(rest: bytes) -> None:
    # An escaped letter leaves the short way, and changes no more than that.
    assert _outcome(b"/a" + rest) == _outcome(b"/%61" + rest)


def test_the_short_way_counts_segments_as_the_other_does() -> None:
    most = b"/a" * MAX_SEGMENTS
    for target in (most, most + b"/", most + b"/a", most + b"//", most + b"/a/"):
        assert _outcome(target) == _outcome(target.replace(b"a", b"%61", 1))
