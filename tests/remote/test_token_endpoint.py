"""A token endpoint on a real socket: what it is asked, when it is left alone, and what is said of it in the log."""

import logging
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from gateway.core.errors import ExchangeRefused, ExchangeUnavailable
from gateway.core.upstream.exchange import judge_client_credentials, judge_exchange
from gateway.remote.token_endpoint import SAID_AGAIN
from tests.issuer import RecordingObserver, SimulatedClock
from tests.remote.asking_tokens import Secrets, exchanging, own, remote
from tests.signer import NOW
from tests.token_endpoint import TokenEndpoint

FORM = {"grant_type": "client_credentials"}
FAILS = {"error": "server_error"}


async def test_it_is_asked_with_the_credentials_of_now(
    endpoint: TokenEndpoint, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    secrets = Secrets()
    made = remote(own(endpoint), clock, observer, secrets)
    posting = remote(own(endpoint, auth="client_secret_post"), clock, observer, secrets)
    try:
        granted = await made.ask(FORM, judge_client_credentials)
        secrets.now = "an:other"
        await made.ask(FORM, judge_client_credentials)
        await posting.ask(FORM, judge_client_credentials)
    finally:
        await made.close()
        await posting.close()
        await made.close()
    assert granted.authorization == b"Bearer token-1"
    assert [headers.get("Authorization") for _, headers in endpoint.asked] == [
        "Basic Z2F0ZXdheTpzM2NyZXQ=",
        "Basic Z2F0ZXdheTphbiUzQW90aGVy",
        None,
    ]
    assert endpoint.forms[0] == FORM
    assert endpoint.forms[2] == {**FORM, "client_id": "gateway", "client_secret": "an:other"}
    assert observer.requested == [("shop", "ok")] * 3


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry_After": "7"}, 7),
        (429, {"Retry_After": format_datetime(datetime.fromtimestamp(NOW + 60, UTC), usegmt=True)}, 60),
        (429, {}, 5),
        (503, {"Retry_After": "90"}, 90),
        (503, {}, 0),
        (500, {"Retry_After": "9"}, 9),
        (400, {"Retry_After": "9"}, 0),
    ],
)
async def test_it_has_silence_for_as_long_as_it_asked(
    endpoint: TokenEndpoint,
    clock: SimulatedClock,
    observer: RecordingObserver,
    status: int,
    headers: dict[str, str],
    seconds: int,
) -> None:
    endpoint.say(status, FAILS, **headers)
    made = remote(exchanging(endpoint), clock, observer)
    try:
        with pytest.raises(ExchangeUnavailable):
            await made.ask(FORM, judge_exchange)
        assert made.silence() == seconds
        endpoint.says = None
        if seconds:
            clock.skip(seconds - 1.5)
            with pytest.raises(ExchangeUnavailable) as raised:
                await made.ask(FORM, judge_exchange)
            assert raised.value.retry_after == 2
            assert len(endpoint.asked) == 1
            clock.skip(1.5)
        await made.ask(FORM, judge_exchange)
    finally:
        await made.close()
    assert [result for _, result in observer.requested] == ["error", "ok"]


async def test_what_is_wrong_with_it_is_said_once_and_a_refusal_is_not(
    endpoint: TokenEndpoint, clock: SimulatedClock, observer: RecordingObserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.remote")
    made = remote(exchanging(endpoint), clock, observer)
    fails = "upstream shop: its token cannot be had: the token endpoint says server_error, with status 400"
    refuses = "upstream shop: its token cannot be had: the token endpoint says invalid_client, with status 401"
    again = "upstream shop: its tokens can be had again"
    try:
        for _ in range(3):
            endpoint.say(400, {"error": "invalid_grant"})
            with pytest.raises(ExchangeRefused):
                await made.ask(FORM, judge_exchange)
            endpoint.say(400, FAILS)
            with pytest.raises(ExchangeUnavailable):
                await made.ask(FORM, judge_exchange)
            endpoint.says = None
            await made.ask(FORM, judge_exchange)
        assert caplog.messages == [fails, again]
        endpoint.say(401, {"error": "invalid_client", "error_description": "no such client s3cret"})
        clock.skip(SAID_AGAIN)
        for _ in range(2):
            with pytest.raises(ExchangeUnavailable):
                await made.ask(FORM, judge_exchange)
        endpoint.says = None
        await made.ask(FORM, judge_exchange)
    finally:
        await made.close()
    assert caplog.messages == [fails, again, refuses, again]
    assert [result for _, result in observer.requested].count("refused") == 3


async def test_only_so_many_sentences_are_remembered(
    endpoint: TokenEndpoint, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    made = remote(exchanging(endpoint), clock, observer)
    try:
        for number in range(40):
            endpoint.say(400, {"error": f"odd_{'x' * (number % 34)}"})
            with pytest.raises(ExchangeUnavailable):
                await made.ask(FORM, judge_exchange)
    finally:
        await made.close()
    assert len(made._said) == 32


async def test_an_endpoint_that_is_away_is_nothing_to_be_had(
    endpoint: TokenEndpoint, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    made = remote(own(endpoint, token_endpoint="http://127.0.0.1:1/token"), clock, observer)
    slow = remote(own(endpoint, timeout=0.05), clock, observer)
    try:
        with pytest.raises(ExchangeUnavailable, match=r"127.0.0.1:1/token: it cannot be reached"):
            await made.ask(FORM, judge_exchange)
        endpoint.free.clear()
        with pytest.raises(ExchangeUnavailable, match=r"/token: no complete response within 0.05 s"):
            await slow.ask(FORM, judge_exchange)
        endpoint.free.set()
        # No redirect is followed: the credentials go nowhere else.
        endpoint.say(307, b"", Location="/elsewhere")
        with pytest.raises(ExchangeUnavailable, match=r"with status 307"):
            await slow.ask(FORM, judge_exchange)
    finally:
        await made.close()
        await slow.close()
    assert repr(slow) == "TokenEndpoint(for shop, fails)"


async def test_a_key_that_was_spoilt_is_told_without_its_content(
    endpoint: TokenEndpoint, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    secrets = Secrets()
    made = remote(own(endpoint, client_secret=None, key=exchanging(endpoint).client_secret), clock, observer, secrets)
    try:
        with pytest.raises(ExchangeUnavailable) as raised:
            await made.ask(FORM, judge_exchange)
    finally:
        await made.close()
    assert raised.value.evidence.startswith("the key that the gateway authenticates with must hold")
    assert "s3cret" not in raised.value.evidence
    assert endpoint.asked == []
