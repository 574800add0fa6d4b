"""`check --online` of an issuer: what time it is there, and what it calls itself where its keys come from elsewhere."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import pytest_asyncio

from gateway.commands.finding import Wrong
from gateway.commands.online_issuers import ask_issuer
from gateway.core.config.issuers import Issuer
from tests.issuer import HostileIssuer

DISCOVERY = "/.well-known/openid-configuration"
WELL = ("ok", "2 keys, for ES256, RS256")


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


async def asked(issuer: str, **settings: Any) -> tuple[str, str]:
    try:
        return await ask_issuer(Issuer(issuer=issuer, audience="a", **settings), {})
    except Wrong as wrong:
        return "problem", str(wrong)


@pytest.mark.parametrize(
    ("seconds", "state", "word"),
    [(50, "ok", "RS256"), (-50, "ok", "RS256"), (90, "warning", "ahead of"), (-90, "warning", "behind"), (600, "problem", "ahead of"), (-600, "problem", "behind")],
)  # fmt: skip
async def test_a_clock_that_differs_is_told(issuer: HostileIssuer, seconds: int, state: str, word: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    issuer.response("/jwks", headers={"Date": date})
    found, says = await asked(issuer.url)
    assert found == state
    assert says.startswith(WELL[1])
    assert word in says


async def test_what_a_cache_has_kept_is_no_clock_that_is_behind(issuer: HostileIssuer) -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(minutes=20), usegmt=True)
    issuer.response("/jwks", headers={"Date": date, "Age": "1200"})
    assert await asked(issuer.url) == WELL


async def test_keys_from_elsewhere_do_not_hide_what_an_issuer_calls_itself(issuer: HostileIssuer) -> None:
    jwks_url = f"{issuer.url}/jwks"
    assert await asked(issuer.url, jwks_url=jwks_url) == WELL
    state, says = await asked(f"{issuer.url}/", jwks_url=jwks_url)
    assert state == "warning"
    assert says == f"{WELL[1]}; calls itself '{issuer.url}', and iss of its tokens is that, to the letter"
    # Nobody is there under that name, which is why it has a jwks_url; or what is there names none.
    assert await asked("http://127.0.0.1:1", jwks_url=jwks_url) == WELL
    issuer.response(DISCOVERY, json.dumps({}))
    assert await asked(f"{issuer.url}/", jwks_url=jwks_url) == WELL
