"""The policy table against the decision API and `explain`: they say what the proxy and the gate say (tests/relay, tests/gate)."""

import json
import time
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.section import Seconds
from gateway.explaining.explanation import explain
from tests.policy_table import ISSUERS, KEYS, ROWS, SETTINGS, Row, authorization, config_of, part_of, parts
from tests.signer import public_jwk
from tests.wire import RawUpstream, running

#: tests of a configuration, so that none takes long
PARTS = 6
NOBODY: dict[str, Any] = {"jwks_url": "http://127.0.0.1:1/jwks", "allow_http": True}


@pytest.fixture
def issuers(tmp_path: Path) -> dict[str, dict[str, Any]]:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public_jwk(key) for key in KEYS]}))
    return {label: {"jwks_file": str(jwks)} for label in ISSUERS} | {"down": NOBODY}


def nginx(row: Row) -> list[str]:
    facts = [f"X-Original-Method: {row.method}", f"X-Original-URI: {row.target}", f"X-Original-Host: {row.host}"]
    return ["GET /nginx HTTP/1.1", "Host: gateway", *facts]


def forward(row: Row) -> list[str]:
    facts = [f"X-Forwarded-Method: {row.method}", f"X-Forwarded-Uri: {row.target}", f"X-Forwarded-Host: {row.host}"]
    return ["GET /forward HTTP/1.1", "Host: gateway", "X-Forwarded-Proto: http", *facts]


def asked(row: Row) -> list[str]:
    """The row as the one proxy or the other asks of it: half of the rows each."""
    return (nginx if zlib.crc32(str(row).encode()) % 2 else forward)(row)


@cache
def is_bearer(client: str) -> bool:
    """Whether what a client sends is no token or a single bearer token: nothing else can be given to `explain`."""
    lines = authorization(client, int(time.time()))
    return not lines or (len(lines) == 1 and lines[0][:7].lower() == b"bearer ")


@cache
def outcomes(name: str) -> list[Row]:
    """Of a configuration one row for each way in which a request comes out on each route."""
    rows = [row for row in ROWS if row.config == name and is_bearer(row.client)]
    return list({(row.verdict, row.reason, row.step, row.route): row for row in rows}.values())


@pytest.mark.parametrize(("name", "part"), parts())
async def test_the_decision_api_says_what_the_table_says(
    issuers: dict[str, dict[str, Any]], name: str, part: int
) -> None:
    config = config_of(
        name,
        issuers=issuers,
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        decisions="127.0.0.1:0",
        trusted_proxies=("127.0.0.1/32",),
        limits=Limits(drain_delay=Seconds(0), drain=Seconds(5)),
        log=Log(level="debug"),
    )
    upstream = RawUpstream()
    await upstream.start()
    now = int(time.time())
    wrong = {}
    async with running(config, upstream) as gateway:
        for row in part_of(name, part):
            client = await gateway.client(gateway.gateway.decisions_address)
            lines = [*asked(row), *(f"Authorization: {line.decode()}" for line in authorization(row.client, now))]
            response = await client.ask("\r\n".join([*lines, "", ""]).encode())
            await client.close()
            admitted = row.verdict != "refused"
            found = (response.status, response.values(b"X-User-Id"), response.values(b"X-Gateway-Reason"))
            wanted = (
                (200, [(row.user or "").encode()], []) if admitted else (row.status, [], [(row.reason or "").encode()])
            )
            if found != wanted:
                wrong[str(row)] = (found, wanted)
        assert not upstream.requests
    assert not wrong


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", SETTINGS)
async def test_explain_says_what_the_table_says(issuers: dict[str, dict[str, Any]], name: str, part: int) -> None:
    """It asks the gate, of which tests/gate tries every row; its own are the words for what comes out."""
    now = int(time.time())
    config = config_of(name, issuers=issuers)
    wrong = {}
    for row in outcomes(name)[part::PARTS]:
        lines = authorization(row.client, now)
        token = lines[0][7:] if lines else b""
        told = await explain(config, token, method=row.method, target=row.target, host=row.host)
        failed = [line.name for line in told.steps if line.passed is False]
        found = (told.verdict, told.refusal.reason if told.refusal else None, failed)
        wanted = (row.verdict, row.reason, [] if row.step is None else [row.step])
        if found != wanted:
            wrong[str(row)] = (found, wanted)
    assert not wrong
