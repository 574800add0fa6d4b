"""Another configuration in the place of the one that serves, in a gateway of this process, on real sockets."""

import asyncio
import gc
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.assembly import Assembly
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.rates import Rate
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreFailure, StoreSection
from gateway.core.config.upstreams import UpstreamCredential, UpstreamSection, UpstreamTls
from gateway.core.errors import ProofReplayed
from gateway.core.proof.dpop import Proof
from gateway.core.revocation.entry import Entry
from gateway.process import decided, replacing
from gateway.process.replacing import Wanted
from gateway.relay.frames import close_frame
from gateway.store.replays import ProcessReplays
from tests.relay.test_stream_ends import token_of
from tests.relay.test_tunnel import echo, handshake, handshake_with
from tests.wire import OK, Conversation, RawClient, RawUpstream, Running, Start, demo_issuer, get, until

ONE = (RouteSection(path="/one"),)
OTHER = (RouteSection(path="/other"),)


def without(running: Running, **settings: Any) -> Config:
    return replace(running.gateway.assembly.config, **settings)


async def reload(running: Running, secrets: dict[Secret, str] | None = None, **settings: Any) -> list[str]:
    wanted = Wanted(without(running, **settings), secrets or {}, {})
    return list(await running.gateway.replace(wanted))


async def status(running: Running, target: str) -> int:
    return (await (await running.client()).ask(get(target))).status


async def test_requests_go_by_the_new_one_from_then_on_on_connections_of_before_too(start: Start) -> None:
    running = await start(routes=ONE, unmatched="refuse")
    client = await running.client()
    assert (await client.ask(get("/one"))).status == 200
    assert (await client.ask(get("/other"))).status == 404
    connection = running.places
    assert await reload(running, routes=OTHER) == []
    assert (await client.ask(get("/one"))).status == 404
    assert (await client.ask(get("/other"))).status == 200
    # The API did not change, and neither did the connection to it.
    assert running.places == connection
    assert len(running.upstream.conversations) == 1


async def test_tokens_that_were_verified_are_known_unless_something_that_they_rest_on_changed(start: Start) -> None:
    running = await start(routes=ONE)
    assert await status(running, "/one") == 200
    known = running.gateway.assembly.gate.verifier._verified
    assert len(known) == 1
    await reload(running, routes=(RouteSection(path="/one", scopes=("none",)),))
    assert running.gateway.assembly.gate.verifier._verified is known
    assert await status(running, "/one") == 403
    await reload(running, identity_headers={"X-Who": "sub"}, routes=ONE)
    assert running.gateway.assembly.gate.verifier._verified is not known
    assert await status(running, "/one") == 200


async def test_a_request_ends_by_the_configuration_that_it_began_with(start: Start) -> None:
    running = await start(routes=ONE, unmatched="refuse")
    client = await running.client()
    released = asyncio.Event()

    async def slowly(upstream: Conversation) -> None:
        await upstream.request()
        await released.wait()
        await upstream.say(OK)

    running.upstream.behaviour = slowly
    await client.send(get("/one"))
    await until(lambda: running.upstream.requests)
    former = weakref.ref(running.gateway.assembly)
    assert await reload(running, routes=OTHER, upstream="http://127.0.0.1:9") == []
    assert former() is not None
    released.set()
    assert (await client.response()).status == 200
    await until(lambda: former() is None)
    assert (await client.ask(get("/one"))).status == 404


async def test_what_was_counted_stays_so(start: Start) -> None:
    rate = Rate(name="all", per="route", limit=2, window=Seconds(3600))
    running = await start(rates=(rate,))
    assert await status(running, "/") == 200
    await reload(running, realm="other")
    assert await status(running, "/") == 200
    assert await status(running, "/") == 429
    await reload(running, rates=())
    assert await status(running, "/") == 200


async def test_what_was_revoked_stays_so_and_ends_what_is_open(start: Start) -> None:
    running = await start(revocation=Revocation())
    revocations = running.gateway.assembly.revocations
    assert revocations is not None
    await reload(running, realm="other", revocation=Revocation(keep=Seconds(30 * 3600)))
    assert running.gateway.assembly.revocations is revocations
    alice = await opened(running, handshake_with(token_of("alice")))
    await reload(running, realm="another")
    entry = Entry("subject", "https://issuer.test", "alice", until=time.time() + 3600, at=time.time())
    await revocations.add(entry, source="command")
    assert await alice.rest() == close_frame(1008, "token_revoked")
    client = await running.client()
    assert (await client.ask(handshake_with(token_of("alice")))).status == 401


