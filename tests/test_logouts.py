"""Logout tokens on real sockets: who is heard, what it ends, and what everybody else is told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from prometheus_client import generate_latest

from gateway.core.config.backchannel_logout import BackchannelLogout
from gateway.core.config.issuers import Issuer
from gateway.core.config.rates import BadTokensSection
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.errors import InvalidLogout, Refusal, RequestTimeout
from gateway.core.http.facts import Facts
from gateway.core.revocation.entry import Entry
from gateway.core.token.logout import EVENT
from gateway.logouts import MAX_BODY, BackchannelLogouts
from gateway.observe.observers import Unheard
from gateway.ports import Ending
from gateway.relay.frames import close_frame
from gateway.store.revocations import CannotRevoke, Revocations
from tests.memory import MemoryIssuers, facts, key_set
from tests.properties.test_logout_tokens import CONFIG, FORM, Posted, plain
from tests.relay.test_tunnel import handshake_with, opened
from tests.signer import NOW, sign
from tests.wire import Message, RawClient, Running, Start, demo_issuer, starting

PATH = "/.gateway/backchannel-logout/issuer.test"
REVOKED = close_frame(1008, "token_revoked")


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starting(tmp_path) as starts:

        async def start(
            *, section: dict[str, Any] | None = None, issuer: dict[str, Any] | None = None, **kw: Any
        ) -> Running:
            settings = {"jwks_file": str(tmp_path / "jwks.json"), **(issuer or {})}
            configured = Issuer(
                issuer="https://issuer.test",
                audience=demo_issuer().audience,
                backchannel_logout=BackchannelLogout(client_ids=("web",), **(section or {})),
                **settings,
            )
            return await starts(issuers=(configured,), revocation=Revocation(), **kw)

        yield start


@pytest_asyncio.fixture
async def gateway(start: Start) -> Running:
    return await start()


@pytest_asyncio.fixture
async def client(gateway: Running) -> RawClient:
    return await gateway.client()


def logout_token(*, alg: str = "ES256", typ: str | None = "logout+jwt", **changes: Any) -> str:
    """One that passes; a change to Ellipsis leaves the claim out."""
    now = int(time.time())
    claims = {
        "iss": "https://issuer.test",
        "aud": "web",
        "sub": "alice",
        "sid": "session-one",
        "iat": now,
        "exp": now + 120,
        "jti": "j",
        "events": {EVENT: {}},
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return demo_issuer().mint(claims, alg=alg, header={} if typ is None else {"typ": typ})


def access_token(subject: str = "alice", sid: str | None = None, *, ago: float = 60, **claims: Any) -> str:
    session: dict[str, Any] = {} if sid is None else {"sid": sid}
    now = time.time()
    return demo_issuer().access_token(alg="ES256", sub=subject, iat=now - ago, exp=now + 600, **session, **claims)


def posted(body: bytes | str, *lines: str, path: str = PATH, method: str = "POST", form: bool = True) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    head = [f"{method} {path} HTTP/1.1", "Host: api.test", f"Content-Length: {len(raw)}", *lines]
    if form:
        head.append("Content-Type: application/x-www-form-urlencoded; charset=utf-8")
    return "\r\n".join((*head, "", "")).encode() + raw


def logout(token: str, **kw: Any) -> bytes:
    return posted(urlencode({"logout_token": token}), **kw)


def asked(token: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def complaints(gateway: Running) -> list[dict[str, Any]]:
    """What the log has beside each thing that was revoked."""
    return [line for line in gateway.errors() if not line["message"].startswith("revoked: ")]


def counted(gateway: Running) -> dict[str, float]:
    text = generate_latest(gateway.gateway._metrics.registry).decode()
    lines = [line for line in text.splitlines() if line.startswith("gateway_backchannel_logouts_total")]
    counts = {line.split('result="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}
    # These two are there from the start.
    assert counts.keys() >= {"ok", "logout_failed"}
    return {result: count for result, count in counts.items() if count}


def refused(response: Message, error: str = "invalid_request") -> bool:
    """Section 2.8."""
    told = json.loads(response.body)
    return (
        response.status == 400
        and told.keys() == {"error", "error_description"}
        and told["error"] == error
        and response.values(b"Cache-Control") == [b"no-store"]
        and response.values(b"Content-Type") == [b"application/json"]
    )


async def test_a_logout_ends_what_its_session_has_and_nothing_else(gateway: Running, client: RawClient) -> None:
    mine, sessionless, other_session, other_subject = (
        access_token(sid="session-one"), access_token(), access_token(sid="session-two"), access_token("bob"),
    )  # fmt: skip
    for token in (mine, sessionless, other_session, other_subject):
        assert (await client.ask(asked(token))).status == 200
    response = await client.ask(logout(logout_token()))
    assert (response.status, response.body) == (200, b"")
    assert response.values(b"Cache-Control") == [b"no-store"]
    statuses = [(await client.ask(asked(token))).status for token in (mine, sessionless, other_session, other_subject)]
    assert statuses == [401, 401, 200, 200]
    # Whoever logs in again gets tokens that were issued later.
    assert (await client.ask(asked(access_token(sid="session-one", ago=-3)))).status == 200
    assert counted(gateway) == {"ok": 1.0}
    record = (await gateway.stdout.records(5))[4]
    assert (record["status"], record["method"], record["path"], record.get("reason")) == (200, "POST", PATH, None)
    assert "issuer issuer.test: a logout was heard: ok" in gateway.stderr.getvalue()
    # Nothing of it reached the API, and nothing of it is logged.
    assert all(request.start.startswith(b"GET / ") for request in gateway.upstream.requests)
    gateway.silent_about("session-one", mine)
    assert complaints(gateway) == []


async def test_open_websockets_end_with_it(gateway: Running, client: RawClient) -> None:
    mine, _ = await opened(gateway, handshake_with(access_token(sid="session-one")))
    await opened(gateway, handshake_with(access_token(sid="session-two")))
    began = time.monotonic()
    assert (await client.ask(logout(logout_token()))).status == 200
    assert await mine.rest() == REVOKED
    # A second, and what a busy machine takes.
    assert time.monotonic() - began < 2.5
    await gateway.connections(2)


@pytest.mark.parametrize(("by", "statuses"), [("sid", [401, 200, 200]), ("subject", [401, 401, 401])])
async def test_by_says_what_ends(start: Start, by: str, statuses: list[int]) -> None:
    gateway = await start(section={"by": by, "path": "/bye"})
    client = await gateway.client()
    assert (await client.ask(logout(logout_token(), path="/bye?from=a%20test"))).status == 200
    tokens = (access_token(sid="session-one"), access_token(), access_token(sid="session-two"))
    assert [(await client.ask(asked(token))).status for token in tokens] == statuses


async def test_a_second_one_changes_nothing(gateway: Running, client: RawClient) -> None:
    token = logout_token()
    for _ in range(3):
        assert (await client.ask(logout(token))).status == 200
    revocations = gateway.gateway.assembly.revocations
    assert revocations is not None
    assert len(revocations.entries()) == 2
    # Nor is anything written for it, or logged: whoever repeats it has nobody's disk filled.
    assert gateway.stderr.getvalue().count("revoked: ") == 2
    # An older one neither.
    assert (await client.ask(logout(logout_token(iat=int(time.time()) - 20)))).status == 200
    assert counted(gateway) == {"ok": 1.0, "repeated": 3.0}


async def test_what_can_end_nothing_is_counted_and_told_once(start: Start) -> None:
    gateway = await start(section={"by": "sid"})
    client = await gateway.client()
    # Before any token has come nobody can know.
    assert (await client.ask(logout(logout_token(sid="s-0")))).status == 200
    assert (await client.ask(asked(access_token()))).status == 200
    for sid in ("session-one", "session-two"):
        assert (await client.ask(logout(logout_token(sid=sid)))).status == 200
    assert counted(gateway) == {"ok": 1.0, "unmatched": 2.0}
    (warning,) = complaints(gateway)
    assert "no access token of it has named one; by: auto ends those of the subject" in warning["message"]
    # From the first that does, they end something.
    assert (await client.ask(asked(access_token(sid="s-9")))).status == 200
    assert (await client.ask(asked(access_token()))).status == 200
    assert (await client.ask(logout(logout_token(sid="s-3")))).status == 200
    assert counted(gateway) == {"ok": 2.0, "unmatched": 2.0}


async def test_one_without_subject_says_what_would_help(gateway: Running, client: RawClient) -> None:
    assert (await client.ask(asked(access_token()))).status == 200
    assert (await client.ask(logout(logout_token(sub=...)))).status == 200
    assert counted(gateway) == {"unmatched": 1.0}
    (warning,) = complaints(gateway)
    assert "a sub in its logout tokens would end those of the subject" in warning["message"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_it_is_posted_and_nothing_else(gateway: Running, client: RawClient, method: str) -> None:
    response = await client.ask(logout(logout_token(), method=method), method)
    assert (response.status, response.values(b"Allow")) == (405, [b"POST"])
    assert gateway.upstream.requests == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (lambda: logout(logout_token(), form=False), "no form"),
        (lambda: posted("", "Content-Type: application/json", form=False), "no form"),
        (lambda: posted(""), "the form has no logout_token"),
        (lambda: posted("a=1&a=2"), "twice"),
        (lambda: posted(b"logout_token=%ff"), "UTF-8"),
        (lambda: posted("logout_token="), "token_malformed"),
        (lambda: posted("logout_token=ü"), "token_malformed"),
        (lambda: posted("logout_token=a.b.c.d.e"), "token_encrypted"),
        (lambda: logout(logout_token()[:-4] + "AAAA"), "bad_signature"),
        (lambda: logout(logout_token(iss="https://other.test")), "iss is"),
        (lambda: logout(logout_token(aud="mobile")), "aud is"),
        (lambda: logout(logout_token(nonce="n")), "nonce"),
        (lambda: logout(logout_token(exp=int(time.time()) - 60)), "expired"),
        (lambda: logout(access_token(aud="web")), "header typ"),
        (lambda: logout(access_token(aud="web", events={EVENT: {}})), "header typ"),
        (lambda: logout(demo_issuer().id_token(alg="ES256", aud="web")), "events"),
    ],
)
async def test_anything_else_is_refused_as_section_2_8_says(
    gateway: Running, client: RawClient, raw: Any, why: str
) -> None:
    response = await client.ask(raw())
    assert refused(response)
    record = await gateway.ended()
    assert (record["status"], record["reason"], record["outcome"]) == (400, "invalid_logout", "refused")
    assert why in record["evidence"]
    assert counted(gateway) == {"invalid_logout": 1.0}
    revocations = gateway.gateway.assembly.revocations
    assert revocations is not None
    assert revocations.is_empty
    # The connection serves on.
    assert (await client.ask(asked(access_token()))).status == 200


async def test_a_logout_token_is_no_access_token(gateway: Running, client: RawClient) -> None:
    for typ in ("logout+jwt", "JWT", None):
        token = logout_token(typ=typ, aud=["web", demo_issuer().audience], scope="read:orders", client_id="web")
        response = await client.ask(asked(token))
        assert (response.status, response.problem["reason"]) == (401, "logout_token")


async def test_a_body_is_no_larger_than_it_need_be(gateway: Running) -> None:
    for raw in (
        posted("logout_token=" + "x" * MAX_BODY),
        b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
        % PATH.encode()
        + b"8000\r\n"
        + b"x" * 0x8000
        + b"\r\n8001\r\n"
        + b"x" * 0x8001
        + b"\r\n",
    ):
        client = await gateway.client()
        response = await client.ask(raw)
        assert (response.status, response.problem["reason"]) == (413, "body_too_large")
    assert counted(gateway) == {"body_too_large": 2.0}


async def test_a_body_may_come_in_pieces(gateway: Running, client: RawClient) -> None:
    raw = logout(logout_token())
    await client.send(raw[:-300])
    await asyncio.sleep(0.02)
    await client.send(raw[-300:])
    assert (await client.response()).status == 200


async def test_keys_that_cannot_be_had_are_no_fault_of_the_token(start: Start) -> None:
    gateway = await start(issuer={"jwks_file": None, "jwks_url": "http://127.0.0.1:1/jwks"})
    response = await (await gateway.client()).ask(logout(logout_token()))
    assert (response.status, response.problem["reason"]) == (503, "issuer_unavailable")
    assert response.values(b"Retry-After")
    assert counted(gateway) == {"issuer_unavailable": 1.0}


class Broken:
    """Keeps a list that cannot be written to."""

    age = 0.0

    async def start(self, revocations: Revocations) -> None:
        pass

    async def close(self) -> None:
        pass

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        assert source == "logout"
        raise CannotRevoke("the store cannot be had")


def broken(**given: Any) -> Revocations:
    return Revocations(**{**given, "keeper": Broken()})


async def test_what_cannot_be_written_down_is_not_confirmed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.compose.Revocations", broken)
    gateway = await start()
    response = await (await gateway.client()).ask(logout(logout_token()))
    assert refused(response, "server_error")
    record = await gateway.ended()
    assert (record["reason"], record["evidence"]) == ("logout_failed", "the store cannot be had")
    assert counted(gateway) == {"logout_failed": 1.0}


async def test_routes_and_the_decision_api_have_nothing_to_do_with_it(start: Start) -> None:
    routes = (RouteSection(path="/orders"),)
    gateway = await start(routes=routes, unmatched="refuse", decisions="127.0.0.1:0", trusted_proxies=("127.0.0.0/8",))
    client = await gateway.client()
    assert (await client.ask(logout(logout_token()))).status == 200
    # Another spelling of the path, and one below it, are the API's.
    for path in (PATH.replace("issuer.test", "issuer%2etest"), PATH + "/", PATH + "/x"):
        client = await gateway.client()
        assert (await client.ask(logout(logout_token(), path=path))).status in {400, 404}
    # A proxy that only asks has no body to pass on.
    proxy = await gateway.client(gateway.gateway.decisions_address)
    lines: Sequence[str] = (
        "X-Forwarded-Method: POST",
        f"X-Forwarded-Uri: {PATH}",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: a",
    )
    raw = "\r\n".join(("GET /forward HTTP/1.1", "Host: a", *lines, "", "")).encode()
    assert (await proxy.ask(raw)).status == 404


class Senders:
    """Who sent bad ones, and whom nothing is done for."""

    def __init__(self) -> None:
        self.checked = self.bad = 0
        self.refuses = False

    def check(self, facts: Facts) -> None:
        self.checked += 1
        if self.refuses:
            raise RequestTimeout

    def count(self, facts: Facts) -> None:
        self.bad += 1


async def test_whoever_sends_what_is_no_token_of_the_issuer_is_counted_and_asked_about_before_it_costs_something() -> (
    None
):
    senders = Senders()
    revoked: list[Entry] = []
    # The key is new: it has to be waited for.
    issuers = MemoryIssuers(known=key_set(), published=key_set("rsa-2048-a"))

    async def revoke(entries: tuple[Entry, ...]) -> bool:
        revoked.extend(entries)
        return True

    heard = BackchannelLogouts(
        CONFIG,
        issuers=issuers,
        revoke=revoke,
        lacks_sessions=lambda _: False,
        observer=Unheard(),
        check_sender=senders.check,
        count_bad=senders.count,
        clock=lambda: NOW,
    )

    async def post(token: bytes) -> type[Refusal] | None:
        ending, exchange = Ending(), Posted(urlencode({"logout_token": token.decode()}).encode())
        ending.facts = facts(target=b"/out", method="POST", headers=(FORM,))
        try:
            await heard.handle(ending, exchange)  # type: ignore[arg-type]
        except Refusal as refusal:
            return type(refusal)
        return None

    good = sign(plain(), header={"typ": "JWT"})
    # Once more behind the wait: many may have come meanwhile.
    assert (await post(good), senders.checked, senders.bad) == (None, 2, 0)
    # Claims that do not fit cost nothing, and their sender is an issuer that has another client as well.
    assert (await post(sign({**plain(), "aud": "mobile"})), senders.checked, senders.bad) == (InvalidLogout, 2, 0)
    for bad in (b"a.b.c", good[:-8] + b"AAAAAAAA", sign(plain(), header={"typ": "JWT", "kid": "unknown"})):
        before = senders.bad
        assert await post(bad) is InvalidLogout
        assert senders.bad == before + 1
    assert senders.checked == 4
    senders.refuses = True
    assert await post(good) is RequestTimeout
    assert len(revoked) == 2


async def test_what_is_no_logout_token_counts_as_a_bad_token(start: Start) -> None:
    gateway = await start(bad_tokens=BadTokensSection(limit=2, window=Seconds(3600), direct=True))
    client = await gateway.client()
    forged = logout(logout_token()[:-4] + "AAAA")
    assert [(await client.ask(forged)).status for _ in range(2)] == [400, 400]
    limited = await client.ask(logout(logout_token()))
    assert (limited.status, limited.problem["reason"], limited.values(b"Retry-After")) == (
        *(429, "rate_limited"),
        [b"1800"],
    )
    assert (await client.ask(asked(access_token()))).status == 429
    assert counted(gateway) == {"invalid_logout": 2.0, "rate_limited": 1.0}
