"""`check --online` of what stands behind the gateway: does the API speak, and who gives tokens for it."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.commands.finding import Wrong
from gateway.commands.online import ask_all
from gateway.commands.online_apis import ask_collector, ask_token_endpoint, ask_upstream
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.tracing import TracingSection
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.config.upstreams import UpstreamCredential, UpstreamSection, UpstreamTls
from tests.commands.speaking import speaking
from tests.issuer import HostileIssuer
from tests.kubernetes.pki import Authority

ACCEPTS = "accepts connections, and"


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


async def outcome(asked: Any) -> tuple[str, str]:
    try:
        return await asked  # type: ignore[no-any-return]
    except Wrong as wrong:
        return "problem", str(wrong)


@pytest.mark.parametrize(
    ("said", "state", "says"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "ok", "responds (status 200 to HEAD /)"),
        (b"HTTP/1.0 401 No\r\n\r\n", "ok", "responds (status 401 to HEAD /)"),
        (b"HTTP/1.1 501 No\r\n\r\n", "ok", "responds (status 501 to HEAD /)"),
        (b"HTTP/1.1 503 No\r\n\r\n", "warning", "responds (status 503 to HEAD /)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "warning", "responds (status 400 to HEAD /): does it know this Host, or want https://?"),
        (b"HTTP/1.1 200", "ok", "responds (status 200 to HEAD /)"),
        (b"", "problem", "closes them without a response; does it want https://?"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "problem", "speaks TLS: its url begins with https://"),
        (b"HTTP/2 200\r\n", "problem", "does not speak HTTP/1.1; does it want https://?"),
        (b"HTTP/1.1 2000 OK\r\n", "problem", "does not speak HTTP/1.1; does it want https://?"),
        (b"SSH-2.0-OpenSSH\r\n", "problem", "does not speak HTTP/1.1; does it want https://?"),
        (b"x" * 100_000, "problem", "does not speak HTTP/1.1; does it want https://?"),
    ],
)  # fmt: skip
async def test_an_api_speaks_http_or_is_none(said: bytes, state: str, says: str) -> None:
    async with speaking(said) as url:
        assert await outcome(ask_upstream(UpstreamSection(url=url))) == (state, f"{ACCEPTS} {says}")


async def test_one_that_says_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.online_apis.SPEAKS_WITHIN", 0.1)
    async with speaking(None) as url:
        assert await outcome(ask_upstream(UpstreamSection(url=url))) == (
            "warning",
            f"{ACCEPTS} says nothing to HEAD / within 0.1 s",
        )


async def test_an_api_with_tls_speaks_within_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("server", "server", addresses=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    tls = UpstreamTls(ca_file=str(tmp_path / "ca.crt"))
    async with speaking(b"HTTP/1.1 400 Bad\r\n\r\n", tls=context) as url:
        state, says = await outcome(ask_upstream(UpstreamSection(url=url, tls=tls)))
        assert state == "warning"
        assert says.startswith("accepts connections, with a certificate that is accepted, and responds (status 400")
        assert says.endswith("does it know this Host?")
    # TLS is what it wants, and not what it gets.
    async with speaking(b"", tls=context) as url:
        plain = UpstreamSection(url=url.replace("https:", "http:"))
        state, says = await outcome(ask_upstream(plain))
        assert state == "problem"
        assert "https://" in says
    # A client certificate is what it wants.
    context.load_verify_locations(tmp_path / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=shake_once, args=(listener, context))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        state, says = await outcome(ask_upstream(UpstreamSection(url=url, tls=tls)))
        thread.join()
    assert state == "problem"
    assert "ends TLS before it responds (TLSV13_ALERT_CERTIFICATE_REQUIRED); does it want a client certificate" in says


def shake_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Says why there is no TLS with this one, as servers do."""
    peer, _ = listener.accept()
    with peer, contextlib.suppress(ssl.SSLError):
        context.wrap_socket(peer, server_side=True).close()


async def test_files_of_tls_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    upstream = UpstreamSection(url="https://127.0.0.1:1", tls=UpstreamTls(ca_file=str(tmp_path / "nowhere")))
    state, says = await outcome(ask_upstream(upstream))
    assert state == "problem"
    assert says.startswith("tls.ca_file")


