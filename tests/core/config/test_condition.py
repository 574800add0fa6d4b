"""What is read from the text of a condition: never less of the token than it names."""

import pytest

from gateway.core.config.condition import MAX_CONDITION, condition_sentences, read_condition

PATTERN = "must have the pattern of matches as one text in it: request.path.matches('^/a/[0-9]+$')"


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("true", set()),
        ("token.sub == 'a'", {"sub"}),
        (" token . sub == 'a' && token['b/c'] == token[\"d\"]", {"sub", "b/c", "d"}),
        ("token\n.\nsub == 'a'", {"sub"}),
        ("has(token.sub) && !has(token.other)", {"sub", "other"}),
        ("token.a.b.c == 1 && token.a['x'].y == 2", {"a"}),
        ("token.roles.exists(r, r == 'x')", {"roles"}),
        (".token.sub == 'a'", {"sub"}),
        ("'token' in request.headers", set()),
        ("'token.a' == token.b", {"b"}),
        ("token.b == 1 // token.c", {"b"}),
        ("'// ' == token.b", {"b"}),
        ("r'\\' == token.b", {"b"}),
        ("'\\'' == token.b || \"\\\"\" == token.c", {"b", "c"}),
        ("'''a'b''' == token.b || \"\"\"a\"b\"\"\" == token.c", {"b", "c"}),
        ("r'''a'b''' == token.b || R\"\"\"\\\"\"\" == token.c", {"b", "c"}),
        ("b'x' == token.b || br'\\' == token.c", {"b", "c"}),
        ("token.b.token.c == 1", {"b"}),
        ("request.headers.token == 'x' && token.b == 1", {"b"}),
        ("f(x).token == 1 && y[0].token == 1 && 'a'.token == 1", set()),
        # Whatever may be any claim is all of them.
        ("token == {}", None),
        ("size(token) == 1", None),
        ("token.size() == 1", None),
        ("token.exists(k, k == 'x') && token.b == 1", None),
        ("token[request.path] == 1", None),
        ("token['a' + 'b'] == 1", None),
        ("token['a\\x62'] == 1", None),
        ("token[r'ab'] == 1", None),
        ("token[b'ab'] == 1", None),
        ("token['''ab'''] == 1", None),
        ("token.`b-c` == 1", None),
        ("'a' in token", None),
        ("[token][0].b == 1", None),
        ("[1].all(token, token > 0)", None),
        ("token", None),
        ("token.", None),
        ("token[", None),
        ("token['a'", None),
        ("(token).a == 1", None),
        ("token?.a == 1", None),
    ],
)
def test_the_claims_that_are_named_are_found_or_all_of_them(text: str, claims: set[str] | None) -> None:
    condition = read_condition(text)
    assert condition.claims == claims
    assert condition.names_token == (claims is None or claims != set())


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("identity.subject == request.path", {"identity.subject", "request.path"}),
        ("identity . scopes.size() > 0", {"identity.scopes"}),
        ("request.headers['x'] == 'identity.client'", {"request.headers"}),
        ("token.identity.subject == 'x' // request.path", set()),
        (".request.method == 'GET'", {"request.method"}),
        ("request.nothing == 1", {"request.nothing"}),
        ("request", set()),
        ("request.", set()),
        ("identity['subject'] == 'x'", set()),
    ],
)
def test_the_members_that_are_named_are_found(text: str, members: set[str]) -> None:
    assert read_condition(text).members == members


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("true", 0),
        ("all(x)", 0),
        ("token.a.all(x, x > 0)", 1),
        ("token.a.filter(x, x > 0).map(x, x + 1).exists(x, x == 2)", 1),
        ("token.a.all(x, token.b.exists(y, y == x))", 2),
        ("token.a.all(x, (token.b.exists(y, [1].map(z, z) == [y])))", 3),
        ("token.a.exists_one(x, {'a': token.b.existsOne(y, y == x)}.a)", 2),
        ("'.all(' == token.a", 0),
        ("token.all == 1 && token.a.size() > 0", 0),
        (")].all(x, x)", 1),
    ],
)
def test_how_deep_it_goes_through_lists_is_found(text: str, depth: int) -> None:
    assert read_condition(text).depth == depth


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("true", 1),
        ("token.a.all(x, (x > 0))", 1),
        ("(true)", 1),
        ("request.path.contains(token.a) && size(token.b) > 1", 3),
        ("'a(' + token.a == 'b+'", 2),
        ("token.a + token.b + token.c == 'x'", 4),
        ("string(token.a + token.b + token.c)", 5),
    ],
)
def test_what_is_done_with_texts_is_counted(text: str, weight: int) -> None:
    assert read_condition(text).weight == weight


def test_lists_that_are_made_of_lists_are_counted() -> None:
    assert read_condition("token.a.all(x, x > 0) && token.map == 1").copies == 0
    assert read_condition("token.a.filter(x, x > 0).map(x, x + 1) == []").copies == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (" a ", ("a",)),
        ("a && b&&c", ("a", "b", "c")),
        ("a && (b && c) && d[e && f]", ("a", "(b && c)", "d[e && f]")),
        ("'&&' == a && b", ("'&&' == a", "b")),
        ("a && b || c", ("a && b || c",)),
        ("a ? b && c : d", ("a ? b && c : d",)),
        ("a && (b || c)", ("a", "(b || c)")),
        ("a && {'x': 1}.x == 1", ("a", "{'x': 1}.x == 1")),
        ("a // && b\n && c", ("a // && b", "c")),
    ],
)
def test_the_parts_are_what_and_joins(text: str, parts: tuple[str, ...]) -> None:
    assert read_condition(text).parts == parts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("true", None),
        ("true\n\t&& true\r\n", None),
        ("a" * MAX_CONDITION, None),
        ("token.b == '\u00fc'", None),
        ("", "must not be empty; leave it out for none"),
        (" \n", "must not be empty; leave it out for none"),
        ("a" * (MAX_CONDITION + 1), "must not be longer than 1024 bytes"),
        ("\u00fc" * 513, "must not be longer than 1024 bytes"),
        ("a\0b", "must not have control characters"),
        ("a\x1b", "must not have control characters"),
        ("a\ud800", "must not have control characters"),
        (
            "true && has( identity.subject )",
            "cannot ask whether there is identity.subject: it always is, and null where nobody says it",
        ),
        (
            "has(request.path)",
            "cannot ask whether there is request.path: it always is, and null where nobody says it",
        ),
        ("has(request.headers.x) && has(token.identity.subject) && 'has(request.path)' != ''", None),
        ("has(request", None),
        ("request.path . matches( r'^/a' ) && token.matches == 'x'", None),
        ("request.path.matches(token.a)", PATTERN),
        ("request.path.matches('a' + token.a)", PATTERN),
        ("request.path.matches(('a'))", PATTERN),
        ("matches(request.path, 'a')", PATTERN),
        ("request.path.matches('(x{1,9}){1,9}')", None),
        (
            "request.path.matches('" + "(x{1,9}){1,9}" * 7 + "')",
            "must not have a pattern of more than 500 steps, each as often as it is repeated",
        ),
        ("request.path.matches(", PATTERN),
    ],
)
def test_what_is_no_condition_as_a_text_is_told(text: str, sentence: str | None) -> None:
    assert list(condition_sentences(text)) == ([] if sentence is None else [sentence])
