"""What some reader takes for one another is the same."""

import pytest

from gateway.core.http.loosest import loosest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Admin", "admin"),
        ("ADMIN", "admin"),
        ("admin.", "admin"),
        ("admin...", "admin"),
        ("admin ", "admin"),
        ("admin . .", "admin"),
        ("admin+", "admin"),
        (" admin", "admin"),
        ("+\u00a0admin", "admin"),
        ("a+b", "A b"),
        ("\u017fhop", "shop"),
        ("\ufb06yle", "style"),
        ("stra\u00dfe", "STRASSE"),
        ("stra\u1e9ee", "strasse"),
        ("\u212aey", "key"),
        ("adm\u0130n", "admin"),
        ("adm\u0131n", "admin"),
        ("\u03a3\u03af\u03c2", "\u03c3\u0390"[:1] + "\u03af\u03c3"),
        ("admin\u00a0", "admin"),
        ("admin\u3000.", "admin"),
        (". +.", ""),
        ("\u00c9", "\u00e9"),
    ],
)
def test_what_some_reader_takes_for_one_another_is_the_same(one: str, other: str) -> None:
    assert loosest(one) == loosest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("admin", "admins"), (".admin", "admin"), ("ad min", "admin"), ("\u00fc", "u\u0308"), ("a.b", "ab"), ("a-b", "a_b"), ("e", "\u00e9")],
)  # fmt: skip
def test_what_nobody_takes_for_one_another_is_not(one: str, other: str) -> None:
    assert loosest(one) != loosest(other)


def test_no_way_to_map_case_tells_letters_apart_that_are_the_same_to_another() -> None:
    letters = [chr(number) for number in (*range(0x20, 0xD800), *range(0xE000, 0x20000))]
    cased = [char for char in letters if len({char, char.lower(), char.upper(), char.casefold()}) > 1]
    assert len(cased) > 2500
    for char in cased:
        known = loosest(char + "x")
        assert known == loosest(known)
        for mapped in (char.lower(), char.upper(), char.title(), char.casefold(), char.upper().lower()):
            assert loosest(mapped + "x") == known
    # Simple lower case is one character, always.
    assert loosest("\u0130x") == "ix"
