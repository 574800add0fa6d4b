"""How long a failure is remembered, for whom, and what is logged of it."""

import logging

import pytest

from gateway.remote.userinfo_failures import MAX_REMEMBERED, MAX_TOLD, Failure, Failures
from tests.signer import NOW


class World:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.failures = Failures("local", clock=lambda: NOW, monotonic=lambda: self.now)


@pytest.fixture
def world() -> World:
    return World()


def test_a_failure_is_remembered_for_ten_seconds_for_its_token(world: World) -> None:
    failure = Failure("no")
    world.failures.remember(b"a", failure)
    assert str(world.failures.find(b"a")) == str(failure)
    assert world.failures.find(b"b") is None
    assert world.failures.seconds_left(failure) == 10
    world.now += 9.5
    assert str(world.failures.find(b"a")) == str(failure)
    assert world.failures.seconds_left(failure) == 1
    world.now += 0.5
    assert world.failures.find(b"a") is None
    assert len(world.failures) == 0


def test_three_in_a_row_without_a_response_are_about_the_issuer(world: World) -> None:
    for digest in (b"a", b"b"):
        world.failures.remember(digest, world.failures.unreachable("down"))
    assert world.failures.find(b"new") is None
    world.failures.remember(b"c", world.failures.unreachable("down"))
    found = world.failures.find(b"new")
    assert str(found) == "down"
    world.now += 1
    # One is let through each second.
    assert world.failures.find(b"new") is None
    world.failures.unreachable("down")
    assert world.failures.find(b"new") is not None


def test_a_response_in_between_shows_that_the_issuer_is_there(world: World) -> None:
    for _ in range(5):
        world.failures.unreachable("down")
        world.failures.unreachable("down")
        world.failures.ended()
    for _ in range(5):
        world.failures.unreachable("down")
        world.failures.unreachable("down")
        assert not world.failures.status(404, {}).is_refusal
    assert world.failures.find(b"new") is None


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "42"}, 42),
        (429, {"retry-after": "99999"}, 300),
        (429, {"retry-after": "9" * 400}, 5),
        (429, {"retry-after": "soon"}, 5),
        (429, {"retry-after": "Fri, 15 Jan 2027 08:00:42 GMT"}, 42),
        (429, {}, 5),
        (503, {"retry-after": " 7 "}, 7),
        (503, {}, 0),
        (401, {"retry-after": "42"}, 0),
    ],
)
def test_an_issuer_that_is_asked_too_much_says_how_long_it_is_left_alone(
    world: World, status: int, headers: dict[str, str], seconds: float
) -> None:
    failure = world.failures.status(status, headers)
    assert failure.is_refusal == (status == 401)
    world.failures.remember(b"a", failure)
    assert world.failures.seconds_left(failure) == max(10, seconds)
    if seconds:
        world.now += seconds - 0.5
        assert world.failures.find(b"new") is not None
        world.now += 0.5
    assert world.failures.find(b"new") is None


def test_what_is_remembered_is_bounded(world: World) -> None:
    for index in range(MAX_REMEMBERED + 1):
        world.failures.remember(b"%d" % index, Failure("no"))
    assert len(world.failures) == MAX_REMEMBERED
    assert world.failures.find(b"0") is None


def test_each_sentence_is_logged_once_and_an_outage_ends_in_a_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.remote")
    for _ in range(4):
        world.failures.remember(b"a", world.failures.unreachable("down"))
        world.failures.remember(b"b", world.failures.status(403, {}))
        world.failures.crowded("1024 wait")
    assert [record.message for record in caplog.records] == [
        "issuer local: userinfo cannot be had: down",
        "issuer local: userinfo cannot be had: the response has status 403; often the token lacks the scope openid",
        "issuer local: userinfo cannot be had: too many requests wait to ask it",
    ]
    caplog.clear()
    for _ in range(3):
        world.failures.unreachable("down")
    world.failures.ended()
    world.failures.ended()
    world.failures.remember(b"a", world.failures.unreachable("down"))
    assert [record.message for record in caplog.records] == [
        "issuer local: userinfo can be had again",
        "issuer local: userinfo cannot be had: down",
    ]
    for index in range(2 * MAX_TOLD):
        world.failures.remember(b"a", Failure(str(index)))
    assert len(caplog.records) == MAX_TOLD + 1
