"""For how long nothing is asked."""

import pytest

from gateway.remote.silence import silence_of

#: Fri, 15 Jan 2027 08:00:00 GMT
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, "7", 7.0),
        (429, " 0 ", 0.0),
        (429, None, 5.0),
        (429, "soon", 5.0),
        (429, "-1", 5.0),
        (429, "9" * 40, 5.0),
        (429, "999999999", 3600.0),
        (429, "Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        (429, "Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        (429, "Fri, 15 Jan 2027 08:01:00 -0000", 60.0),
        (429, "Fri, 15 Jan 99999999999 08:01:00 GMT", 5.0),
        (503, "Fri, 15 Jan 2027 99999999999999999999:01:00 GMT", None),
        (503, "30", 30.0),
        (503, None, None),
        (500, "x", None),
        (200, "30", None),
        (401, "30", None),
    ],
)
def test_what_a_response_asks_for(status: int, retry_after: str | None, seconds: float | None) -> None:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    assert silence_of(status, headers, now=NOW) == seconds