async def test_what_was_revoked_stays_so_behind_another_way_to_the_store(start: Start) -> None:
    local = StoreFailure(revocation="local", rates="local", replay="local")
    store = StoreSection(url="redis://127.0.0.1:1/0", on_failure=local)
    running = await start(revocation=Revocation(), store=store)
    revocations = running.gateway.assembly.revocations
    assert revocations is not None

    async def asked(subject: str) -> int:
        return (await (await running.client()).ask(handshake_with(token_of(subject)))).status

    entry = Entry("subject", "https://issuer.test", "alice", until=time.time() + 3600, at=time.time())
    revocations.take([entry], source="")
    assert (await asked("alice"), await asked("bob")) == (401, 200)
    assert await reload(running, store=replace(store, timeout=Seconds(0.3))) == []
    assert running.gateway.assembly.revocations is not revocations
    assert (await asked("alice"), await asked("bob")) == (401, 200)


async def test_one_that_would_not_be_ready_is_refused_and_changes_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "FIRST", 0.2)
    running = await start()
    serving = running.gateway.assembly
    nobody = Issuer(issuer="http://127.0.0.1:9", audience="a", allow_http=True, name="nobody")
    (problem,) = await reload(running, issuers=(nobody,))
    assert problem.startswith("the gateway would not be ready any more: nobody: ")
    assert running.gateway.assembly is serving
    assert await status(running, "/") == 200
    assert not [task for task in asyncio.all_tasks() if "nobody" in task.get_name()]
    # Beside one that has keys it is no reason.
    assert await reload(running, issuers=(*serving.config.issuers, nobody)) == []
    assert await status(running, "/") == 200
    (problem,) = await reload(running, readiness="all")
    assert "nobody" in problem


async def test_keys_serve_on_where_they_come_from_the_same_place(start: Start) -> None:
    running = await start()
    assert await status(running, "/") == 200
    (issuer,) = running.gateway.assembly.config.issuers
    keys = running.gateway.assembly.issuers._keys
    await reload(running, realm="other")
    assert running.gateway.assembly.issuers._keys is keys
    # Something else of it changed: another object, with the keys of before.
    await asyncio.to_thread(Path(issuer.jwks_file or "").write_text, "no keys")
    await reload(running, issuers=(replace(issuer, leeway=Seconds(1)),))
    assert running.gateway.assembly.issuers._keys is not keys
    assert await status(running, "/") == 200


async def test_a_file_that_was_spoilt_meanwhile_changes_nothing(start: Start) -> None:
    running = await start()
    serving = running.gateway.assembly
    tls = {"a": UpstreamSection(url="https://a.test", tls=UpstreamTls(ca_file="/nonexistent"))}
    (problem,) = await reload(running, upstreams=tls)
    assert problem.startswith("upstreams.a.tls.ca_file")
    assert running.gateway.assembly is serving


async def test_more_connections_than_descriptors_need_a_restart(start: Start) -> None:
    running = await start()
    (problem,) = await reload(
        running, limits=replace(running.gateway.assembly.config.limits, connections=1_000_000_000)
    )
    assert problem.startswith("limits.connections: needs more file descriptors")


async def test_limits_and_trust_count_on_connections_of_before(start: Start) -> None:
    running = await start()
    client = await running.client()
    await client.ask(get("/", "X-Forwarded-For: 192.0.2.7"))
    connection = await running.only_connection()
    before = connection.wire.peer.trusted
    await reload(running, trusted_proxies=("127.0.0.0/8",), limits=replace(Limits(), body_bytes=3, connections=1))
    assert (before, connection.wire.peer.trusted) == (False, True)
    assert (await client.ask(get("/", "Content-Length: 4", method="POST") + b"1234")).status == 413
    # The one that is idle gives way.
    await running.client()
    await until(lambda: len(running.server.open) == 1)


async def test_the_log_goes_by_the_new_one(start: Start) -> None:
    running = await start()
    await reload(running, log=Log(level="error", access="none"))
    assert await status(running, "/") == 200
    assert running.stdout.getvalue() == ""
    await reload(running, log=Log(level="debug", access="all"))
    assert await status(running, "/") == 200
    await running.ended(1)


async def test_secrets_that_changed_are_shown_at_once(start: Start) -> None:
    secret = Secret(env="TOKEN")
    own = {"a": UpstreamSection(url="http://127.0.0.1:9", authorization=UpstreamCredential(bearer=secret))}
    running = await start(authorization=UpstreamCredential(bearer=secret), secrets={secret: "old"})
    assert await status(running, "/") == 200
    assert b"Bearer old" in running.upstream.last.head
    assert await reload(running, {secret: "new"}) == []
    assert await status(running, "/") == 200
    assert b"Bearer new" in running.upstream.last.head
    assert (
        await reload(running, {secret: "newer"}, upstreams={**running.gateway.assembly.config.upstreams, **own}) == []
    )
    assert await status(running, "/") == 200
    assert b"Bearer newer" in running.upstream.last.head


async def opened(running: Running, request: bytes) -> RawClient:
    running.upstream.behaviour = echo
    client = await running.client()
    await client.send(request)
    assert (await client.head()).status == 101
    return client