SECRET = Secret(env="CLIENT_SECRET")


def a_request(kind: type[ClientCredentials | TokenExchange], url: str) -> Any:
    return kind(token_endpoint=url, client_id="gateway", client_secret=SECRET, timeout=Seconds(5))


@pytest.mark.parametrize(
    ("kind", "status", "body", "state", "says"),
    [
        (ClientCredentials, 200, {"access_token": "t", "token_type": "Bearer"}, "ok", " gives the gateway its token"),
        (ClientCredentials, 401, {"error": "invalid_client"}, "problem", ": the token endpoint says invalid_client, with status 401"),
        (ClientCredentials, 404, {}, "problem", ": the token endpoint says nothing that could be understood, with status 404"),
        (TokenExchange, 400, {"error": "invalid_request"}, "ok", " takes the gateway's credentials, and nothing in exchange for a token made up"),
        (TokenExchange, 401, {"error": "invalid_client"}, "problem", ": the token endpoint says invalid_client, with status 401"),
        (TokenExchange, 400, {"error": "unsupported_grant_type"}, "problem", ": the token endpoint says unsupported_grant_type, with status 400"),
        (TokenExchange, 200, {"access_token": "t", "token_type": "Bearer"}, "warning", " gives a token in exchange for one made up: is it the endpoint?"),
    ],
)  # fmt: skip
async def test_a_token_endpoint_takes_our_credentials(
    endpoint: HostileIssuer, kind: Any, status: int, body: dict[str, Any], state: str, says: str
) -> None:
    url = f"{endpoint.url}/issue"
    endpoint.response("/issue", json.dumps(body), status=status)
    asked = ask_token_endpoint("orders", a_request(kind, url), {SECRET: "hidden-secret"})
    assert await outcome(asked) == (state, url + says)


async def test_each_token_is_asked_for_and_named_by_its_upstream() -> None:
    credential = UpstreamCredential(client_credentials=a_request(ClientCredentials, "http://127.0.0.1:1/issue"))
    upstream = UpstreamSection(url="http://127.0.0.1:1", authorization=credential)
    config = Config(
        upstreams={"orders": upstream},
        issuers=(Issuer(issuer="https://i.example", audience="a", jwks_file="/nowhere"),),
    )
    findings = await ask_all(config, {SECRET: "hidden-secret"}, told=lambda _: None)
    (found,) = [finding for finding in findings if finding.about == "token for orders"]
    assert (found.state, found.says) == ("problem", "http://127.0.0.1:1/issue: it cannot be reached (ECONNREFUSED)")


@pytest.mark.parametrize(
    ("status", "state", "says"),
    [
        (200, "ok", " takes spans"),
        (401, "warning", " takes no spans: the response has status 401; requests go on without traces"),
    ],
)
async def test_a_collector_takes_spans(endpoint: HostileIssuer, status: int, state: str, says: str) -> None:
    endpoint.response("/v1/traces", b"", status=status)
    tracing = TracingSection(endpoint=endpoint.url, headers={"Authorization": SECRET})
    assert await outcome(ask_collector(tracing, {SECRET: "Bearer of-ours"})) == (state, endpoint.url + says)
    assert endpoint.authorization == "Bearer of-ours"


async def test_a_collector_that_is_not_there_is_told(tmp_path: Path) -> None:
    state, says = await outcome(ask_collector(TracingSection(endpoint="http://127.0.0.1:1"), {}))
    assert state == "warning"
    assert "it cannot be asked" in says
    spoilt = TracingSection(endpoint="https://127.0.0.1:1", ca_file=str(tmp_path / "nowhere"))
    assert await outcome(ask_collector(spoilt, {})) == ("problem", "tracing.ca_file cannot be read")
    config = Config(
        upstream="http://127.0.0.1:1",
        tracing=TracingSection(endpoint="http://127.0.0.1:1"),
        issuers=(Issuer(issuer="https://i.example", audience="a", jwks_file="/nowhere"),),
    )
    findings = await ask_all(config, {}, told=lambda _: None)
    assert findings[-1].about == "tracing"
