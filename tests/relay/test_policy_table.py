"""The policy table against the whole proxy on sockets: what the client reads, and what reached the API."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.section import Seconds
from tests.policy_table import ISSUERS, KEYS, Row, authorization, config_of, part_of, parts
from tests.signer import public_jwk
from tests.wire import Message, RawUpstream, Running, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FORGED = ["X-User-Id: forged", "x_user_id: forged", "X-Client.Id: forged", "X-Token-Scopes: forged", "X-Gateway-Assertion: forged"]  # fmt: skip
IDENTITY = {b"x-user-id", b"x-client-id", b"x-token-scopes"}


@dataclass
class Case:
    """A row, and what came of it."""

    row: Row
    response: Message
    #: what reached the API
    sent: list[Message]
    #: the access record
    record: dict[str, Any]


def request(row: Row, now: int) -> bytes:
    lines = [f"{row.method} {row.target} HTTP/1.1", f"Host: {row.host}", *FORGED]
    lines += [f"Authorization: {line.decode()}" for line in authorization(row.client, now)]
    return "\r\n".join([*lines, "", ""]).encode()


async def cases(gateway: Running, name: str, part: int) -> AsyncIterator[Case]:
    """A part of the rows of a configuration, each on a connection of its own."""
    now = int(time.time())
    gateway.upstream.response = OK
    for count, row in enumerate(part_of(name, part), 1):
        seen = set(map(id, gateway.upstream.requests))
        client = await gateway.client()
        response = await client.ask(request(row, now), row.method)
        await client.close()
        sent = [message for message in gateway.upstream.requests if id(message) not in seen]
        yield Case(row, response, sent, await gateway.ended(count))


@pytest.mark.parametrize(("name", "part"), parts())
async def test_the_proxy_does_what_the_table_says(tmp_path: Path, name: str, part: int) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public_jwk(key) for key in KEYS]}))
    nobody = {"jwks_url": "http://127.0.0.1:1/jwks", "allow_http": True}
    upstream = RawUpstream()
    await upstream.start()
    config = config_of(
        name,
        upstream=upstream.url,
        issuers={label: {"jwks_file": str(jwks)} for label in ISSUERS} | {"down": nobody},
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        limits=Limits(drain_delay=Seconds(0), drain=Seconds(5)),
        log=Log(level="debug"),
    )
    wrong: dict[str, list[str]] = {}
    async with running(config, upstream) as gateway:
        async for case in cases(gateway, name, part):
            if told := list(differences(case)):
                wrong[str(case.row)] = told
    assert not wrong


def differences(case: Case) -> list[str]:
    """What is not as the table says."""
    row, response, record = case.row, case.response, case.record
    expected: dict[str, tuple[object, object]] = {
        "status": (response.status, row.status),
        "outcome": (record["outcome"].replace("failed", "refused"), row.verdict),
        "logged reason": (record.get("reason"), row.reason),
        "route": (record.get("route"), row.route),
        "requests that reached the API": (len(case.sent), int(row.forwarded is not None)),
    }
    if row.forwarded is None:
        expected |= of_a_refusal(row, response)
    elif case.sent:
        expected |= of_what_was_sent(row, case.sent[0])
    return [f"{what}: {found!r}, not {wanted!r}" for what, (found, wanted) in expected.items() if found != wanted]


def of_a_refusal(row: Row, response: Message) -> dict[str, tuple[object, object]]:
    challenges = [value.decode() for value in response.values(b"WWW-Authenticate")]
    found: dict[str, tuple[object, object]] = {
        "challenges": (len(challenges), int(row.status == 401 or row.reason in CHALLENGED)),
    }
    if row.method != "HEAD":
        found["reason"] = (response.problem["reason"], row.reason)
    if row.status == 405:
        found["Allow"] = ([value.decode() for value in response.values(b"Allow")], [row.told])
    elif row.told is not None:
        found["scope"] = ([value.partition('scope="')[2].rstrip('"') for value in challenges], [row.told])
    return found


CHALLENGED = {"insufficient_scope", "malformed_credential", "multiple_credentials"}


def of_what_was_sent(row: Row, sent: Message) -> dict[str, tuple[object, object]]:
    values = {name.lower() for name, value in sent.lines if value == b"forged"}
    names = {name.lower() for name, _ in sent.lines}
    basic = row.client == "basic" and row.user is None and row.verdict == "admitted"
    return {
        "request line": (sent.start.decode(), f"{row.method} {row.forwarded} HTTP/1.1"),
        "Host": (sent.values(b"Host"), [row.host.encode()]),
        "X-User-Id": ([value.decode() for value in sent.values(b"X-User-Id")], [row.user] if row.user else []),
        "identity without a user": (
            bool(names & IDENTITY),
            row.user is not None or (row.client == "machine" and row.route != "public"),
        ),
        "forged": (values, set()),
        "Authorization": (len(sent.values(b"Authorization")), int(basic)),
    }
