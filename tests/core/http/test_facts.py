from typing import Any

import pytest

from gateway.core.http.facts import Facts


def facts(target: bytes, **settings: Any) -> Facts:
    defaults: dict[str, Any] = {
        "method": "GET",
        "target": target,
        "version": (1, 1),
        "authorization": (),
        "host": b"api.example.com",
        "content_length": None,
        "chunked": False,
        "scheme": "https",
        "peer": "192.0.2.1",
        "trusted": False,
        "request_id": "r1",
    }
    return Facts(**(defaults | settings))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/orders?q=secret", "/orders"),
        (b"/orders", "/orders"),
        (b"*", "*"),
        (b"/a%20b?c?d", "/a%20b"),
        (b"/\xff?x", "/\\xff"),
        (b"?", ""),
    ],
)
def test_the_path_for_the_log_has_no_query_and_is_ascii(target: bytes, path: str) -> None:
    assert facts(target).path == path


def test_lines_are_the_same_from_either_end() -> None:
    pairs = ((b"A", b"1"), (b"a", b"2"))
    made = facts(b"/").emptied(target=b"/", headers=pairs, placed=())
    assert made.headers is pairs
    assert tuple(line.pair for line in made.lines) == pairs
    assert made.lines is made.lines
    again = facts(b"/", lines=made.lines)
    assert again.headers == pairs
    assert again.headers is again.headers
    other = again.credited((b"Bearer a",), place="header X")
    assert (other.lines, other.headers) == (again.lines, again.headers)
    assert (facts(b"/").lines, facts(b"/", headers=None).headers) == ((), ())
