"""Whatever a token says and a request has, a condition is true, or the request is refused; nothing is raised beyond that."""

import asyncio
from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.conditions.library import Library, Mistake
from gateway.core.condition.result import Result
from gateway.core.config.condition import condition_sentences, read_condition
from gateway.core.config.routes import RouteSection
from gateway.core.errors import Refusal
from gateway.core.token.payload import payload_of
from gateway.ports import Ending
from tests.gate.test_gate import World
from tests.memory import facts
from tests.properties.json_values import TEXT, VALUES, objects
from tests.signer import sign, some_claims

NAMES = ["a", "b", "roles", "sub", "x/y"]
CONDITIONS = (
    "token.a == 1",
    "token.a",
    "token.roles.exists(r, r == token.a || r == request.path)",
    "token.all(k, token[k] != token.b)",
    "token.a + token.b == token.roles",
    "token.roles.map(r, string(r) + request.path).exists(r, r.contains(token.a))",
    "size(token['x/y']) > 0 && token.a < token.b",
    "int(token.a) == 1 || timestamp(token.b) > timestamp(token.a)",
    "request.headers.all(n, request.headers[n] != token.a) && request.query.all(n, size(request.query[n]) > 0)",
    "request.path == request.host || request.query.a == ['1'] || request.headers.x == token.a",
    "identity.subject == token.sub && identity.client == null",
)
TARGETS = st.binary(max_size=60).map(
    lambda raw: b"/" + bytes(byte for byte in raw if 0x20 < byte < 0x7F and byte != 0x23)
)
LINES = st.lists(
    st.tuples(st.sampled_from([b"X", b"x", b"Cookie", b"Connection", b"X-User-Id", b"a"]), st.binary(max_size=20)),
    max_size=5,
)


@cache
def world(condition: str) -> World:
    return World(routes=(RouteSection(path="/*", condition=condition),), ambiguous_paths="allow")


@given(st.sampled_from(CONDITIONS), objects(NAMES), TARGETS, LINES)
@example(CONDITIONS[0], {"a": 10**300}, b"/", [])
@example(CONDITIONS[4], {"a": (1 << 63) - 1, "b": 1, "roles": 0}, b"/", [])
@example(CONDITIONS[5], {"roles": ["x" * 200] * 60, "a": "(((("}, b"/" + b"y" * 100, [])
def test_a_request_is_admitted_or_refused(
    condition: str, claims: dict[str, Any], target: bytes, lines: list[tuple[bytes, bytes]]
) -> None:
    behind = world(condition)
    ending = Ending()
    claims = {name: value for name, value in claims.items() if name in NAMES}
    came_out: set[str | None]
    try:
        asyncio.run(behind.gate.admit(facts(sign(some_claims(**claims), name="p-256"), *lines, target=target), ending))
        came_out = {"true"}
    except Refusal as refusal:
        came_out = {"false", "error"} if refusal.reason == "condition_false" else {None}
    assert ending.condition in came_out


WORDS = st.sampled_from(
    [
        *("token", "token.a", "token['b']", "token.roles", 'token["x/y"]', "token.size()", "token.`a`", "(token).a"),
        *("'token.a'", "// token.b\n", "r'\\'", "identity.subject", "request.path", "has(token.a)", "1", "null", "x"),
        *(".exists(x, x == ", ".all(token, ", ".map(x, ", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "'", '"'),
        *(" == ", " != ", " && ", " || ", "!", " + ", " in ", "size(", "\n", "\\", "b'a'", "'''", "token.token.a"),
    ]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=12).map("".join), TEXT)


@cache
def library() -> Library:
    return Library()


@given(TEXTS, st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUES)))
@example("token['a'] == 1 && has(token.b)", {"a": 1, "b": 2})
@example("token.all(k, k == 'a')", {"a": 1, "b": 2})
@example("[{'a': 1}].all(token, token.a == 1) && size(token) == 2", {"a": 1, "b": 2})
@example(".token.a == 1", {"a": 1, "b": 2})
@example("'a' + /**/ 'b' == token.a", {"a": "ab"})
def test_a_text_is_compiled_or_not_and_what_is_left_out_of_a_token_is_never_missed(
    text: str, claims: dict[str, Any]
) -> None:
    list(condition_sentences(text))
    condition = read_condition(text)
    try:
        compiled = library().compile(text)
    except Mistake:
        return
    values = {"identity.subject": "alice", "request.path": "/a"}
    kept = payload_of(claims, condition.claims).claims
    result = compiled.evaluate({**values, "token": kept})
    assert result == compiled.evaluate({**values, "token": payload_of(claims, None).claims})
    if not condition.names_token:
        assert result == compiled.evaluate(values)
    parts = [library().compile(part).evaluate({**values, "token": kept}) for part in condition.parts]
    if result == Result("true"):
        assert set(parts) == {result}
    else:
        assert any(one.outcome != "true" for one in parts)
