"""What a condition is told of a request, and what it is not."""

from typing import Any

import pytest

from gateway.core.condition.told import MAX_PAIRS, MAX_STEPS, MAX_WORK, TooMuch, told_of
from gateway.core.config.condition import read_condition
from gateway.core.http.facts import HeaderLine
from gateway.core.token.details import Details
from gateway.core.token.payload import payload_of
from tests.memory import facts, identity


def told(text: str, *lines: HeaderLine, claims: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    ignore_case = settings.pop("ignore_case", False)
    condition = read_condition(text)
    details = Details(audience=("api",), payload=payload_of(claims or {}, condition.claims))
    who = identity(scopes=("read", "write"), details=details, **settings.pop("who", {}))
    return told_of(condition, facts(**settings), who, lines=list(lines), ignore_case=ignore_case)


def test_only_what_is_named_is_told() -> None:
    assert told("true") == {}
    assert told("token.a == 1", claims={"a": 1, "b": 2}) == {"token": {"a": 1}}
    assert told("size(token) == 1", claims={"a": 1, "b": 2}) == {"token": {"a": 1, "b": 2}}
    assert told("request.method == 'GET'") == {"request.method": "GET"}
    # It would not compile; nothing is made up for it.
    assert told("request.other == 1") == {"request.other": None}


def test_who_is_calling() -> None:
    every = "[identity.subject, identity.client, identity.scopes, identity.issuer, identity.audience]"
    assert told(every) == {
        "identity.subject": "alice",
        "identity.client": "app",
        "identity.scopes": ["read", "write"],
        "identity.issuer": "local",
        "identity.audience": ["api"],
    }
    nobody = told("[identity.subject, identity.client]", who={"subject": None, "client": None})
    assert nobody == {"identity.subject": None, "identity.client": None}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"*", "*"),
        (b"/orders/1?a=/b", "/orders/1"),
        (b"/orders/", "/orders"),
        (b"/%6frders/a%20b", "/orders/a b"),
        (b"/%C3%BC", "/\u00fc"),
        # Two segments are never one, whatever routes let through.
        (b"/projects/group%2Fname", "/projects/group%2Fname"),
        (b"/a/../b", "/a/../b"),
        (b"/%ff", "/\ufffd"),
    ],
)
def test_the_path_is_as_routes_match_it(target: bytes, path: str) -> None:
    assert told("request.path == ''", target=target) == {"request.path": path}


def test_where_routes_ignore_case_the_path_has_none() -> None:
    assert told("request.path == ''", target=b"/Stra%C3%9Fe", ignore_case=True) == {"request.path": "/strasse"}


@pytest.mark.parametrize(
    ("host", "expected"),
    [(b"API.example.com:8443", "api.example.com"), (b"api.example.com.", "api.example.com"), (None, "")],
)
def test_the_host_is_as_routes_match_it(host: bytes | None, expected: str) -> None:
    assert told("request.host == ''", host=host) == {"request.host": expected}


def test_header_lines_are_in_lower_case_and_joined() -> None:
    lines = [
        (b"X-One", b"a"),
        (b"x-two", b"\xc3\xbc"),
        (b"x-ONE", b"b"),
        (b"X-Odd", b"\xff"),
        (b"Cookie", b"session=secret"),
        (b"Sec-WebSocket-Protocol", b"bearer, secret"),
    ]
    assert told("size(request.headers) == 0", *lines) == {
        "request.headers": {"x-one": "a, b", "x-two": "\u00fc", "x-odd": "\ufffd"}
    }


@pytest.mark.parametrize(
    ("target", "query"),
    [
        (b"/a", {}),
        (b"/a?", {}),
        (b"/a?b", {"b": [""]}),
        (b"/a?b=1&c=2&b=3&&", {"b": ["1", "3"], "c": ["2"]}),
        (b"/a?b=a+b%20c%2B&%62=x=y", {"b": ["a b c+", "x=y"]}),
        (b"/a?b=%C3%BC&c=%ff&d=%zz", {"b": ["\u00fc"], "c": ["\ufffd"], "d": ["%zz"]}),
        (b"/a?b=1?c=2", {"b": ["1?c=2"]}),
    ],
)
def test_the_query_is_every_value_of_each_name(target: bytes, query: dict[str, list[str]]) -> None:
    assert told("size(request.query) == 0", target=target) == {"request.query": query}


def test_a_query_has_so_many_pairs_and_no_more() -> None:
    pairs = b"&".join([b"a=1"] * MAX_PAIRS)
    assert len(told("size(request.query) == 0", target=b"/a?" + pairs)["request.query"]["a"]) == MAX_PAIRS
    with pytest.raises(TooMuch, match="more than 256 pairs"):
        told("size(request.query) == 0", target=b"/a?" + pairs + b"&b")
    # Whoever does not ask is not refused.
    assert told("request.path == '/a'", target=b"/a?" + pairs + b"&b") == {"request.path": "/a"}


