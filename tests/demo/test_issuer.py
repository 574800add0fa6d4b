"""The demo issuer says what a real one says."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc.jwk import OctKey

from gateway.core.token.keys import parse_key_set
from gateway.demo.issuer import DISCOVERY_PATH, DemoIssuer

NOW = 1_800_000_000


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[DemoIssuer]:
    demo = DemoIssuer(audience="https://orders.example", clock=lambda: NOW + 0.5)
    await demo.start()
    yield demo
    await demo.stop()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims."""
    header, claims, _ = (urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


def is_signed_by(issuer: DemoIssuer, token: str) -> bool:
    header, _ = parts(token)
    signing_input, _, signature = token.rpartition(".")
    return any(
        key.verifies(
            alg=header["alg"], signing_input=signing_input.encode(), signature=urlsafe_b64decode(signature + "==")
        )
        for key in parse_key_set(issuer.jwks()).find(alg=header["alg"], kid=header.get("kid"))
    )


async def get(url: str, *, status: int = 200) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as received:
        assert received.status == status
        return await received.text()


async def test_discovery_leads_to_the_published_keys(issuer: DemoIssuer) -> None:
    document = json.loads(await get(issuer.url + DISCOVERY_PATH))
    assert document["issuer"] == issuer.url
    published = json.loads(await get(document["jwks_uri"]))
    assert published == issuer.jwks()
    assert {key["kty"] for key in published["keys"]} == {"RSA", "EC"}
    assert not any("d" in key for key in published["keys"])
    assert not parse_key_set(published).skipped


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_an_access_token_is_as_rfc_9068_has_it(alg: str) -> None:
    issuer = DemoIssuer(url="https://id.example", clock=lambda: NOW)
    token = issuer.access_token(alg=alg, email=None, scope="a b")
    header, claims = parts(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", alg)
    assert {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope", "roles"} == set(claims)
    assert (claims["iss"], claims["scope"], claims["iat"], claims["exp"]) == (
        "https://id.example",
        "a b",
        NOW,
        NOW + 300,
    )
    assert is_signed_by(issuer, token)


def test_an_id_token_is_for_the_client_unless_told_otherwise() -> None:
    issuer = DemoIssuer(url="https://id.example")
    _, claims = parts(issuer.id_token())
    assert claims["aud"] == issuer.client_id
    assert {"nonce", "at_hash", "auth_time"} <= set(claims)
    header, claims = parts(issuer.id_token(aud=issuer.audience, at_hash=None))
    assert (header["typ"], claims["aud"], "at_hash" in claims) == ("JWT", issuer.audience, False)


def test_a_token_may_be_minted_in_any_form() -> None:
    issuer = DemoIssuer(url="https://id.example")
    header, claims = parts(issuer.mint({"a": 1}, header={"kid": None, "private": "x" * 1_000}))
    assert (set(header), claims) == ({"alg", "private"}, {"a": 1})
    assert issuer.mint({}, alg="none", key=OctKey.generate_key(256)).endswith(".")
    assert parts(issuer.mint({}, alg="HS256", key=OctKey.generate_key(256)))[0]["alg"] == "HS256"


def test_rotation_keeps_or_withdraws_the_old_keys() -> None:
    issuer = DemoIssuer(url="https://id.example")
    old = issuer.access_token()
    issuer.rotate()
    assert is_signed_by(issuer, old)
    assert is_signed_by(issuer, issuer.access_token())
    assert len(issuer.jwks()["keys"]) == 4
    issuer.rotate(keep=False)
    assert not is_signed_by(issuer, old)
    assert len(issuer.jwks()["keys"]) == 2


async def test_the_token_endpoint_hands_out_what_is_asked_for(issuer: DemoIssuer) -> None:
    async def claims(query: str) -> dict[str, Any]:
        token = await get(f"{issuer.url}/token?{query}")
        assert is_signed_by(issuer, token)
        return parts(token)[1]

    assert (await claims(""))["aud"] == "https://orders.example"
    assert (await claims("kind=access"))["exp"] == NOW + 300
    assert (await claims("kind=expired"))["exp"] < NOW
    assert (await claims("kind=wrong-audience"))["aud"] != "https://orders.example"
    assert (await claims("kind=id"))["aud"] == issuer.client_id
    id_token = await claims("kind=id&audience=https://orders.example")
    assert (id_token["aud"], "nonce" in id_token) == ("https://orders.example", True)
    assert "kind must be one of" in await get(f"{issuer.url}/token?kind=admin", status=400)


async def test_the_token_endpoint_responds_to_a_form_as_oauth_has_it(issuer: DemoIssuer) -> None:
    form = {"kind": "id"}
    async with aiohttp.ClientSession() as session, session.post(f"{issuer.url}/token", data=form) as received:
        response = await received.json()
        assert received.headers["Cache-Control"] == "no-store"
    assert (response["token_type"], response["expires_in"]) == ("Bearer", 300)
    assert is_signed_by(issuer, response["access_token"])


async def test_an_address_in_use_is_an_os_error_and_leaves_nothing_open(issuer: DemoIssuer) -> None:
    second = DemoIssuer()
    with pytest.raises(OSError, match="in use"):
        await second.start(issuer.port)
    with pytest.raises(RuntimeError):
        _ = second.url
    await second.stop()
