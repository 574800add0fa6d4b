"""A clock that tests move."""

import pytest

from tests.issuer import SimulatedClock


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()
