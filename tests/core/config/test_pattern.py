import pytest

from gateway.core.config.pattern import pattern_size, slow_size


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("^/orders/[0-9]+$", 12),
        (r"\d\.\{2}", 5),
        ("a{3}", 3),
        ("a{2,5}b", 6),
        ("a{2,}", 2),
        ("a{0}", 1),
        ("[a-z]{2,20}", 20),
        ("[]a]{4}", 4),
        (r"[\]a]{4}", 4),
        ("[[:alpha:]]{4}", 4),
        ("[^]a", 1),
        ("(abc){4}d", 13),
        ("(x{1,9}){1,9}", 81),
        ("(x{1,9}){1,9}" * 3, 243),
        ("((a{10}){10}){10}", 1000),
        ("(a{10}", 10),
        ("a){2}", 3),
        ("{3}", 0),
        ("a{x}", 4),
        ("\\", 1),
    ],
)
def test_repetitions_are_written_out(pattern: str, size: int) -> None:
    assert pattern_size(pattern) == size


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("^/orders/[0-9]+/items/[a-z]+$", 0),
        ("^app-[a-z]+-admin$", 0),
        (r"^\pL+$", 0),
        (r"^\p{Greek}{20}$", 322),
        (r"^[\PL.]{20}$", 322),
        (".*a.{8}c", 0),
        (".*a.{14}c", 18),
        (".*a..............c", 18),
        ("[ab]*a[ab]{250}c", 254),
        ("(a|b|ab|ba){5}", 45),
    ],
)
def test_patterns_with_many_choices_are_slow(pattern: str, size: int) -> None:
    assert slow_size(pattern) == size
