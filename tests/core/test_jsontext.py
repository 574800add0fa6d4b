"""Strict, bounded JSON."""

from typing import Any

import pytest

from gateway.core.jsontext import MAX_DEPTH, MAX_DIGITS, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, -2.5, 1e3, true, false, null, "b"]}\n', {"a": [1, -2.5, 1000.0, True, False, None, "b"]}),
        ('"ü€😀"'.encode(), "ü€😀"),
        (rb'"\u00fc\ud83d\ude00"', "ü😀"),
        (rb'"a\"[[\\"', 'a"[[\\'),
        (b'{"a": {"a": 1}, "b": {"a": 1}}', {"a": {"a": 1}, "b": {"a": 1}}),
        (b" \t\r\n[ ]\t\r\n ", []),
        (rb'"\\ud800 \uDBFF\uDFFF"', "\\ud800 \U0010ffff"),
        (b"1e-400", 0.0),
        (b"0." + b"1" * 5_000, 1 / 9),
        (b"9" * MAX_DIGITS, 10**MAX_DIGITS - 1),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, ...),
        (b"[[]," + b"[" * (MAX_DEPTH - 1) + b"]" * MAX_DEPTH, ...),
        (b"[" + b",".join([b"[]"] * 100) + b"]", [[]] * 100),
        (b'"' + b"[{" * 1_000 + b'"', "[{" * 1_000),
        (b'{"' + b"[" * 100 + b'\\"": []}', {"[" * 100 + '"': []}),
    ],
)
def test_json_is_read_as_everybody_reads_it(text: bytes, value: Any) -> None:
    parsed = parse_json(text)
    assert value is ... or parsed == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b" ", "not JSON"),
        (b"\x0c{}", "not JSON"),
        (b"{}\xc2\xa0", "not JSON"),
        (b"{}\xef\xbb\xbf", "not JSON"),
        (b" \xef\xbb\xbf{}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"{} {}", "not JSON"),
        (b"01", "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b'"' + b"[" * 100, "not JSON"),
        (b'"' + b"[" * 100 + b"\\", "not JSON"),
        (b"]" * 100 + b"[" * 100, "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": 1, "a": 1}', "a member twice"),
        (b'{"a": 1, "\\u0061": 2}', "a member twice"),
        (b'[{"b": {"a": 1, "a": null}}]', "a member twice"),
        (b"NaN", "NaN or Infinity"),
        (b'{"a": Infinity}', "NaN or Infinity"),
        (b"[-Infinity]", "NaN or Infinity"),
        (b"1e400", "number too large"),
        (b"-1e400", "number too large"),
        (b"1" + b"0" * 400 + b".5", "number too large"),
        (b"9" * (MAX_DIGITS + 1), "number too large"),
        (b"-" + b"9" * MAX_DIGITS, "number too large"),
        (b"9" * 5_000, "number too large"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested too deeply"),
        (b"[[]," + b"[" * MAX_DEPTH + b"]" * (MAX_DEPTH + 1), "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
        (b'["]", ' * 50 + b"1" + b"]" * 50, "nested too deeply"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
        ('{"a": 1}'.encode("utf-32-be"), "not JSON"),
        (rb'"\ud800"', "an escape that is no character"),
        (rb'{"\udfff": 1}', "an escape that is no character"),
        (rb'["\uDfFf"]', "an escape that is no character"),
        (rb'["\ude00\ud83d"]', "an escape that is no character"),
    ],
)
def test_what_is_no_strict_json_is_a_value_error_that_quotes_nothing(text: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        parse_json(text)
    assert str(caught.value).startswith(("the JSON", "the text"))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
