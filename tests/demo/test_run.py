"""The demo says so where it is not at its usual addresses."""

import pytest

from gateway.demo.run import elsewhere


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({8080: "127.0.0.1:8080", 3000: "http://127.0.0.1:3000"}, ""),
        ({8080: "127.0.0.1:40001", 3000: "http://127.0.0.1:3000"}, "The usual port 8080 is in use"),
        (
            {8080: "127.0.0.1:40001", 9090: "127.0.0.1:40002", 3000: "http://127.0.0.1:13000"},
            "The usual ports 8080, 9090 and 3000 are in use by another program",
        ),
    ],
)
def test_ports_that_somebody_else_has_are_named(told: dict[int, str], says: str) -> None:
    line = elsewhere(told)
    assert line.strip().startswith(says)
    assert bool(line) == bool(says)
