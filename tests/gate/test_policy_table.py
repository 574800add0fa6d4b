"""The policy table against `Gate.admit`, in process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from gateway.core.checks.problems import problems
from gateway.core.config.file import Config, identity_headers_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS
from gateway.core.errors import IssuerUnavailable, Refusal, UnknownKey
from gateway.core.http.challenge import Challenges, compose_refusal
from gateway.core.http.header_names import fold
from gateway.core.routing.admission import Admission
from gateway.core.token.keys import Key
from gateway.core.trail import Step
from gateway.gate import Gate
from gateway.ports import Ending
from tests.memory import Nowhere, Recorder, facts, key_set
from tests.policy_table import CLIENTS, KEYS, ROWS, SETTINGS, STATUS, Row, authorization, config_of, part_of, parts
from tests.signer import NOW

PUBLISHED = key_set(*KEYS)
#: what a client may claim to be; none of it may ever arrive
FORGED = tuple(
    (spelled, b"forged")
    for name in (
        b"X-User-Id",
        b"X-Client-Id",
        b"X-Token-Scopes",
        b"X-Tenant",
        b"X-Gateway-Assertion",
        b"X-Original-URL",
    )
    for spelled in (name, name.replace(b"-", b"_").lower())
)


class Published:
    """The Issuers port: every issuer has the same keys, and `down` none."""

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        return () if issuer == "down" else PUBLISHED.find(alg=alg, kid=kid)

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        return issuer != "down" and thumbprint in PUBLISHED.thumbprints

    async def fetch_keys(
        self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()
    ) -> tuple[Key, ...]:
        if issuer == "down":
            raise IssuerUnavailable("nobody responds")
        raise UnknownKey("not published")


@cache
def config(name: str) -> Config:
    return config_of(name)


@cache
def gate(name: str) -> Gate:
    return Gate(config(name), issuers=Published(), upstream=Nowhere(), observer=Recorder(), clock=lambda: NOW)


async def judged(row: Row) -> tuple[Admission | Refusal, Ending]:
    lines = authorization(row.client, NOW)
    ending = Ending()
    request = facts(
        None,
        *((b"Authorization", line) for line in lines),
        *FORGED,
        method=row.method,
        target=row.target.encode(),
        host=row.host.encode(),
        authorization=lines,
    )
    try:
        return await gate(row.config).admit(request, ending), ending
    except Refusal as refusal:
        return refusal, ending


#: what is done with a token that is not remembered, or only then
INSIDE = [Step.FORM, Step.ISSUER, Step.CLASS, Step.TIME, Step.AUDIENCE, Step.SUBJECT, Step.SIGNATURE, Step.HEADERS]


@contextmanager
def said_of(row: Row) -> Iterator[None]:
    """Whoever fails here says which row it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(str(row))
        raise


@pytest.mark.parametrize(("name", "part"), parts())
async def test_a_request_takes_the_steps_in_order_and_a_refusal_is_where_it_stands(name: str, part: int) -> None:
    for row in part_of(name, part):
        with said_of(row):
            await check_steps(row)


async def check_steps(row: Row) -> None:
    outcome, ending = await judged(row)
    order = list(Step)
    places = [order.index(step) for step in ending.steps]
    assert places == sorted(set(places))
    assert ending.steps[:2] == [Step.REQUEST, Step.ROUTE]
    assert (ending.step if isinstance(outcome, Refusal) else ending.reported_at) == row.step
    if row.verdict == "admitted":
        judged_anew = [*INSIDE] if Step.FORM in ending.steps else [Step.REMEMBERED]
        asked = [Step.CREDENTIAL, *judged_anew, Step.BINDING, Step.POLICY]
        assert ending.steps[2:] == ([] if ending.identity is None else asked)


def test_the_table_is_large_enough_and_has_no_row_twice() -> None:
    assert len(ROWS) >= 1500
    assert len({str(row) for row in ROWS}) == len(ROWS)
    assert {row.config for row in ROWS} == set(SETTINGS)
    assert {row.client for row in ROWS} == set(CLIENTS)
    assert {row.reason for row in ROWS} - {None} == set(STATUS)
    routes = {(name, route.name) for name, given in SETTINGS.items() for route in given.get("routes", ())}
    assert routes - {(row.config, row.route) for row in ROWS} == {("wide first", "health")}  # which nobody reaches


@pytest.mark.parametrize("name", SETTINGS)
def test_the_configurations_of_the_table_are_sound(name: str) -> None:
    assert problems(config(name)) == []


@pytest.mark.parametrize(("name", "part"), parts())
async def test_the_gate_says_what_the_table_says(name: str, part: int) -> None:
    for row in part_of(name, part):
        with said_of(row):
            await check_verdict(row)


async def check_verdict(row: Row) -> None:
    outcome, ending = await judged(row)
    assert (ending.route.name if ending.route else None) == row.route
    if isinstance(outcome, Refusal):
        assert (row.verdict, row.reason, row.status) == ("refused", outcome.reason, outcome.status)
        assert ending.reported is None
        headers = dict(compose_refusal(outcome, challenges=Challenges("api")).headers)
        if row.status == 405:
            assert headers[b"Allow"].decode() == row.told
        elif row.told is not None:
            assert headers[b"WWW-Authenticate"].endswith(f'scope="{row.told}"'.encode())
        return
    reported = ending.reported.reason if ending.reported else None
    assert (row.verdict, row.reason) == ("reported" if reported else "admitted", reported)
    assert outcome.route is ending.route
    assert outcome.target.decode() == row.forwarded
    assert (outcome.identity.subject if outcome.identity else None) == row.user
    check_lines(row, outcome)


def check_lines(row: Row, admission: Admission) -> None:
    """Of what a client claims to be nothing arrives, in no spelling; the token stays here."""
    names = {fold(name.encode()) for name in (*identity_headers_of(config(row.config)), *DEFAULT_IDENTITY_HEADERS)}
    ours = tuple(line for line in admission.headers if fold(line[0]) in names)
    assert ours == (admission.identity.headers if admission.identity else ())
    assert [value.decode() for name, value in ours if name == b"X-User-Id"] == ([row.user] if row.user else [])
    harmless = {b"x-tenant"} - names | ({b"x-original-url"} if not config(row.config).routes else set())
    assert {fold(name) for name, value in admission.headers if value == b"forged"} <= harmless
    assert not any(value.lower().startswith(b"bearer") for _, value in admission.headers)


@pytest.mark.parametrize("row", [row for row in ROWS if row.client in {"both", "reader", "everything"}][::3], ids=str)
async def test_a_remembered_token_is_judged_like_a_new_one(row: Row) -> None:
    first, one = await judged(row)
    second, other = await judged(row)
    assert type(first) is type(second)
    assert (one.route, one.identity) == (other.route, other.identity)