THROUGH = "token.a.exists(x, request.path.contains(x))"


def test_what_goes_through_lists_is_bounded_by_their_members_and_the_longest_text() -> None:
    many = {"a": ["g"] * 4000}
    assert told(THROUGH, claims=many, target=b"/" + b"a" * 200)
    with pytest.raises(TooMuch, match="4003 members and a text of 301 characters, 1 deep"):
        told(THROUGH, claims=many, target=b"/" + b"a" * 300)
    # By itself neither is too much, nor is it where nothing is gone through.
    assert told(THROUGH, claims={"a": ["g"]}, target=b"/" + b"a" * 8000)
    assert told("token.a == [] && request.path == ''", claims=many, target=b"/" + b"a" * 8000)


def test_what_is_done_with_each_text_counts_as_well() -> None:
    members = {"a": ["g"] * 1000}
    for text, fits in (("x == 'a'", 2000), ("x.contains('a')", 1000), ("x + x + x == ''", 500)):
        condition = f"token.a.exists(x, {text} || request.path == '')"
        assert told(condition, claims=members, target=b"/" + b"a" * fits)
        with pytest.raises(TooMuch):
            told(condition, claims=members, target=b"/" + b"a" * (fits + 200))


def test_within_a_list_another_one_counts_for_each_member() -> None:
    within = "token.a.all(x, token.a.all(y, x != y || request.path == ''))"
    assert told(within, claims={"a": ["g"] * 90}, target=b"/" + b"a" * 200)
    with pytest.raises(TooMuch, match="2 deep"):
        told(within, claims={"a": ["g"] * 90}, target=b"/" + b"a" * 300)
    # No more steps are taken than the library takes.
    short = b"/" + b"a" * (MAX_WORK // MAX_STEPS - 1)
    assert told(within, claims={"a": ["g"] * 4000}, target=short)


def test_a_list_that_is_made_of_one_costs_its_square() -> None:
    for text, fits in (("token.a.map(x, x) == []", 700), ("token.a.map(x, x).filter(x, x > 0) == []", 500)):
        assert told(text, claims={"a": [1] * fits})
        with pytest.raises(TooMuch):
            told(text, claims={"a": [1] * (fits + 50)})
    assert told("token.a.all(x, x > 0)", claims={"a": [1] * 4000})


def test_a_header_line_counts_under_the_name_that_an_api_may_read_it_by() -> None:
    lines = ((b"X_Debug", b"1"), (b"x-debug", b"2"), (b"X_Other", b"3"), (b"Sec_WebSocket_Protocol", b"bearer, abc"))
    seen = told("'x-debug' in request.headers", *lines)["request.headers"]
    assert seen == {"x_debug": "1", "x-debug": "1, 2", "x_other": "3", "x-other": "3"}


@pytest.mark.parametrize("pattern", [r"r'[ab]*a[ab]{250}c'", r"r'^(\pL|-){20}$'", r"'^(\\pL|-){20}$'"])
def test_a_pattern_with_many_choices_goes_through_no_long_text(pattern: str) -> None:
    assert told(f"request.path.matches({pattern})", target=b"/" + b"a" * 1400)
    with pytest.raises(TooMuch):
        told(f"request.path.matches({pattern})", target=b"/" + b"a" * 2100)
    assert told("request.path.matches('^/a+/items/[0-9]+$')", target=b"/" + b"a" * 60_000)


def test_a_pattern_with_many_choices_counts_for_each_member() -> None:
    text = "token.a.all(x, token.a.all(y, !y.matches('[ab]*a[ab]{250}c')))"
    assert told(text, claims={"a": ["ab"] * 8})
    with pytest.raises(TooMuch):
        told(text, claims={"a": ["ab" * 50] * 20})


def test_what_is_null_counts_for_nothing() -> None:
    text = "identity.subject == null && identity.scopes.all(s, s != '')"
    assert told(text, who={"subject": None}) == {"identity.subject": None, "identity.scopes": ["read", "write"]}


def test_header_lines_and_query_count_as_well() -> None:
    for name in ("request.headers", "request.query"):
        text = f"{name}.exists(n, n == '') && identity.scopes.all(s, s != '')"
        line = (b"X", b"v" * 30_000)
        target = b"/a?" + b"&".join(b"n%d=%s" % (number, b"v" * 60) for number in range(250))
        with pytest.raises(TooMuch):
            told(text, line, *((b"N%d" % number, b"v") for number in range(90)), target=target + b"&m=" + b"v" * 9000)
