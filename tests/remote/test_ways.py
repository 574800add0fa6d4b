"""By which way issuers and token endpoints are asked, and what they are shown: a proxy that is named, and one origin."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.core.config.fetch import Fetch
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.config.upstream_tokens import ClientCredentials
from gateway.core.config.userinfo import UserInfoSection
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from gateway.observe.observers import Unheard
from gateway.remote.client import Client
from gateway.remote.fetched import FetchFailed
from gateway.remote.http import fetch_json
from gateway.remote.introspection_call import IntrospectionCall
from gateway.remote.keys.discovery import Publisher
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.remote.token_endpoint import TokenEndpoint
from gateway.remote.userinfo import RemoteUserInfo
from tests.issuer import HostileIssuer
from tests.memory import identity
from tests.remote.forward_proxy import ForwardProxy
from tests.remote.test_http import Certificates, make_certificate  # noqa: F401 -- a fixture
from tests.remote.test_userinfo import MemoryCache

SECRET = Secret(file="token")


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    made = ForwardProxy()
    await made.start()
    yield made
    await made.stop()


class Provider:
    """All that an issuer may be asked for, over TLS."""

    def __init__(self, ca_file: str) -> None:
        self.ca_file = ca_file
        self.issuer = HostileIssuer()
        self.paths: list[str] = []
        self.url = ""

    def authority(self) -> str:
        return self.url.removeprefix("https://")

    async def serve(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        said: dict[str, Any] = {
            DISCOVERY_PATH: {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "introspection_endpoint": f"{self.url}/introspect",
                "userinfo_endpoint": f"{self.url}/me",
            },
            JWKS_PATH: self.issuer.jwks(),
            "/introspect": {"active": True},
            "/me": {"sub": "alice", "email": "alice@example.com"},
            "/token": {"access_token": "t", "token_type": "Bearer"},
        }
        return web.json_response(said[request.path])

    def configured(self, **settings: Any) -> Issuer:
        return Issuer(
            issuer=self.url,
            audience="a",
            name="local",
            ca_file=self.ca_file,
            introspection=Introspection(client_id="gateway", client_secret=SECRET),
            userinfo=UserInfoSection(claims=("email",)),
            **settings,
        )


@pytest_asyncio.fixture
async def provider(make_certificate: Certificates) -> AsyncIterator[Provider]:  # noqa: F811
    certificate, pem = make_certificate("provider")
    made = Provider(str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def read(_: Secret) -> str:
    return "s3cret"


async def ask_all(provider: Provider, issuer: Issuer, proxy: str | None) -> None:
    """Keys by discovery, introspection, userinfo and a token endpoint, each once."""
    published = await Publisher(issuer).fetch_key_set(0.0)
    assert published.keys.keys
    keys = RemoteIssuers([issuer], observer=Unheard())
    assert issuer.introspection is not None
    call = IntrospectionCall(issuer, issuer.introspection, issuers=keys, read=read)
    assert await call.ask(await call.endpoint(), b"t") == {"active": True}
    userinfo = RemoteUserInfo([issuer], keys=keys, cache=MemoryCache(), observer=Unheard())
    obtained = await userinfo.fetch_claims(identity(), b"t")
    assert obtained.claims == {"email": "alice@example.com"}
    section = ClientCredentials(
        token_endpoint=f"{provider.url}/token",
        client_id="gateway",
        client_secret=SECRET,
        ca_file=provider.ca_file,
        proxy=proxy,
    )
    endpoint = TokenEndpoint("shop", section, read=read, observer=Unheard(), clock=Clock())
    assert await endpoint.ask({}, lambda status, _: status) == 200
    for one in (call, userinfo, keys):
        await one.stop()
    await endpoint.close()


PATHS = {DISCOVERY_PATH, JWKS_PATH, "/introspect", "/me", "/token"}


async def test_all_that_is_asked_goes_through_the_proxy_that_is_named(provider: Provider, proxy: ForwardProxy) -> None:
    await ask_all(provider, provider.configured(fetch=Fetch(proxy=proxy.url)), proxy.url)
    assert set(provider.paths) == PATHS
    assert set(proxy.asked) == {f"CONNECT {provider.authority()}"}
    # A tunnel for each document, and one each for introspection, userinfo and tokens; nothing of what is in them.
    assert len(proxy.heads) == len(provider.paths)
    assert "s3cret" not in "".join(proxy.heads)
    assert "uthorization" not in "".join(proxy.heads)


async def test_no_variable_of_the_environment_names_a_proxy(
    provider: Provider, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    await ask_all(provider, provider.configured(), None)
    assert set(provider.paths) == PATHS
    assert proxy.heads == []


async def test_what_is_plain_goes_through_it_as_well(issuer: HostileIssuer, proxy: ForwardProxy) -> None:
    configured = Issuer(issuer=issuer.url, audience="a", fetch=Fetch(proxy=proxy.url))
    assert (await Publisher(configured).fetch_key_set(0.0)).keys.keys
    assert proxy.asked == [f"GET {issuer.url}{path}" for path in (DISCOVERY_PATH, JWKS_PATH)]


async def test_a_proxy_that_refuses_or_is_not_there_is_told_apart_from_the_issuer(
    provider: Provider, proxy: ForwardProxy
) -> None:
    configured = provider.configured(fetch=Fetch(proxy=proxy.url))
    proxy.refusal = "403 Forbidden"
    with pytest.raises(FetchFailed, match=r"the proxy does not lead there \(status 403\)") as caught:
        await fetch_json(f"{provider.url}/jwks", configured)
    # It says nothing of whether a document is there.
    assert caught.value.status is None
    client = Client(ca_file=provider.ca_file, proxy=proxy.url)
    with pytest.raises(FetchFailed, match=r"the proxy does not lead there \(status 403\)"):
        await client.get(f"{provider.url}/me", timeout=5.0)
    await client.close()
    await proxy.stop()
    with pytest.raises(FetchFailed, match=r"the proxy cannot be reached \(ECONNREFUSED\)"):
        await fetch_json(f"{provider.url}/jwks", configured)
    assert provider.paths == []


# The gateway's own credential


def guarded(issuer: HostileIssuer, **settings: Any) -> Issuer:
    fetch = Fetch(**{"authorization": SECRET, "origin": issuer.url, **settings})
    return Issuer(issuer=issuer.url, audience="a", fetch=fetch)


async def shown(
    issuer: HostileIssuer, configured: Issuer, path: str = "/doc", now: Callable[[Secret], str] = read
) -> Any:
    await fetch_json(issuer.url + path, configured, read=now)
    return issuer.authorization


async def test_the_credential_is_shown_at_its_origin_as_it_is_now(issuer: HostileIssuer) -> None:
    issuer.response("/doc", "{}")
    tokens = ["one", "two"]
    for token in ("two", "one"):
        assert await shown(issuer, guarded(issuer), now=lambda _: tokens.pop()) == f"Bearer {token}"


async def test_discovery_and_keys_are_asked_with_it(issuer: HostileIssuer) -> None:
    seen: list[str | None] = []

    async def asked(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return await request.match_info.handler(request)

    issuer.response_by(DISCOVERY_PATH, asked)
    issuer.response_by(JWKS_PATH, asked)
    keys = RemoteIssuers([guarded(issuer)], observer=Unheard(), read=read)
    assert await keys.fetch_keys("127.0.0.1", alg="RS256", kid=None)
    assert seen == ["Bearer s3cret"] * 2
    await keys.stop()


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "http://127.0.0.1.evil.example:{port}",
    ],
)
async def test_it_goes_to_no_other_origin(issuer: HostileIssuer, origin: str) -> None:
    issuer.response("/doc", "{}")
    port = issuer.url.rpartition(":")[2]
    assert await shown(issuer, guarded(issuer, origin=origin.format(port=port))) is None


async def test_it_goes_along_no_redirect(issuer: HostileIssuer) -> None:
    issuer.response("/there", "{}")
    issuer.response("/doc", "", status=302, headers={"Location": "/there"})
    assert await shown(issuer, guarded(issuer)) is None
    assert issuer.hits == {"/doc": 1, "/there": 1}
    other = HostileIssuer()
    await other.start()
    issuer.response("/doc", "", status=302, headers={"Location": f"{other.url}/there"})
    with pytest.raises(FetchFailed, match="a redirect to another origin"):
        await shown(issuer, guarded(issuer))
    assert not other.hits
    await other.stop()


async def test_it_goes_through_no_proxy(issuer: HostileIssuer, proxy: ForwardProxy) -> None:
    issuer.response("/doc", "{}")
    assert await shown(issuer, guarded(issuer, proxy=proxy.url)) is None
    assert "uthorization" not in "".join(proxy.heads)


async def test_what_is_no_token_is_not_shown_and_not_told(issuer: HostileIssuer) -> None:
    with pytest.raises(FetchFailed, match=r"the token in fetch\.authorization must hold one bearer token") as caught:
        await shown(issuer, guarded(issuer), now=lambda _: "hunter2\nX: y")
    assert "hunter2" not in str(caught.value)
    assert not issuer.hits


async def test_where_nobody_can_read_it_nothing_is_shown(issuer: HostileIssuer) -> None:
    issuer.response("/doc", "{}")
    await fetch_json(f"{issuer.url}/doc", guarded(issuer))
    assert issuer.authorization is None


async def test_a_cluster_is_asked_with_the_token_of_the_gateway_s_own_pod(
    issuer: HostileIssuer,
    make_certificate: Certificates,  # noqa: F811
    tmp_path: Path,
) -> None:
    seen: list[str | None] = []

    async def keys(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=json.dumps(issuer.jwks()), content_type="application/jwk-set+json")

    issuer.response_by("/openid/v1/jwks", keys)
    pod = Fetch(authorization=Secret(file=str(tmp_path / "token")), origin=issuer.url)
    configured = Issuer(
        issuer=issuer.url, audience="a", preset="kubernetes", fetch=pod, ca_file=str(make_certificate("x")[0])
    )
    published = await Publisher(configured, read=lambda secret: f"of-{Path(secret.file or '').name}").fetch_key_set(0.0)
    assert len(published.keys.keys) == len(issuer.jwks()["keys"])
    assert seen == ["Bearer of-token"]
