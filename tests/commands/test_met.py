"""Who an issuer is, as it says itself; and what to do where it is not there, or another."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.commands.met import Met, NotMet, clock_sentence, fetch_met, keys_sentence
from gateway.core.token.keys import parse_key_set
from gateway.core.token.recognised import Recognised
from tests.issuer import HostileIssuer
from tests.kubernetes.pki import Authority
from tests.remote.test_http import tls_server
from tests.signer import public_jwk

DISCOVERY = "/.well-known/openid-configuration"


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


def says(hostile: HostileIssuer, path: str = DISCOVERY, **members: Any) -> None:
    document = {name: value for name, value in {**hostile.discovery(), **members}.items() if value is not None}
    hostile.response(path, json.dumps(document))


async def refused(text: str, **options: Any) -> NotMet:
    with pytest.raises(NotMet) as caught:
        await fetch_met(text, **options)
    return caught.value


async def test_an_issuer_that_is_there_says_what_it_has(issuer: HostileIssuer) -> None:
    met = await fetch_met(issuer.url)
    assert met == Met(
        issuer.url,
        None,
        f"{issuer.url}/jwks",
        (f"{issuer.url}{DISCOVERY} is the discovery document of {issuer.url}", "2 keys, for ES256, RS256"),
    )
    says(issuer, token_endpoint=f"{issuer.url}/realms/a/protocol/openid-connect/token")
    met = await fetch_met(issuer.url)
    assert met.recognised == Recognised("keycloak", "its token_endpoint")
    assert met.found[1] == "preset keycloak fits, by its token_endpoint"


async def test_authorization_servers_without_openid_are_met_too(issuer: HostileIssuer) -> None:
    issuer.response(DISCOVERY, b"", status=404)
    says(issuer, "/.well-known/oauth-authorization-server")
    assert (await fetch_met(issuer.url)).found[0].startswith(f"{issuer.url}/.well-known/oauth-authorization-server is")


async def test_a_slash_more_or_less_is_told(issuer: HostileIssuer) -> None:
    error = await refused(f"{issuer.url}/")
    assert (error.issuer, error.discovery_url) == (issuer.url, None)
    assert "differs in the slash at the end" in str(error)
    says(issuer, issuer=f"{issuer.url}/")
    assert (await refused(issuer.url)).issuer == f"{issuer.url}/"


async def test_another_name_is_told_and_where_it_is_found(issuer: HostileIssuer) -> None:
    # It is found under the name that it gives itself.
    error = await refused(issuer.url.replace("127.0.0.1", "localhost"))
    assert (error.issuer, error.discovery_url) == (issuer.url, None)
    assert f"calls itself '{issuer.url}'" in str(error)
    # It is not: only where somebody found it.
    says(issuer, issuer="http://127.0.0.1:1/realms/a")
    error = await refused(issuer.url)
    assert (error.issuer, error.discovery_url) == ("http://127.0.0.1:1/realms/a", f"{issuer.url}{DISCOVERY}")
    # Wherever its document stands.
    issuer.response(DISCOVERY, b"", status=404)
    says(issuer, "/.well-known/oauth-authorization-server", issuer="http://127.0.0.1:1/realms/a")
    assert (await refused(issuer.url)).discovery_url == f"{issuer.url}/.well-known/oauth-authorization-server"
    says(issuer, issuer="http://127.0.0.1:1/realms/a")
    # As it was said before.
    error = await refused("http://127.0.0.1:1", discovery_url=f"{issuer.url}{DISCOVERY}")
    assert error.discovery_url == f"{issuer.url}{DISCOVERY}"
    met = await fetch_met("http://127.0.0.1:1/realms/a", discovery_url=f"{issuer.url}{DISCOVERY}")
    assert met.issuer == "http://127.0.0.1:1/realms/a"


@pytest.mark.parametrize("named", ["https://login.example.com/{tenantid}/v2.0", "/{x}"])
async def test_one_document_for_many_tenants_is_no_issuer(issuer: HostileIssuer, named: str) -> None:
    says(issuer, issuer=named)
    error = await refused(issuer.url)
    assert "is for many tenants" in str(error)
    assert "docs/tenants.md" in error.hints[0]
    assert error.issuer is None


@pytest.mark.parametrize("named", [None, 7, "urn:x", "https://a b/", "https://x/\x1b[2J", "https://x/" + 400 * "a"])
async def test_what_names_no_url_is_no_document_of_an_issuer(issuer: HostileIssuer, named: object) -> None:
    says(issuer, issuer=named)
    error = await refused(issuer.url)
    assert error.issuer is None
    assert str(error).isprintable()
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("text", "meant", "word"),
    [
        ("login.example.com/a", "https://login.example.com/a", "is no URL"),
        ("127.0.0.1:8090", "http://127.0.0.1:8090", "is no URL"),
        ("not at all", None, "is no URL"),
        ("https://x.example/a/.well-known/openid-configuration", "https://x.example/a", "the address of a document"),
        ("https://x.example/a?b", "https://x.example/a", "has a query"),
        ("https://x.example/{tid}/v2.0", None, "a tenant left out"),
        ("ftp://x.example", None, "begins with https://"),
        ("https://me:hunter2@x.example", None, "must not have a user"),
        ("https://x.example/#a", None, "fragment"),
        ("me:hunter2@x.example", None, "is no URL"),
        ("https://me:hunter2@x.example/.well-known/openid-configuration", None, "the address of a document"),
        ("https://me:hunter2@x.example/{tid}", None, "a tenant left out"),
        ("https://x.example/a?key=hunter2", "https://x.example/a", "has a query"),
    ],
)
async def test_what_is_no_issuer_is_not_asked(text: str, meant: str | None, word: str) -> None:
    error = await refused(text)
    assert word in str(error)
    assert error.issuer == meant
    assert "hunter2" not in str(error)


async def test_where_keys_are_missing_or_of_no_use_it_is_said(issuer: HostileIssuer) -> None:
    says(issuer, jwks_uri=None)
    error = await refused(issuer.url)
    assert "names no keys (jwks_uri)" in str(error)
    assert error.hints == ("it can be asked about each of them: docs/opaque-tokens.md",)
    issuer.behave()
    issuer.response("/jwks", '{"keys": []}')
    assert f"its keys are of no use: {issuer.url}/jwks: the set has no usable key" in str(await refused(issuer.url))
    issuer.response("/jwks", b"no", status=503)
    assert "status 503" in str(await refused(issuer.url))


async def test_who_cannot_be_asked_is_told_with_what_helps(issuer: HostileIssuer, tmp_path: Path) -> None:
    error = await refused("http://127.0.0.1:1")
    assert "it cannot be reached" in str(error)
    assert "--discovery-url" in error.hints[0]
    error = await refused("http://login.invalid")
    assert "plain http" in str(error)
    assert "--allow-http" in error.hints[0]
    error = await refused("http://login.invalid", allow_http=True)
    assert "cannot be resolved" in str(error)
    error = await refused(issuer.url.replace("http:", "https:"))
    assert error.hints[0].startswith("does 127.0.0.1 speak plain http")
    error = await refused(f"{issuer.url}/realms")
    assert "has status 404" in str(error)
    assert "/realms/NAME" in error.hints[0]
    issuer.response(DISCOVERY, b"", status=503)
    assert (await refused(issuer.url)).hints == ("it is there, and cannot say now: try again later",)
    issuer.response(DISCOVERY, "<html>")
    issuer.response("/.well-known/oauth-authorization-server", "[]")
    assert "is not an object" in str(await refused(issuer.url))


async def test_a_certificate_of_nobody_who_is_known_is_told(tmp_path: Path) -> None:
    Authority(tmp_path).issue("server", "server", addresses=("127.0.0.1",))
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "server.key").read_bytes() + (tmp_path / "server.crt").read_bytes())
    async with tls_server(both) as url:
        error = await refused(url)
        assert "its certificate is not accepted" in str(error)
        assert "--ca-file FILE" in error.hints[0]
        # It is by then no question of certificates.
        error = await refused(url.rstrip("/"), ca_file=str(tmp_path / "ca.crt"))
        assert "status 404" in str(error)


async def test_a_cluster_is_asked_by_its_pods_alone() -> None:
    met = await fetch_met("https://kubernetes.default.svc.cluster.local")
    assert met.recognised == Recognised("kubernetes", "its URL")
    assert met.jwks_url is None
    assert "check --online" in met.found[0]


async def test_a_clock_that_differs_is_told(issuer: HostileIssuer) -> None:
    for minutes, words in ((10, "s ahead of this machine's"), (-10, "s behind this machine's")):
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
        issuer.response(DISCOVERY, headers={"Date": date})
        assert words in (await fetch_met(issuer.url)).found[-1]
    issuer.response(DISCOVERY, headers={"Date": "yesterday"})
    assert "clock" not in (await fetch_met(issuer.url)).found[-1]


def test_a_minute_is_no_difference() -> None:
    assert [clock_sentence(ahead) for ahead in (None, 0.0, 60.0, -60.0)] == [None] * 4
    assert (clock_sentence(61.0) or "").endswith("as if they were not valid yet")
    assert (clock_sentence(-61.0) or "").endswith("expired")


def test_keys_are_counted() -> None:
    keys = parse_key_set({"keys": [public_jwk("p-256")]})
    assert keys_sentence(keys) == "1 key, for ES256"
    assert keys_sentence(keys, frozenset({"RS256"})) == "1 key, for "