async def test_tunnels_go_on_and_end_where_they_would_not_be_opened_now(start: Start) -> None:
    running = await start(routes=(RouteSection(path="/one"), RouteSection(path="/two")), unmatched="refuse")
    one, two = await opened(running, handshake(target="/one")), await opened(running, handshake(target="/two"))
    assert await reload(running, routes=(RouteSection(path="/one", name="renamed"),)) == []
    assert await two.rest() == close_frame(1008, "no_longer_admitted")
    await one.send(b"\x81\x80....")
    assert await one.reader.readexactly(6) == b"\x81\x80...."
    assert len(running.server.open) == 1
    record = await running.ended(1)
    assert (record["reason"], record["status"], record["path"]) == ("no_longer_admitted", 101, "/two")


async def test_a_tunnel_of_an_unbound_token_ends_where_its_issuer_demands_bound_ones(start: Start) -> None:
    running = await start(routes=ONE)
    one = await opened(running, handshake(target="/one"))
    issuers = tuple(replace(issuer, binding="mtls") for issuer in running.gateway.assembly.config.issuers)
    assert await reload(running, issuers=issuers) == []
    async with asyncio.timeout(5.0):
        assert await one.rest() == close_frame(1008, "no_longer_admitted")


def for_audience(aud: str | list[str]) -> str:
    return demo_issuer().access_token(alg="ES256", aud=aud, exp=time.time() + 3600)


async def test_a_tunnel_ends_where_its_token_is_for_nobody_who_counts_any_more(start: Start) -> None:
    running = await start()
    (issuer,) = running.gateway.assembly.config.issuers
    assert isinstance(issuer.audience, str)
    both = (replace(issuer, audience=(issuer.audience, "other")),)
    await reload(running, issuers=both)
    named = ("other", [issuer.audience, "other"], issuer.audience)
    ends, *others = [await opened(running, handshake_with(for_audience(aud))) for aud in named]
    await reload(running, issuers=(issuer,))
    async with asyncio.timeout(5.0):
        assert await ends.rest() == close_frame(1008, "no_longer_admitted")
    for one in others:
        await one.send(b"\x81\x80....")
        assert await one.reader.readexactly(6) == b"\x81\x80...."


async def test_a_proof_that_was_used_stays_so_while_none_are_accepted(start: Start) -> None:
    running = await start(dpop=DPoPSection())
    memory = running.gateway.assembly.replays
    assert isinstance(memory, ProcessReplays)
    once = Proof(thumbprint="a" * 43, jti="once", issued_at=time.time(), until=time.time() + 60)
    await memory.use(once)
    await reload(running, dpop=None)
    without_proofs = running.gateway.assembly
    without_proofs.look(0.0)
    await reload(running, dpop=DPoPSection())
    assert (without_proofs.replays, running.gateway.assembly.replays) == (None, memory)
    with pytest.raises(ProofReplayed):
        await memory.use(once)


async def test_at_most_two_live_whatever_is_open(start: Start) -> None:
    running = await start(routes=ONE)
    await asyncio.gather(*(opened(running, handshake(target="/one")) for _ in range(20)))
    lives: list[weakref.ref[Assembly]] = []
    for number in range(12):
        lives.append(weakref.ref(running.gateway.assembly))
        assert await reload(running, routes=(*ONE, RouteSection(path=f"/{number % 2}"))) == []
        gc.collect()
        assert sum(ref() is not None for ref in lives) <= 1
    assert len(running.server.open) == 20


def test_a_worker_has_said_whether_it_could_before_it_is_taken_for_silent() -> None:
    # Both are waited for where a request of before is under way, and an issuer that does not respond is new.
    assert replacing.PATIENCE + replacing.FIRST + 2.0 <= decided.WITHIN


async def test_issuers_that_are_asked_may_come_and_go(start: Start) -> None:
    running = await start()
    (issuer,) = running.gateway.assembly.config.issuers
    asked = replace(
        issuer, introspection=Introspection(endpoint="http://127.0.0.1:9", client_id="a", client_secret=Secret(env="A"))
    )
    assert await reload(running, {Secret(env="A"): "x"}, issuers=(asked,)) == []
    asks = running.gateway.assembly.introspections
    assert await status(running, "/") == 200
    assert await reload(running, issuers=(issuer,)) == []
    assert asks is not running.gateway.assembly.introspections is None
    assert await status(running, "/") == 200


async def test_another_upstream_gets_the_next_request_and_idle_connections_to_the_old_one_end(start: Start) -> None:
    running = await start()
    other = RawUpstream()
    await other.start()
    try:
        assert await status(running, "/") == 200
        assert await reload(running, upstream=other.url) == []
        assert await status(running, "/") == 200
        assert len(other.conversations) == 1
        await running.upstream.conversations[0].ended.wait()
    finally:
        await other.stop()


_FIRST = """
import sys
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.process.replacing import import_for

def wants(**asked):
    import_for(Config(issuers=(Issuer(issuer="https://a", audience="b", jwks_file="c", **asked),)))
    return "aiohttp" in sys.modules

print(wants(), wants(introspection=Introspection(client_id="a")))
"""


def test_what_a_configuration_is_the_first_to_need_is_imported_before_it_is_built() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FIRST], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False True\n"
