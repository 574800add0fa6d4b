"""`check --online`: all that a gateway depends on is asked, and what is wrong with each is said in words of ours."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.commands.finding import Finding, table
from gateway.commands.online import ask_all
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.fetch import Fetch
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.rates import Rate
from gateway.core.config.revocation import Revocation
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.config.userinfo import UserInfoSection
from tests.commands.program import Run
from tests.commands.speaking import speaking
from tests.issuer import HostileIssuer
from tests.redis_server import SECRET, RedisServer
from tests.signer import public_jwk

DISCOVERY = "/.well-known/openid-configuration"
ACCEPTS = "accepts connections, and responds"
ME = "/me"


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


@pytest_asyncio.fixture
async def api() -> AsyncIterator[str]:
    """An API that knows no path."""
    async with speaking(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as url:
        yield url


def a_config(issuer: str, api: str, **settings: Any) -> Config:
    return Config(upstream=api, issuers=(Issuer(**{"issuer": issuer, "audience": "a", "name": "local", **settings}),))


async def found(config: Config, *, limit: float = 10.0) -> dict[str, tuple[str, str]]:
    told: list[Finding] = []
    secrets = dict.fromkeys(config.store.secrets, SECRET)
    findings = await ask_all(config, secrets, told=told.append, limit=limit)
    assert sorted(map(str, told)) == sorted(map(str, findings))
    return {finding.about: (finding.state, finding.says) for finding in findings}


async def test_what_is_there_and_as_it_is_configured_is_well(issuer: HostileIssuer, api: str) -> None:
    assert await found(a_config(issuer.url, api)) == {
        "issuer local": ("ok", "2 keys, for ES256, RS256"),
        "upstream default": ("ok", f"{ACCEPTS} (status 404 to HEAD /)"),
    }


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"issuer": "{url}/"}, "they differ by the slash at the end"),
        ({"issuer": "https://elsewhere.example"}, "names another issuer than the configured one"),
        ({"jwks_uri": None}, "has no jwks_uri"),
        ({"jwks_uri": "http://192.0.2.1/jwks"}, "plain http, which is not allowed"),
    ],
)
async def test_an_issuer_that_is_another_is_told(
    issuer: HostileIssuer, api: str, said: dict[str, str | None], sentence: str
) -> None:
    changes = {name: value and value.format(url=issuer.url) for name, value in said.items()}
    issuer.response(DISCOVERY, json.dumps({**issuer.discovery(), **changes}))
    state, says = (await found(a_config(issuer.url, api)))["issuer local"]
    assert state == "problem"
    assert sentence in says


async def test_keys_that_are_of_no_use_are_told(issuer: HostileIssuer, api: str) -> None:
    assert (await found(a_config(issuer.url, api, algorithms=("EdDSA",))))["issuer local"] == (
        "problem",
        "has keys, and none for the configured algorithms",
    )
    weak = {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"}
    issuer.response("/jwks", json.dumps({"keys": [public_jwk("p-256"), weak]}))
    state, says = (await found(a_config(issuer.url, api)))["issuer local"]
    assert state == "warning"
    assert says.startswith("1 key, for ES256; key 1 (kid weak) is skipped: it has 17 bits")
    issuer.response("/jwks", json.dumps({"keys": []}))
    assert (await found(a_config(issuer.url, api)))["issuer local"] == (
        "problem",
        f"{issuer.url}/jwks: the set has no usable key",
    )


async def test_keys_in_a_file_are_looked_at_too(tmp_path: Path, api: str) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public_jwk("p-256")]}))
    config = a_config("https://issuer.example", api, jwks_file=str(tmp_path / "jwks.json"))
    assert (await found(config))["issuer local"] == ("ok", "1 key, for ES256")


@pytest.mark.parametrize(
    ("status", "state", "says"),
    [
        (401, "ok", "refuses a token made up, as it should"),
        (403, "ok", "refuses a token made up, as it should"),
        (400, "ok", "refuses a token made up, as it should"),
        (200, "warning", "takes a token made up: is it the endpoint?"),
        (404, "problem", "status 404 to a token made up, where 401 is due"),
        (500, "problem", "status 500 to a token made up, where 401 is due"),
    ],
)
async def test_a_userinfo_endpoint_refuses_what_nobody_issued(
    issuer: HostileIssuer, api: str, status: int, state: str, says: str
) -> None:
    issuer.response(DISCOVERY, json.dumps({**issuer.discovery(), "userinfo_endpoint": issuer.url + ME}))
    issuer.response(ME, b"{}", status=status)
    section = UserInfoSection(claims=("email",))
    finding = (await found(a_config(issuer.url, api, userinfo=section)))["userinfo of local"]
    assert finding[0] == state
    assert re.fullmatch(re.escape(issuer.url + ME) + ":? " + re.escape(says), finding[1])


@pytest.mark.parametrize(
    ("status", "body", "state", "says"),
    [
        (200, {"active": False}, "ok", " takes the gateway's credentials, and does not know a token made up"),
        (200, {"active": True}, "problem", " says of a token made up that it is active: it would let anybody in"),
        (
            401,
            {"error": "invalid_client"},
            "problem",
            ": it refuses the gateway's own credentials (status 401 invalid_client)",
        ),
        (200, {}, "problem", ": the response is no JSON object that says whether the token is active"),
        (404, {}, "problem", ": the response has status 404"),
    ],
)
async def test_an_introspection_endpoint_takes_our_credentials(
    issuer: HostileIssuer, api: str, status: int, body: dict[str, Any], state: str, says: str
) -> None:
    issuer.response("/introspect", json.dumps(body), status=status)
    section = Introspection(endpoint=f"{issuer.url}/introspect", auth="none", client_id="gateway")
    finding = (await found(a_config(issuer.url, api, introspection=section)))["introspection of local"]
    assert finding == (state, f"{issuer.url}/introspect{says}")
    if status == 200 and body == {"active": False}:
        config = a_config(issuer.url, api, introspection=section, preset="keycloak")
        _, told = (await found(config))["introspection of local"]
        assert told.endswith("; of tokens whose aud lacks gateway Keycloak says the same")


async def test_an_introspection_endpoint_that_nobody_names_is_told(issuer: HostileIssuer, api: str) -> None:
    section = Introspection(auth="none", prefix=("x_",))
    assert (await found(a_config(issuer.url, api, introspection=section)))["introspection of local"] == (
        "problem",
        f"the discovery document of {issuer.url} has no introspection_endpoint",
    )


async def test_an_endpoint_that_nobody_names_is_told(issuer: HostileIssuer, api: str) -> None:
    config = a_config(issuer.url, api, userinfo=UserInfoSection(claims=("email",)))
    assert (await found(config))["userinfo of local"] == (
        "problem",
        f"the discovery document of {issuer.url} has no userinfo_endpoint",
    )


async def test_an_api_that_is_not_there_is_told(issuer: HostileIssuer, tmp_path: Path) -> None:
    config = Config(
        upstreams={
            "closed": UpstreamSection(url="http://127.0.0.1:1"),
            "gone": UpstreamSection(url=f"unix:{tmp_path}/api.sock"),
            "plain": UpstreamSection(url=issuer.url.replace("http:", "https:")),
        },
        issuers=(Issuer(issuer=issuer.url, audience="a", name="local"),),
    )
    findings = await found(config)
    assert {findings[f"upstream {name}"][0] for name in ("closed", "gone", "plain")} == {"problem"}
    assert "Connection refused" in findings["upstream closed"][1]
    assert "No such file" in findings["upstream gone"][1]
    assert "TLS failed" in findings["upstream plain"][1]


@pytest.mark.parametrize(
    ("policy", "uses", "finding"),
    [
        ("noeviction", {"dpop": DPoPSection()}, ("ok", "can be had, and throws nothing away")),
        ("allkeys-lru", {}, ("ok", "can be had; its maxmemory-policy is not noeviction, which caches can do with")),
        (
            "allkeys-lru",
            {"revocation": Revocation()},
            ("warning", "can be had; its maxmemory-policy is not noeviction: what was revoked may be forgotten"),
        ),
        (
            "allkeys-lru",
            {"dpop": DPoPSection()},
            ("warning", "can be had; its maxmemory-policy is not noeviction: a proof that was used may be forgotten"),
        ),
    ],
)
async def test_a_store_is_there_and_keeps_what_it_is_given(
    api: str, redis: RedisServer, policy: str, uses: dict[str, Any], finding: tuple[str, str]
) -> None:
    redis.ask("CONFIG", "SET", "maxmemory-policy", policy)
    config = Config(
        upstream=api,
        issuers=(Issuer(issuer="https://issuer.example", audience="a", jwks_file="/nowhere"),),
        store=redis.section(),
        **uses,
    )
    assert (await found(config))["store"] == finding


async def test_a_store_that_does_not_let_rates_be_counted_is_told(api: str, redis: RedisServer) -> None:
    rates = (Rate(name="all", per="subject", limit=5, window=Seconds(60)),)
    issuers = (Issuer(issuer="https://issuer.example", audience="a", jwks_file="/nowhere"),)
    config = Config(upstream=api, issuers=issuers, store=redis.section(), rates=rates)
    assert (await found(config))["store"] == ("ok", "can be had, and throws nothing away")
    redis.ask("ACL", "SETUSER", "default", "-time")
    state, sentence = (await found(config))["store"]
    assert (state, sentence.partition(": ")[0]) == ("problem", "can be had, and rates cannot be counted there")


async def test_a_store_that_is_not_there_is_told(api: str, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    redis.kill()
    monkeypatch.setattr("gateway.commands.online_apis.STORE_LIMIT", 0.3)
    issuers = (Issuer(issuer="https://issuer.example", audience="a", jwks_file="/nowhere"),)
    config = Config(upstream=api, issuers=issuers, store=redis.section())
    assert (await found(config))["store"] == ("problem", "it cannot be reached")


async def test_nobody_is_waited_for_without_end(issuer: HostileIssuer, api: str) -> None:
    issuer.hold(DISCOVERY)
    begun = asyncio.get_running_loop().time()
    assert (await found(a_config(issuer.url, api), limit=0.2))["issuer local"] == (
        "problem",
        "no response within 0.2 s",
    )
    assert asyncio.get_running_loop().time() - begun < 5


def test_a_table_has_columns() -> None:
    assert table([Finding("issuer a", "ok", "one key"), Finding("upstream default", "problem", "gone")]) == [
        "ok       issuer a          one key",
        "problem  upstream default  gone",
    ]
    assert table([]) == []


async def test_a_shell_sees_lines_a_table_and_the_exit_code(tmp_path: Path, api: str, here: Run) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public_jwk("p-256")]}))
    file = tmp_path / "gateway.yaml"
    text = (
        f"upstream: {api}\nissuers: [{{issuer: 'https://i.example', audience: a, jwks_file: {tmp_path}/jwks.json}}]\n"
    )
    file.write_text(text)
    done = await asyncio.to_thread(here, "check", "--online", "--config", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    after = done.stdout.partition("The configuration is sound.\n")[2]
    assert re.search(r"^asked    issuer i\.example: ok after \d\.\d s$", after, re.MULTILINE)
    assert after.endswith(
        "ok       issuer i.example  1 key, for ES256\n"
        f"ok       upstream default  {ACCEPTS} (status 404 to HEAD /)\n"
        "Of 2 that were asked, none has a problem.\n"
    )
    file.write_text(text.replace(api, "http://127.0.0.1:1"))
    done = await asyncio.to_thread(here, "check", "--online", "--config", str(file))
    assert done.returncode == 1
    assert done.stdout.endswith("Of 2 that were asked, 1 has a problem.\n")
    assert re.search(
        r"^problem  upstream default .*\nhint +Nothing listens there: start the API", done.stdout, re.MULTILINE
    )
    # What is a warning otherwise.
    async with speaking(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as busy:
        file.write_text(text.replace(api, busy))
        done = await asyncio.to_thread(here, "check", "--online", "--strict", "--config", str(file))
        assert done.returncode == 1
        assert re.search(r"^problem +upstream default +accepts", done.stdout, re.MULTILINE)
    # What is not sound is not asked.
    file.write_text(text + "lissen: x\n")
    done = await asyncio.to_thread(here, "check", "--online", "--config", str(file))
    assert (done.returncode, "asked" in done.stdout) == (1, False)


async def test_a_cluster_says_what_it_is_called(issuer: HostileIssuer, api: str, tmp_path: Path) -> None:
    token = Secret(file=str(tmp_path / "token"))
    issuer.response("/openid/v1/jwks", json.dumps(issuer.jwks()))
    settings = {
        "preset": "kubernetes",
        "fetch": Fetch(authorization=token, origin=issuer.url),
        "ca_file": ssl.get_default_verify_paths().cafile,
    }

    async def asked(iss: str) -> tuple[str, str]:
        told: list[Finding] = []
        config = a_config(iss, api, **settings)
        findings = await ask_all(config, {token: "of-the-pod"}, told=told.append, limit=10.0)
        return findings[0].state, findings[0].says

    assert await asked(issuer.url) == ("ok", "2 keys, for ES256, RS256")
    assert issuer.authorization == "Bearer of-the-pod"
    state, says = await asked(f"{issuer.url}/else")
    assert state == "problem"
    assert says.startswith("the discovery document names another issuer than the configured one, ")


async def test_each_listed_tenant_is_asked(issuer: HostileIssuer, api: str) -> None:
    discovered = {"issuer": f"{issuer.url}/a", "jwks_uri": f"{issuer.url}/jwks"}
    issuer.response("/a/.well-known/openid-configuration", json.dumps(discovered))
    told = await found(a_config(f"{issuer.url}/{{realm}}", api, tenants=("a", "b")))
    assert told[f"issuer {issuer.url}/a"][0] == "ok"
    assert told[f"issuer {issuer.url}/b"][0] == "problem"
