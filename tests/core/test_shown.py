from gateway.core.shown import shown


def test_evidence_shows_a_value_short_and_escaped() -> None:
    assert shown("a\r\nü") == r"'a\r\n\xfc'"
    assert shown("x" * 78) == "'" + "x" * 78 + "'"
    assert shown("x" * 79) == "'" + "x" * 79 + "..."
    assert len(shown(["x" * 100_000])) == 83
