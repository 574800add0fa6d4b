"""A real OpenID provider gives the tokens that the other tests of this file rely on."""

import base64
import json

import aiohttp
from oidc.provider import API, BROWSER_CLIENT, OTHER_API, SERVICE_CLIENT, SUBJECT, OidcProvider

Json = dict[str, object]


def decoded(token: str) -> tuple[Json, Json]:
    """The header and the payload of a JWT, without a look at its signature."""
    header, payload, _signature = token.split(".")
    return _part(header), _part(payload)


def _part(text: str) -> Json:
    found: Json = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


async def published_kids(provider: OidcProvider) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(provider.jwks_uri) as response:
        document = json.loads(await response.text())
    return [key["kid"] for key in document["keys"]]


async def test_a_login_with_a_nonce_gives_an_id_token_that_carries_it(provider: OidcProvider) -> None:
    tokens = await provider.login(nonce="n-0S6_WzA2Mj", resource=API)
    header, payload = decoded(tokens.id_token)
    assert header == {"alg": "RS256", "kid": provider.kids[0]}
    assert payload.keys() == {"sub", "aud", "exp", "iat", "iss", "nonce"}
    assert payload["nonce"] == "n-0S6_WzA2Mj"


async def test_a_login_without_a_nonce_gives_an_id_token_that_carries_nothing(provider: OidcProvider) -> None:
    tokens = await provider.login(nonce=None, resource=API)
    _header, payload = decoded(tokens.id_token)
    assert payload.keys() == {"sub", "aud", "exp", "iat", "iss"}
    assert (payload["sub"], payload["aud"], payload["iss"]) == (SUBJECT, BROWSER_CLIENT, provider.issuer)


async def test_a_login_gives_an_access_token_for_the_resource_it_asked_for(provider: OidcProvider) -> None:
    for resource in (API, OTHER_API):
        tokens = await provider.login(nonce=None, resource=resource, scope="openid read:orders write:orders")
        header, payload = decoded(tokens.access_token)
        assert header == {"alg": "RS256", "typ": "at+jwt", "kid": provider.kids[0]}
        assert (payload["aud"], payload["iss"], payload["sub"]) == (resource, provider.issuer, SUBJECT)
        assert (payload["scope"], payload["client_id"]) == ("read:orders write:orders", BROWSER_CLIENT)


async def test_client_credentials_give_an_access_token_for_the_resource(provider: OidcProvider) -> None:
    header, payload = decoded(await provider.client_credentials(OTHER_API))
    assert header["typ"] == "at+jwt"
    assert (payload["aud"], payload["sub"], payload["client_id"]) == (OTHER_API, SERVICE_CLIENT, SERVICE_CLIENT)
    assert payload["scope"] == "read:orders"


async def test_a_rotation_signs_with_a_new_key_and_publishes_both_until_the_old_one_is_withdrawn(
    provider: OidcProvider,
) -> None:
    before, _payload = decoded(await provider.client_credentials(API))
    new = await provider.rotate()
    after, _payload = decoded((await provider.login(nonce=None, resource=API)).access_token)
    assert after["kid"] == new != before["kid"]
    assert await published_kids(provider) == [new, before["kid"]]

    assert await provider.withdraw() == new
    still, _payload = decoded(await provider.client_credentials(API))
    assert still["kid"] == new
    assert await published_kids(provider) == [new]
