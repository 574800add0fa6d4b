"""Strict, bounded JSON."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jsontext import MAX_DEPTH, MAX_DIGITS, _read_quickly, _read_strictly, parse_json


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
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested too deeply"),
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


def told(read: Callable[[bytes], Any], text: bytes) -> str:
    """What a reader makes of a text, with types: 1, 1.0 and True are equal, and -0.0 and 0.0 too."""
    try:
        return repr(read(text))
    except ValueError as error:
        return f"refused: {error}"


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8)
NAMES = st.sampled_from(["a", "b", "ab", "", "ü", "[", '"', "\\", "\u0061"])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """JSON as somebody might write it: members twice, blanks anywhere, escapes or none, and now and then spoilt."""

    def write(depth: int) -> str:
        blank = draw(st.sampled_from(["", "", "", " ", "\n", "\t "]))
        kind = draw(st.integers(0, 5)) if depth else 0
        if kind == 1:
            return f"{blank}[{','.join(write(depth - 1) for _ in range(draw(st.integers(0, 3))))}{blank}]"
        if kind > 1:
            names = [json.dumps(draw(NAMES), ensure_ascii=draw(st.booleans())) for _ in range(draw(st.integers(0, 3)))]
            return f"{blank}{{{','.join(f'{name}:{write(depth - 1)}' for name in names)}}}{blank}"
        return json.dumps(draw(LEAVES), ensure_ascii=draw(st.booleans())) + blank

    text = write(3).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0 and text:
        at = draw(st.integers(0, len(text) - 1))
        text = (
            text[:at]
            + draw(st.binary(max_size=2) | st.sampled_from([b",", b'"', b"e9", b"0", b"-", b"}", b"[["]))
            + text[at + 1 :]
        )
    return text


@given(texts())
def test_what_is_read_quickly_is_what_is_read_strictly(text: bytes) -> None:
    assert told(parse_json, text) == told(_read_strictly, text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{"b":1},"c":["d",{"b":2}],"e":"f"}',
        b"-0",
        b"-0.0",
        b"5e-324",
        b"9007199254740993.0",
        b"18446744073709551615",
        b"-9223372036854775808",
        b"123456789012345678901234567890.5",
        b'{"a":"","a":""}',
        b'{"a":1,"a":"b","c":"d"}',
        b'{"a":"b","a":{"c":"d"}}',
        b'{"":"","":[]}',
        b'{"a":{"x":1},"a":{"x":1}}',
        b'{"a":["x"],"b":{"a":1,"a":1}}',
        b'{"a":"x",\'b":1}',
        b'{"a":1}"',
        b'["\x7f\xc2\x80"]',
        b'["\xf4\x90\x80\x80"]',
    ],
)
def test_what_is_unusual_is_read_the_same_in_both_ways(text: bytes) -> None:
    assert told(parse_json, text) == told(_read_strictly, text)


def test_the_usual_payload_is_read_quickly() -> None:
    text = b'{"iss":"https://a.example","aud":["x","y"],"exp":1900000000,"n":{"m":[1.5,null,true,{"o":"p"}]}}'
    assert _read_quickly(text) == _read_strictly(text)
