"""Whatever a token endpoint says: a token that a header can carry, a refusal, or nothing to be had; never anything else."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ExchangeRefused, ExchangeUnavailable, Refusal
from gateway.core.upstream.exchange import (
    Granted,
    judge_client_credentials,
    judge_exchange,
    kept_value,
    parse_kept,
)
from gateway.remote.silence import silence_of
from tests.properties.json_values import TEXT, VALUES, objects

MEMBERS = ["access_token", "token_type", "expires_in", "issued_token_type", "error", "error_codes", "error_description"]
GOOD = {"access_token": "a.b-c_d~e+f/g==", "token_type": "Bearer"}
DOCUMENTS = st.one_of(VALUES, objects(MEMBERS), objects(MEMBERS).map(lambda members: {**GOOD, **members}))
BODIES = st.one_of(st.binary(max_size=60), DOCUMENTS.map(lambda document: json.dumps(document).encode()))
STATUSES = st.one_of(st.just(200), st.integers(100, 599))

#: a date as it stands in Retry-After, with numbers of any size
DATES = st.tuples(*[st.one_of(st.integers(0, 99), st.integers())] * 5).map(
    lambda n: f"Fri, {n[0]} Jan {n[1]} {n[2]}:{n[3]}:00 +{n[4]}"
)
NOW = 1_800_000_000.0


def check(granted: Granted) -> None:
    scheme, token = granted.authorization.split(b" ", 1)
    assert scheme == b"Bearer"
    assert token
    assert token.isascii()
    assert not any(byte <= 0x20 or byte == 0x7F for byte in token)
    assert granted.lasts is None or 0.0 < granted.lasts < 10 * 366 * 24 * 3600


def judged(judge: Callable[[int, bytes], Granted], status: int, body: bytes) -> Granted | Refusal:
    """What it gives or refuses with; anything else is an error of the test."""
    try:
        return judge(status, body)
    except (ExchangeRefused, ExchangeUnavailable) as refusal:
        return refusal


@given(STATUSES, BODIES)
def test_a_response_to_an_exchange_is_a_token_a_refusal_or_nothing(status: int, body: bytes) -> None:
    found = judged(judge_exchange, status, body)
    if isinstance(found, Granted):
        assert status == 200
        check(found)
    else:
        assert found.evidence.isascii()
        assert 400 <= status < 500 or isinstance(found, ExchangeUnavailable)


@given(STATUSES, BODIES)
def test_a_response_to_the_gateway_itself_is_a_token_or_nothing(status: int, body: bytes) -> None:
    found = judged(judge_client_credentials, status, body)
    if isinstance(found, Granted):
        assert status == 200
        assert found.lasts is not None
        check(found)
    else:
        assert isinstance(found, ExchangeUnavailable)


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=20).map(lambda end: b"2000 Bearer " + end)))
def test_what_is_kept_is_ours_or_nothing(value: bytes) -> None:
    found = parse_kept(value, now=1_000.0, longest=60.0)
    if found is not None:
        check(Granted(found[0], None))
        assert 1_000.0 < found[1] <= 1_060.0
        assert parse_kept(kept_value(Granted(found[0], None), until=found[1]), now=1_000.0, longest=60.0) is not None


@given(st.one_of(st.none(), TEXT, st.integers().map(str), DATES))
def test_silence_is_bounded(value: Any) -> None:
    seconds = silence_of(429, {} if value is None else {"retry-after": value}, now=NOW)
    assert seconds is not None
    assert 0.0 <= seconds <= 3600.0
