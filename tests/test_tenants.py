"""Issuers that stand for many, on real sockets: whoever has the same name at another tenant is somebody else."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import generate_latest

from gateway.commands.explain import as_text
from gateway.core.checks.problems import problems, warnings
from gateway.core.config.backchannel_logout import BackchannelLogout
from gateway.core.config.conversion import convert
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.rates import Rate
from gateway.core.config.revocation import Revocation
from gateway.core.config.section import Seconds
from gateway.core.token.logout import EVENT
from gateway.explaining.explanation import explain
from gateway.settings.document import parse_document
from tests.test_logouts import asked, logout, logout_token
from tests.wire import RawClient, Running, Start, config_for, demo_issuer, starting

URL = "https://issuer.test/{tid}/v2.0"
PATH = "/.gateway/backchannel-logout/issuer.test"


def of(tenant: str) -> str:
    return URL.replace("{tid}", tenant)


def token(tenant: str, **claims: Any) -> str:
    return demo_issuer().access_token(
        alg="ES256", **{"iss": of(tenant), "tid": tenant, "sub": "alice", "exp": 4_000_000_000, **claims}
    )


def published(path: Path, **members: Any) -> str:
    """The keys in a file, each with these members."""
    keys = [{**jwk, **members} for jwk in demo_issuer().jwks()["keys"]]
    file = path / "tenants.json"
    file.write_text(json.dumps({"keys": keys}))
    return str(file)


def configured(path: Path, **settings: Any) -> Issuer:
    if "jwks_file" not in settings:
        settings["jwks_file"] = published(path, issuer=of("{tenantid}"))
    return Issuer(**{"issuer": URL, "audience": demo_issuer().audience, "tenants": ("a", "b"), **settings})


HEADERS = {"X-User-Id": "sub", "X-Tenant": IdentityHeader(source="tenant"), "X-From": IdentityHeader(source="issuer")}


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:

        async def start(*, issuer: dict[str, Any] | None = None, **settings: Any) -> Running:
            made = configured(tmp_path_factory.getbasetemp(), **(issuer or {}))
            return await starts(issuers=(made,), identity_headers=HEADERS, **settings)

        yield start


async def statuses(client: RawClient, *tokens: str) -> list[int]:
    return [(await client.ask(asked(one))).status for one in tokens]


async def test_tokens_of_the_listed_tenants_pass_and_the_api_is_told_whose_they_are(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    assert await statuses(client, token("a"), token("b"), token("a")) == [200, 200, 200]
    told = [
        (request.values(b"X-User-Id"), request.values(b"X-Tenant"), request.values(b"X-From"))
        for request in gateway.upstream.requests
    ]
    assert told == [([b"alice"], [tenant], [b"issuer.test"]) for tenant in (b"a", b"b", b"a")]
    wrong = (token("c"), token("a", tid="b"), token("a", tid=None), token("b", iss=of("a")), token("a", iss=URL))
    assert await statuses(client, *wrong) == [401] * 5
    records = await gateway.stdout.records(8)
    assert [record.get("tenant") for record in records] == ["a", "b", "a", *[None] * 5]
    assert [record.get("reason") for record in records[3:]] == ["unknown_issuer"] * 5
    assert len(gateway.upstream.requests) == 3


async def test_a_tenant_is_in_the_log_of_its_refused_tokens_and_in_no_metric(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    assert await statuses(client, token("a", aud="another"), token("b")) == [401, 200]
    record = (await gateway.stdout.records(2))[0]
    assert (record["reason"], record["issuer"], record["tenant"]) == ("wrong_audience", "issuer.test", "a")
    metrics = generate_latest(gateway.gateway._metrics.registry).decode()
    assert 'issuer="issuer.test"' in metrics
    assert of("a") not in metrics
    assert '"a"' not in metrics


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (of("{tenantid}"), [200, 200]),
        (of("a"), [200, 401]),
        ("https://issuer.test/{tid}/v2.0", [401, 401]),
        ("https://issuer.test/{tenantid}", [401, 401]),
        ("{tenantid}", [401, 401]),
        (None, [200, 200]),
    ],
)
async def test_a_key_signs_for_whom_it_says(
    start: Start, tmp_path: Path, named: str | None, expected: list[int]
) -> None:
    gateway = await start(issuer={"jwks_file": published(tmp_path, **({} if named is None else {"issuer": named}))})
    assert await statuses(await gateway.client(), token("a"), token("b")) == expected


async def test_any_tenant_may_be_let_in(start: Start) -> None:
    gateway = await start(issuer={"tenants": "any"})
    client = await gateway.client()
    assert await statuses(client, token("whoever"), token("x" * 64), token("x" * 65), token("a", tid="b")) == [
        *(200, 200),
        *(401, 401),
    ]


async def test_a_logout_ends_what_the_subject_has_at_this_tenant(start: Start) -> None:
    section = BackchannelLogout(client_ids=("web",))
    gateway = await start(issuer={"backchannel_logout": section}, revocation=Revocation(keep=Seconds(4e9)))
    client = await gateway.client()
    past = {"iat": 1_700_000_000}
    mine, other = token("a", **past), token("b", **past)
    assert await statuses(client, mine, other) == [200, 200]
    for iss, extra, status in (
        (of("c"), {}, 400),
        (URL, {}, 400),
        (of("a"), {"tid": "b"}, 400),
        (of("a"), {}, 200),
        (of("b"), {"tid": "b", "sub": "bob", "sid": ...}, 200),
    ):
        changes: dict[str, Any] = {"sid": ..., **extra}
        sent = logout_token(iss=iss, events={EVENT: {}}, **changes)
        assert (await client.ask(logout(sent))).status == status
    assert await statuses(client, mine, other) == [401, 200]


async def test_each_tenant_s_alice_has_a_rate_of_her_own(start: Start) -> None:
    rate = Rate(name="calls", limit=1, window=Seconds(3600), per="subject")
    by_issuer = Rate(name="tenant", limit=2, window=Seconds(3600), per="issuer")
    gateway = await start(rates=(rate, by_issuer))
    client = await gateway.client()
    assert await statuses(client, token("a"), token("a"), token("b"), token("b", sub="bob")) == [200, 429, 200, 200]
    assert await statuses(client, token("b", sub="carol")) == [429]


async def test_explain_says_which_tenant_it_is_and_why_it_is_none(tmp_path: Path) -> None:
    config = config_for("http://127.0.0.1:9", "", issuers=(configured(tmp_path),))
    text = as_text(await explain(config, token("a").encode()), color=False)
    assert f"✓ issuer     issuer.test ('{of('a')}'), tenant 'a'" in text
    text = as_text(await explain(config, token("c").encode()), color=False)
    assert "'c' is none of the tenants of issuer.test" in text
    text = as_text(await explain(config, token("a", tid="b").encode()), color=False)
    assert "it is that of a tenant of issuer.test, and the token has another tid" in text


PAGE = (Path(__file__).parents[1] / "docs" / "tenants.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_what_the_page_shows_is_sound_and_nothing_is_odd_about_it(block: str) -> None:
    conversion = convert(parse_document(block).values)
    assert not conversion.problems
    assert problems(conversion.config) == []
    assert [str(warning) for warning in warnings(conversion.config)] == []
