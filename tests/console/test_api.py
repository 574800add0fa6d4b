"""Every endpoint of a real gateway's console: who may ask, what is said, and what bounds it."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.console.server import CONNECTIONS, MAX_BODY, STREAMS
from gateway.core.config.console import Operators
from gateway.core.config.issuers import Issuer
from gateway.core.config.revocation import Revocation
from gateway.core.config.secret import Secret
from gateway.core.errors import IdToken, TokenRevoked, WrongAudience
from tests.process.console.asking import Asking
from tests.process.console.conftest import Opened, opened, start
from tests.wire import demo_issuer, good_token

__all__ = ["opened", "start"]
SECRET = Secret(env="OPERATORS")


def bearer(token: str) -> bytes:
    return f"GET /orders/1?q=secret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def some_traffic(console: Asking) -> list[str]:
    """One that is admitted, an ID token, and one for another API."""
    client = await console.gateway.client()
    tokens = [demo_issuer().id_token(alg="ES256"), demo_issuer().access_token(alg="ES256", aud="other")]
    await client.ask(bearer(demo_issuer().access_token(alg="ES256")))
    for token in tokens:
        await client.ask(bearer(token))
    return tokens


# Who may ask


PATHS = ("/api/status", "/api/traffic", "/api/refusals", "/api/revocations", "/api/nothing", "/api/explain")


async def test_without_its_key_there_is_a_page_and_nothing_else(opened: Opened) -> None:
    console = await opened()
    for path in PATHS:
        for key in ("", "wrong"):
            told = await console.ask(path, key=key)
            assert (told.status, told.headers["WWW-Authenticate"]) == (401, 'Bearer realm="console"')
    for path in ("/", "/console.js", "/console.css", "/charts.js"):
        told = await console.ask(path, key="")
        assert told.status == 200
        assert "unsafe-inline" not in told.headers["Content-Security-Policy"]
        assert told.headers["X-Frame-Options"] == "DENY"
    assert (await console.ask("/console.js", method="POST")).status == 405
    assert "Server" not in told.headers
    console.gateway.silent_about(console.key)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ({"Host": "evil.example:9091"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X_Forwarded_For": "127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
    ],
)
async def test_the_key_is_of_no_use_to_pages_of_others_and_by_way_of_proxies(
    opened: Opened, lines: dict[str, str], status: int
) -> None:
    told = await (await opened()).ask("/api/status", **lines)
    assert told.status == status
    assert not any(name.lower().startswith("access-control") for name in told.headers)


async def test_a_browser_is_told_nothing_before_a_request_of_another_site(opened: Opened) -> None:
    console = await opened()
    told = await console.ask(
        "/api/revocations", method="OPTIONS", Origin="http://evil.example", Access_Control_Request_Method="POST"
    )
    assert told.status == 403
    assert (await console.ask("/api/revocations", b"a=b", Content_Type="text/plain")).status == 415


async def test_after_ten_wrong_ones_whoever_guesses_waits_and_the_key_still_opens(opened: Opened) -> None:
    console = await opened()
    statuses = [(await console.ask("/api/status", key=f"wrong{number}")).status for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert int((await console.ask("/api/status", key="again")).headers["Retry-After"]) <= 60
    assert (await console.ask("/api/status")).status == 200


async def test_operators_are_let_in_by_a_secret_or_by_a_token_with_their_scopes(opened: Opened) -> None:
    operators = Operators(scopes=("gateway:operate",))
    console = await opened({"operators": operators}, revocation=Revocation())
    issuer = demo_issuer()
    token = issuer.access_token(alg="ES256", scope="a gateway:operate", exp=4_000_000_000, iat=1_700_000_000)
    token = issuer.access_token(alg="ES256", scope="a gateway:operate")
    told = await console.ask("/api/status", key=token, X_Forwarded_For="10.0.0.1")
    assert (told.status, told.body["who"]) == (200, "subject 'alice', client 'demo-client' of issuer.test")
    refused = [
        issuer.access_token(alg="ES256", scope="a"),
        issuer.access_token(alg="ES256", scope="gateway:operate", aud="other"),
        issuer.access_token(alg="ES256", scope="gateway:operate", cnf={"jkt": "x" * 43}),
        issuer.id_token(alg="ES256", scope="gateway:operate"),
        token[:-4] + "AAAA",
    ]
    for one in refused:
        assert (await console.ask("/api/status", key=one)).status == 401
    await console.ask("/api/revocations", {"token": token})
    assert (await console.ask("/api/status", key=token)).status == 401
    console.gateway.silent_about(token, *refused, console.key)


async def test_a_token_that_had_to_be_bound_is_no_operators(opened: Opened, tmp_path: Path) -> None:
    issuer, jwks = demo_issuer(), tmp_path / "bound.json"
    jwks.write_text(json.dumps(issuer.jwks()))
    bound = Issuer(issuer="https://issuer.test", audience=issuer.audience, jwks_file=str(jwks), binding="mtls")
    console = await opened({"operators": Operators(scopes=("gateway:operate",))}, issuers=(bound,))
    token = issuer.access_token(alg="ES256", scope="gateway:operate")
    assert (await console.ask("/api/status", key=token)).status == 401


# What is read


async def test_the_status_says_how_everything_is_and_what_is_wrong(opened: Opened) -> None:
    console = await opened(revocation=Revocation())
    await some_traffic(console)
    status = await console.until("/api/status", lambda body: len(body["findings"]) == 2)
    assert status["ready"]
    assert (status["workers"], status["read_only"], status["store"]) == (1, False, None)
    assert len(status["config"]) == 12
    assert set(status["listeners"]) == {"listen", "admin", "console"}
    (issuer,) = status["issuers"]
    assert (issuer["name"], issuer["issuer"], issuer["state"], issuer["keys"]) == (
        "issuer.test",
        "https://issuer.test",
        "ok",
        2,
    )
    assert 0 <= issuer["age"] < 60
    assert issuer["next_refresh"] > 0
    (upstream,) = status["upstreams"]
    assert (upstream["name"], upstream["state"]) == ("default", "ok")
    assert status["revocations"] == {"entries": 0, "is_stale": False}
    assert status["uptime"] >= 0
    assert any("Client demo-client sends an ID token" in one["says"] for one in status["findings"])


async def test_traffic_is_counted_by_outcome_reason_and_route_with_its_times(opened: Opened) -> None:
    console = await opened()
    await some_traffic(console)

    def counted(body: Any) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for step in body["steps"]:
            for one in step["counts"]:
                found[one["outcome"], one["reason"]] = found.get((one["outcome"], one["reason"]), 0) + one["count"]
        return found

    expected = {("admitted", "-"): 1, ("refused", IdToken.reason): 1, ("refused", WrongAudience.reason): 1}
    body = await console.until("/api/traffic", lambda body: counted(body) == expected)
    times = [step["own"] for step in body["steps"] if step["own"]]
    assert times
    assert times[-1]["p50"] <= times[-1]["p90"] <= times[-1]["p99"]
    assert any(step["upstream"] for step in body["steps"])


async def test_the_last_refusals_say_why_and_what_to_do_and_have_no_token(opened: Opened) -> None:
    console = await opened()
    tokens = await some_traffic(console)
    body = await console.until("/api/refusals", lambda body: len(body["refusals"]) == 2)
    newest, oldest = body["refusals"]
    assert (newest["reason"], oldest["reason"]) == (WrongAudience.reason, IdToken.reason)
    assert newest["path"] == "/orders/1"
    assert newest["evidence"].startswith("aud is 'other'; expected")
    assert newest["sentence"] == WrongAudience.public
    assert "ask the provider" in newest["advice"]
    assert (oldest["client"], oldest["issuer"], len(oldest["token"])) == ("demo-client", "issuer.test", 12)
    for token in tokens:
        assert token.rpartition(".")[2] not in repr(body)
    assert "secret" not in repr(body)


async def test_traffic_comes_as_events_as_long_as_somebody_reads(opened: Opened) -> None:
    console = await opened()
    headers = {"Authorization": f"Bearer {console.key}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(console.url + "api/traffic") as response:
            assert response.content_type == "text/event-stream"
            assert await response.content.readline() == b"event: traffic\n"
            await some_traffic(console)
            async with asyncio.timeout(15):
                while await response.content.readline() != b"event: steps\n":
                    pass
                assert b'"admitted"' in await response.content.readline()
            opened_streams = [await session.get(console.url + "api/traffic") for _ in range(STREAMS - 1)]
            assert [one.status for one in opened_streams] == [200] * (STREAMS - 1)
            async with session.get(console.url + "api/traffic") as full:
                assert (full.status, full.headers["Retry-After"]) == (503, "1")
        # Whoever has left makes room within a second or so.
        async with asyncio.timeout(15):
            while True:
                again = await session.get(console.url + "api/traffic")
                if again.status == 200:
                    break
        # Those that are open end with the gateway, at once.
        async with asyncio.timeout(5):
            await console.gateway.stop()
            await again.content.read()


async def test_a_stream_on_which_nothing_happens_shows_that_it_lives(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.console.api.LOOK", 0.01)
    monkeypatch.setattr("gateway.console.api.HEARTBEAT", 0.02)
    console = await opened()
    headers = {"Authorization": f"Bearer {console.key}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(console.url + "api/traffic") as response:
        async with asyncio.timeout(15):
            while await response.content.readline() != b": here\n":
                pass


# What is explained, and changed


async def test_a_token_is_explained_as_the_command_does_and_is_not_kept(opened: Opened) -> None:
    console = await opened()
    token = demo_issuer().access_token(alg="ES256", aud="other")
    told = await console.ask("/api/explain", {"token": f"Bearer {token}\n", "method": "PUT", "url": "/orders/7"})
    assert (told.body["verdict"], told.body["reason"]) == ("refused", WrongAudience.reason)
    assert {"step": "request", "passed": True, "says": "PUT /orders/7"} in told.body["steps"]
    good = (await console.ask("/api/explain", {"token": good_token(), "url": "http://api.test/a"})).body
    assert (good["verdict"], good["status"]) == ("admitted", None)
    assert good["headers"]
    console.gateway.silent_about(token)
    assert token not in repr(told.body)
    # It was no request: nothing was counted, logged or sent to the API.
    assert console.gateway.places.taken == 0
    assert (await console.ask("/api/refusals")).body["refusals"] == []


async def test_one_explanation_is_made_at_a_time(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    console = await opened()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(*_: Any) -> dict[str, Any]:
        asked.set()
        await go_on.wait()
        return {}

    monkeypatch.setattr(console.gateway.gateway.teller, "do", wait)
    first = asyncio.ensure_future(console.ask("/api/explain", {"token": "a"}))
    await asked.wait()
    assert (await console.ask("/api/explain", {"token": "b"})).status == 503
    go_on.set()
    assert (await first).status == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"token": 1},
        {"token": "a", "method": []},
        {"unknown": "a"},
        {"headers": "a: b"},
        {"headers": ["a"]},
        {"headers": ["a: b"] * 100},
        {"place": "nowhere"},
        {"certificate": "x"},
        {"url": "http://[::1"},
        {"token": "\ud800"},
        {"token": "a", "place": "cookie:\ud800"},
        {"token": "a", "method": "\ud800"},
        {"token": "a", "headers": ["a: \ud800"]},
        [],
        "text",
    ],
)
async def test_what_is_no_request_is_not_explained(opened: Opened, asked: Any) -> None:
    console = await opened()
    told = await console.ask("/api/explain", asked)
    assert told.status == 400
    assert told.body["error"].endswith((".", "example"))


async def test_what_is_no_json_or_too_much_of_it_is_refused(opened: Opened) -> None:
    console = await opened()
    assert (await console.ask("/api/explain", b"{")).status == 400
    assert (await console.ask("/api/explain", b"[" * 20000)).status == 400
    assert (await console.ask("/api/explain", b"x" * (MAX_BODY + 1))).status == 413


async def test_what_is_revoked_is_listed_and_lifted_and_each_change_is_logged_with_who(opened: Opened) -> None:
    console = await opened(revocation=Revocation())
    client = await console.gateway.client()
    told = await console.ask("/api/revocations", {"subject": "alice", "reason": "lost her phone"})
    assert told.body["changed"]
    revoked = demo_issuer().access_token(alg="ES256")
    assert (await client.ask(bearer(revoked))).status == 401
    listed = (await console.ask("/api/revocations")).body
    (entry,) = listed["entries"]
    assert (entry["kind"], entry["value"], entry["reason"]) == ("subject", "alice", "lost her phone")
    assert entry["who"] == "whoever has the console's key"
    assert (await console.ask("/api/revocations", {"id": entry["id"]}, method="DELETE")).status == 200
    assert (await client.ask(bearer(revoked))).status == 200
    assert (await console.ask("/api/revocations", {"id": entry["id"]}, method="DELETE")).status == 404
    log = console.gateway.stderr.getvalue()
    assert "console: revoke of 'subject' by whoever has the console's key" in log
    assert "console: lift of 'subject' by whoever has the console's key" in log


async def test_a_token_is_revoked_by_pasting_it(opened: Opened) -> None:
    console = await opened(revocation=Revocation())
    token = demo_issuer().access_token(alg="ES256")
    assert (await console.ask("/api/revocations", {"token": token})).status == 200
    assert (await (await console.gateway.client()).ask(bearer(token))).status == 401
    await console.until(
        "/api/refusals", lambda body: [one["reason"] for one in body["refusals"]] == [TokenRevoked.reason]
    )
    console.gateway.silent_about(token)


async def test_a_page_of_the_list_has_two_hundred(opened: Opened) -> None:
    console = await opened(revocation=Revocation())
    revocations = console.gateway.gateway.assembly.revocations
    assert revocations is not None
    for number in range(450):
        await console.gateway.gateway.teller.do("revoke", {"jti": f"{number}"})  # type: ignore[union-attr]
    seen: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        body = (await console.ask(f"/api/revocations?after={after}")).body
        seen += [entry["value"] for entry in body["entries"]]
        after, pages = body["next"], pages + 1
    assert (pages, len(seen), len(set(seen)), body["count"]) == (3, 450, 450, 450)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"subject": "a", "sid": "b"},
        {"subject": "a", "issuer": "nobody"},
        {"subject": 7},
        {"subject": "a", "before": "x"},
        {"subject": "a", "before": True},
        {"subject": "a", "before": 10**400},
        {"subject": "a", "before": float("inf")},
        {"subject": "\ud800"},
        {"token": "\ud800"},
        {"subject": "a", "more": "b"},
        {"subject": "a", "reason": "x" * 300},
        {"subject": "x" * 20000},
    ],
)
async def test_what_cannot_be_revoked_is_said_to_be_so(opened: Opened, asked: dict[str, Any]) -> None:
    console = await opened(revocation=Revocation())
    assert (await console.ask("/api/revocations", asked)).status == 400


async def test_keys_are_fetched_when_somebody_asks_and_of_known_issuers_only(opened: Opened) -> None:
    console = await opened()
    told = await console.ask("/api/issuers/issuer.test/refresh", {})
    assert (told.status, told.body) == (200, {"about": "issuer.test", "ok": True, "error": None})
    assert (await console.ask("/api/issuers/nobody/refresh", {})).status == 404
    assert (await console.ask("/api/issuers//refresh", {})).status == 404
    assert (await console.ask("/api/issuers/issuer.test/refresh")).status == 405
    assert "console: refresh of 'issuer.test' by" in console.gateway.stderr.getvalue()


async def test_where_nobody_reads_the_configuration_anew_it_says_so(opened: Opened) -> None:
    console = await opened()
    told = await console.ask("/api/reload", {})
    assert told.status == 501
    assert "restart it" in told.body["error"]


async def test_a_console_that_is_read_only_changes_nothing(opened: Opened) -> None:
    console = await opened({"read_only": True}, revocation=Revocation())
    for method, path in (
        ("POST", "/api/revocations"),
        ("DELETE", "/api/revocations"),
        ("POST", "/api/reload"),
        ("POST", "/api/issuers/issuer.test/refresh"),
    ):
        assert (await console.ask(path, {"subject": "a"}, method=method)).status == 403
    assert (await console.ask("/api/status")).body["read_only"] is True
    assert (await console.ask("/api/explain", {"token": good_token()})).status == 200


async def test_a_method_that_is_none_is_told_those_that_are(opened: Opened) -> None:
    console = await opened()
    told = await console.ask("/api/revocations", {}, method="PUT")
    assert (told.status, told.headers["Allow"]) == (405, "GET, POST, DELETE")
    assert (await console.ask("/api/nothing")).status == 404


# Bounds of connections, and what is no request


def address_of(console: Asking) -> tuple[str, int]:
    parts = urlsplit(console.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


@asynccontextmanager
async def crowd(console: Asking, count: int) -> AsyncIterator[list[socket.socket]]:
    """Connections that say nothing."""
    made = [await asyncio.to_thread(socket.create_connection, address_of(console)) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.close()


async def test_a_crowd_that_says_nothing_does_not_keep_an_operator_out(opened: Opened) -> None:
    console = await opened()
    async with crowd(console, 3 * CONNECTIONS):
        assert (await console.ask("/api/status")).status == 200


async def test_strangers_who_ask_and_leave_do_not_keep_an_operator_waiting(opened: Opened) -> None:
    console = await opened()
    asked = b"POST /api/explain HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n\r\n"
    host = urlsplit(console.url).netloc.encode()

    def hammer() -> None:
        for _ in range(200):
            with socket.create_connection(address_of(console)) as one:
                one.sendall(asked % host)
                time.sleep(0.002)

    await asyncio.to_thread(hammer)
    async with asyncio.timeout(2.0):
        assert (await console.ask("/api/status")).status == 200
    waiting = [one for one in asyncio.all_tasks() if "Pace.wait" in str(one.get_stack())]
    assert len(waiting) <= CONNECTIONS


Said = Callable[[Asking, bytes], Awaitable[bytes]]


async def said(console: Asking, request: bytes) -> bytes:
    """All that is responded to these bytes."""
    reader, writer = await asyncio.open_connection(*address_of(console))
    with closing(writer):
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization Bearer KEY\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n Authorization: Bearer KEY\r\n\r\n",
        b"Authorization: Bearer KEY\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"KEY" * 5000 + b"\r\n\r\n",
        b"GET /KEY\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: KEY\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_quoted_nowhere(opened: Opened, request_: bytes) -> None:
    console = await opened()
    response = await said(console, request_.replace(b"KEY", console.key.encode()))
    assert response.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert console.key.encode() not in response
    assert b"Server:" not in response
    assert b"Content-Security-Policy:" in response
    console.gateway.silent_about(console.key)


async def test_a_bug_is_logged_without_what_was_sent(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    console = await opened()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(console.key)

    monkeypatch.setattr("gateway.console.api.status_of", fail)
    told = await console.ask("/api/status")
    assert (told.status, told.body) == (500, {"error": "Internal Server Error"})
    assert "the console failed: RuntimeError, " in console.gateway.stderr.getvalue()
    console.gateway.silent_about(console.key)
