"""The lock of what only these tests need, as tests/test_locks.py has it of the others."""

from tests.locks import KUBERNETES
from tests.test_locks import check_closure, check_installed


def test_it_is_a_closure() -> None:
    check_closure(KUBERNETES)


def test_what_is_tested_is_what_is_locked() -> None:
    check_installed(KUBERNETES)
