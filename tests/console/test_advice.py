"""Whoever is refused for a reason, somebody knows what to do about it."""

from gateway.console.advice import advice_by_reason
from gateway.core.errors import reasons


def test_there_is_advice_for_every_reason() -> None:
    assert advice_by_reason().keys() == reasons().keys()


def test_advice_is_whole_sentences() -> None:
    for advice in advice_by_reason().values():
        assert advice[0].isupper()
        assert advice.endswith((".", "?"))
        assert advice.isascii()
