"""What a process is called is what the kernel says it is called."""

import pytest

from gateway.process.title import DRAINED, DRAINS, SERVES, TITLES, WORKER, call_process
from tests.process.comm import called


@pytest.mark.parametrize("title", [SERVES, DRAINS, DRAINED, WORKER])
def test_a_process_is_called_what_it_is(title: str) -> None:
    before = called()
    call_process(title)
    assert called() == title
    call_process(before)


def test_a_worker_is_no_program() -> None:
    assert WORKER not in TITLES
