"""One question to an introspection endpoint, and every odd response, on real sockets."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.core.config.client_authentication import ClientCertificate
from gateway.remote.fetched import FetchFailed
from gateway.remote.introspection_call import IntrospectionCall, NotSaid
from tests.issuer import HostileIssuer
from tests.memory import MemoryIssuers, key_set
from tests.remote.introspecting import PATH, Endpoint
from tests.signer import NOW, sign

Ask = Callable[..., Awaitable[dict[str, Any]]]
DISCOVERY = "/.well-known/openid-configuration"


@pytest_asyncio.fixture
async def endpoint(issuer: HostileIssuer) -> Endpoint:
    return Endpoint(issuer)


@pytest.fixture
def keys() -> MemoryIssuers:
    return MemoryIssuers()


@pytest_asyncio.fixture
async def ask(endpoint: Endpoint, keys: MemoryIssuers) -> AsyncIterator[Ask]:
    calls: list[IntrospectionCall] = []

    async def ask(token: bytes = b"opaque", *, secret: str = "sesame", **section: Any) -> dict[str, Any]:
        configured = endpoint.section(**section)
        issuer = endpoint.configured(configured)
        call = IntrospectionCall(issuer, configured, issuers=keys, read=lambda _: secret, clock=lambda: NOW)
        calls.append(call)
        return await call.ask(await call.endpoint(), token)

    yield ask
    for call in calls:
        await call.stop()


def response(status: int = 200, body: bytes = b"{}", **headers: str) -> Callable[[str], web.Response]:
    return lambda _: web.Response(
        status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


async def test_the_token_is_asked_about_by_form_with_a_hint_and_our_credentials(endpoint: Endpoint, ask: Ask) -> None:
    assert await ask(b"a+b/c==") == {"active": True, "token_type": "Bearer", "sub": "alice"}
    assert endpoint.asked == [{"token": "a+b/c==", "token_type_hint": "access_token"}]
    assert endpoint.headers[0]["Accept"] == "application/json"
    assert endpoint.headers[0]["Authorization"] == "Basic " + b64encode(b"gateway:sesame").decode()


async def test_credentials_may_be_in_the_form(endpoint: Endpoint, ask: Ask) -> None:
    await ask(auth="client_secret_post")
    assert endpoint.asked[0]["client_secret"] == "sesame"
    assert "Authorization" not in endpoint.headers[0]


async def test_it_is_asked_where_discovery_says(issuer: HostileIssuer, endpoint: Endpoint, ask: Ask) -> None:
    issuer.response(DISCOVERY, json.dumps({"issuer": issuer.url, "introspection_endpoint": issuer.url + PATH}))
    assert (await ask(endpoint=None))["active"] is True
    issuer.response(DISCOVERY, json.dumps({"issuer": issuer.url}))
    with pytest.raises(FetchFailed, match="has no introspection_endpoint"):
        await ask(endpoint=None)


async def test_with_a_certificate_it_is_asked_at_the_alias(issuer: HostileIssuer, endpoint: Endpoint, ask: Ask) -> None:
    aliases = {"introspection_endpoint": "https://mtls.example/introspect"}
    issuer.response(DISCOVERY, json.dumps({"issuer": issuer.url, "mtls_endpoint_aliases": aliases}))
    tls = ClientCertificate(certificate="/nowhere", key="/nowhere")
    with pytest.raises(FetchFailed, match=r"mtls\.example/introspect: the client certificate cannot be read"):
        await ask(endpoint=None, client_secret=None, tls=tls)


@pytest.mark.parametrize(
    ("say", "sentence", "silence"),
    [
        (
            response(401, b'{"error": "invalid_client"}'),
            "refuses the gateway's own credentials (status 401 invalid_client)",
            1,
        ),
        (response(401, b""), "refuses the gateway's own credentials (status 401)", 1),
        (response(403, b'{"error": "access_denied"}'), "own credentials (status 403 access_denied)", 1),
        # It may be a firewall that dislikes this one token: others are asked about.
        (response(403, b'{"error": "<script>"}'), "refuses the gateway's own credentials (status 403)", 0),
        (
            response(400, b'{"error": "invalid_client"}'),
            "refuses the gateway's own credentials (status 400 invalid_client)",
            1,
        ),
        (response(400, b'{"error": "invalid_request"}'), "the response has status 400 invalid_request", 0),
        (response(400, b'{"error": ["invalid_client"]}'), "the response has status 400", 0),
        (response(405, b"[]"), "the response has status 405", 0),
        (response(500), "the response has status 500", 0),
        (response(503, Retry_After="7"), "status 503: it is not asked for 7 s", 7),
        (response(429, Retry_After="9"), "status 429: it is not asked for 9 s", 9),
        (response(429), "status 429: it is not asked for 5 s", 5),
        (response(302, Location="/elsewhere"), "status 302: a redirect, and none is followed", 0),
        (response(201, b'{"active": true}'), "the response has status 201", 0),
        (response(200, b"<html>"), "the text is not JSON", 0),
        (response(200, b'{"active": "true"}'), "no JSON object that says whether the token is active", 0),
        (response(200, b'{"sub": "alice"}'), "no JSON object that says whether the token is active", 0),
        (response(200, b'{"active": true, "active": false}'), "the JSON has a member twice", 0),
        (response(200, b"[" * 100_000), "the JSON is nested too deeply", 0),
    ],
)
async def test_what_is_no_response_is_told_without_being_quoted(
    endpoint: Endpoint, ask: Ask, say: Callable[[str], web.Response], sentence: str, silence: float
) -> None:
    endpoint.say = say
    with pytest.raises(NotSaid) as failure:
        await ask()
    assert sentence in str(failure.value)
    assert failure.value.silence == silence
    assert endpoint.issuer.hits["/elsewhere"] == 0


async def test_what_is_too_large_or_too_slow_is_given_up(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.say = response(200, b'{"active": true, "x": "%s"}' % (b"x" * 300_000))
    with pytest.raises(FetchFailed, match="larger than 256 KiB"):
        await ask()
    endpoint.open.clear()
    with pytest.raises(FetchFailed, match="no complete response within"):
        await ask(timeout=0.1)


async def test_a_key_that_was_spoilt_is_told_and_nothing_is_asked(endpoint: Endpoint, ask: Ask) -> None:
    with pytest.raises(NotSaid, match="its key must hold a private key"):
        await ask(client_secret=None, key=endpoint.section().client_secret)
    assert not endpoint.asked


def signed(endpoint: Endpoint, name: str = "rsa-2048-a", media_type: str | None = None, **changes: Any) -> Any:
    claims = {
        "iss": endpoint.issuer.url,
        "aud": "gateway",
        "iat": NOW,
        "token_introspection": {"active": True, "sub": "alice"},
        **changes,
    }
    header = {"typ": "token-introspection+jwt"}
    return response(
        200, sign(claims, name=name, header=header), Content_Type=media_type or "application/token-introspection+jwt"
    )


async def test_signed_responses_are_asked_for_and_verified(endpoint: Endpoint, ask: Ask, keys: MemoryIssuers) -> None:
    endpoint.say = signed(endpoint)
    assert await ask(response="jwt") == {"active": True, "sub": "alice"}
    assert endpoint.headers[0]["Accept"] == "application/token-introspection+jwt"
    # By a key that is new.
    endpoint.say = signed(endpoint, name="rsa-2048-b")
    keys.published = key_set("rsa-2048-a", "rsa-2048-b")
    assert (await ask(response="jwt"))["active"] is True


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"media_type": "application/json"}, "the response is not application/token-introspection+jwt"),
        ({"name": "p-384"}, "the key of the response cannot be had"),
        ({"aud": "other"}, "the response is for another client"),
        ({"iss": "https://other.example"}, "the response is of another issuer"),
        ({"iat": NOW - 1000}, "the response was not issued now"),
        ({"token_introspection": None}, "no JSON object that says"),
    ],
)
async def test_of_signed_responses_nothing_else_is_taken(
    endpoint: Endpoint, ask: Ask, changes: dict[str, Any], sentence: str
) -> None:
    endpoint.say = signed(endpoint, **changes)
    with pytest.raises(NotSaid, match=sentence.replace("+", r"\+")):
        await ask(response="jwt")


async def test_plain_responses_are_none_where_they_must_be_signed(endpoint: Endpoint, ask: Ask) -> None:
    with pytest.raises(NotSaid, match="as `answer: jwt` asks for"):
        await ask(response="jwt")


async def test_a_signature_of_somebody_else_is_none(endpoint: Endpoint, ask: Ask, keys: MemoryIssuers) -> None:
    endpoint.say = signed(endpoint)
    keys.known = key_set("rsa-2048-b", kid="rsa-a")
    keys.published = key_set("rsa-2048-b", "rsa-2048-b", kid="rsa-a")
    with pytest.raises(NotSaid, match="the key of the response cannot be had"):
        await ask(response="jwt")
