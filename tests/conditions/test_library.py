"""What Google's CEL makes of a text and of values, as far as the gateway relies on it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.conditions.library import Library, Mistake
from gateway.core.condition.result import Result

VALUES: dict[str, Any] = {
    "token": {"sub": "alice", "n": 5, "d": 1.5, "big": 2.0**70, "flag": True, "roles": ["a", "b"], "o": {"p": None}},
    "identity.subject": "alice",
    "identity.client": None,
    "identity.scopes": ["read"],
    "identity.issuer": "local",
    "identity.audience": ["api"],
    "request.method": "GET",
    "request.host": "api.example.com",
    "request.path": "/orders/1",
    "request.headers": {"x-tenant": "acme"},
    "request.query": {"a": ["1", "2"]},
}
ABSENT = "something that it names is not there"
TYPE = "a value is of another type than it is used as"
NEITHER = "its result is neither true nor false"
OTHER = "it cannot be worked out"


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.mark.parametrize(
    ("text", "outcome", "why"),
    [
        ("true", "true", ""),
        ("false", "false", ""),
        ("token.sub == identity.subject && token.n == 5 && token.n == 5.0", "true", ""),
        ("token.big > 1e20 && token.n < 6 && token.d == 1.5", "true", ""),
        ("token.flag", "true", ""),
        ("!token.flag", "false", ""),
        ("token.o.p == null && identity.client == null", "true", ""),
        ("has(token.o.p) && !has(token.o.q) && !has(token.x.y)", "error", ABSENT),
        ("has(token.sub) && !has(token.nothing)", "true", ""),
        ("'read' in identity.scopes && 'api' in identity.audience", "true", ""),
        ("request.headers['x-tenant'] == 'acme' && !('y' in request.headers)", "true", ""),
        ("request.query.a == ['1', '2'] && size(request.query) == 1", "true", ""),
        ("request.path.startsWith('/orders/') && request.path.matches('^/orders/[0-9]+$')", "true", ""),
        ("request.method in ['GET', 'HEAD'] && request.host.endsWith('.example.com')", "true", ""),
        ("token.roles.exists(r, r == 'b') && token.roles.all(r, r != 'c')", "true", ""),
        ("token.exists(k, k == 'roles')", "true", ""),
        ("timestamp(token.n) < timestamp('2020-01-01T00:00:00Z')", "true", ""),
        # Whatever is no truth is an error, however it looks.
        ("token.nothing == 'x'", "error", ABSENT),
        ("token.nothing != 'x'", "error", ABSENT),
        ("request.headers['other'] == 'x'", "error", ABSENT),
        ("request.query.other == ['x']", "error", ABSENT),
        ("token.roles[5] == 'x'", "error", "a list is shorter than it takes it to be"),
        ("token.n / 0 == 1", "error", "it divides by zero"),
        ("token.sub + 1 == 2", "error", TYPE),
        ("token.sub > 1", "error", TYPE),
        ("token.sub && true", "error", TYPE),
        ("int(token.sub) == 1", "error", OTHER),
        ("request.path.matches('(')", "error", OTHER),
        ("token.sub", "error", NEITHER),
        ("token.n", "error", NEITHER),
        ("token.o", "error", NEITHER),
        ("token.o.p", "error", NEITHER),
        ("dyn(1)", "error", NEITHER),
        # An error that does not matter is none.
        ("token.nothing == 'x' || true", "true", ""),
        ("token.nothing == 'x' && false", "false", ""),
        ("true ? true : token.nothing", "true", ""),
    ],
)
def test_it_is_true_or_false_or_an_error(library: Library, text: str, outcome: Any, why: str) -> None:
    assert library.compile(text).evaluate(VALUES) == Result(outcome, why)


def test_what_goes_on_too_long_ends(library: Library) -> None:
    members = {"token": {"a": [0] * 200}}
    within = library.compile("token.a.all(x, token.a.all(y, x == y))")
    assert within.evaluate({"token": {"a": [0] * 90}}) == Result("true")
    assert within.evaluate(members) == Result("error", "it goes through more than 10000 members")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"token": None},
        {"token": "text"},
        {"token": {"sub": object()}},
        {"token": {"sub": "\ud800"}},
        {"token": {"sub": 1 << 80}},
        {"token": {1: "x"}},
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_values_that_are_none_refuse_and_raise_nothing(library: Library, values: dict[str, Any]) -> None:
    result = library.compile("token.sub == 'alice'").evaluate(values)
    assert result.outcome in {"error", "false"}
    # Some messages of the library have the value in them.
    assert not any(part in result.why for part in ("1208925819614629174706176", "object at", "alice"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1", "must be true or false; its result is of the type int"),
        ("'a'", "must be true or false; its result is of the type string"),
        ("identity.scopes", "must be true or false; its result is of the type list<string>"),
        ("null", "must be true or false; its result is of the type null"),
        ("true &&", "cannot be compiled: line 1, column 8: Syntax error: mismatched input '<EOF>'"),
        (
            "identity.subjcet == 'x'",
            (
                "cannot be compiled: there is no identity.subjcet (did you mean identity.subject?); there are "
                "identity.subject, identity.client, identity.scopes, identity.issuer, identity.audience"
            ),
        ),
        (
            "request.body == 'x'",
            (
                "cannot be compiled: there is no request.body; there are request.method, request.host, request.path, "
                "request.headers, request.query"
            ),
        ),
        ("request == 'x'", "cannot be compiled: there is no request; there are request.method, request.host"),
        ("tokens.sub == 'x'", "cannot be compiled: there is no tokens.sub"),
        ("tokn", "cannot be compiled: there is no tokn (did you mean token?)"),
        ("request.path.upper() == 'X'", "cannot be compiled: there is no upper"),
        ("request.path == 1", "cannot be compiled: line 1, column 14: found no matching overload for '_==_'"),
        ("request.path && true", "cannot be compiled: line 1, column 14: "),
        ("(" * 300 + "true" + ")" * 300, "cannot be compiled: it is nested too deeply, and 32 is the most"),
        ("+".join("1" * 100) + " == 1", "cannot be compiled: it is nested too deeply, and 32 is the most"),
        ("a\0b", "cannot be compiled: line 1, column 2: Syntax error"),
        ("\ud800", "cannot be compiled: it is no CEL"),
        ("x.y && z.w && q.r && s.t", "cannot be compiled: there is no x.y; there is no z.w; there is no q.r"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_condition_does_not_start(library: Library, text: str, sentence: str) -> None:
    with pytest.raises(Mistake) as mistake:
        library.compile(text)
    assert str(mistake.value).startswith(sentence)
    assert "\n" not in str(mistake.value)


def test_nothing_of_it_needs_the_extensions_that_the_image_leaves_out() -> None:
    program = (
        "import sys; sys.modules['cel_expr_python.ext'] = None; from gateway.conditions import library, conditions; "
        "print([name for name in sys.modules if name.startswith('cel_expr_python.ext.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "[]\n"
