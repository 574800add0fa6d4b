"""Two gateways and a Redis with TLS and an ACL: all that happens to it admits nobody wrongly, and holds nobody up."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fleet import (
    PASSWORD,
    Secured,
    fleet,
    log_out,
    minted,
    put,
    secured,
    timed,
    until_store_is,
    until_true,
    watched,
)
from oidc.provider import OPAQUE_API, SERVICE_CLIENT, SERVICE_SECRET, SUBJECT, OidcProvider
from process import GatewayProcess
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.redis_server import SECRET
from tests.relay.upstream.test_dialing import Authority

NEW = "swordfish-swordfish"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def asked_about(folder: Path, provider: OidcProvider) -> dict[str, Any]:
    """The section of an issuer of opaque tokens."""
    (folder / "client").write_text(SERVICE_SECRET)
    return {
        "issuer": provider.issuer,
        "audience": OPAQUE_API,
        "name": "npm",
        "introspection": {"client_id": SERVICE_CLIENT, "client_secret": {"file": str(folder / "client")}},
    }


async def revoke(one: GatewayProcess, other: GatewayProcess, issuer: DemoIssuer, token: str) -> None:
    """Mallory logs out, and both know it."""
    assert await log_out(one, issuer, "mallory") == 200
    for gateway in (one, other):
        await until_true(lambda gateway=gateway: refuses(gateway, token))  # type: ignore[misc]


async def refuses(gateway: GatewayProcess, token: str) -> bool:
    return await timed(gateway, token) == (401, "token_revoked")


async def hears(one: GatewayProcess, other: GatewayProcess, issuer: DemoIssuer, subject: str) -> None:
    """What one is told now the other refuses within a second."""
    token = minted(issuer, subject)
    assert await timed(other, token) == (200, "")

    async def is_heard() -> bool:
        return await log_out(one, issuer, subject) == 200

    # Redis may have come back so late that writing was given up once more (400: the issuer tries again).
    await until_true(is_heard)
    began = time.monotonic()
    while await timed(other, token) != (401, "token_revoked"):
        # A busy machine takes its time too.
        assert time.monotonic() - began < 2.0


def refused_by_redis(redis: Secured) -> None:
    """Another password counts from now on, also for whoever is there."""
    redis.server.ask("ACL", "SETUSER", "gateway", "resetpass", f">{NEW}")
    redis.server.ask("CLIENT", "KILL", "USER", "gateway")


def failures(redis: Secured) -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """What happens to a Redis: what is told of it, how it comes, and how it goes."""
    server = redis.server
    return [
        ("it cannot be reached", server.kill, server.start),
        ("it does not respond within 250 ms", server.pause, server.go_on),
        (
            "it is a replica, which takes no writes",
            lambda: server.ask("REPLICAOF", "127.0.0.1", "1"),
            lambda: server.ask("REPLICAOF", "NO", "ONE"),
        ),
        (
            "it is full, and its maxmemory-policy lets it forget nothing",
            lambda: server.ask("CONFIG", "SET", "maxmemory", "1"),
            lambda: server.ask("CONFIG", "SET", "maxmemory", "0"),
        ),
    ]


async def test_whatever_becomes_of_redis_nobody_is_admitted_wrongly_or_held_up(
    provider: OidcProvider, issuer: DemoIssuer, api: EchoApi, tmp_path: Path, authority: Authority
) -> None:
    revoked, good = minted(issuer, "mallory"), minted(issuer, "alice-of-the-list")
    with secured(tmp_path / "redis", authority) as redis:
        async with fleet(tmp_path, issuer, api.url, redis, issuers=[asked_about(tmp_path, provider)]) as both:
            one, other = both
            await revoke(one, other, issuer, revoked)

            async def everything_holds() -> None:
                """At both: the revoked one is refused, a good one passes, and one that nobody saw before does too."""
                fresh = await provider.client_credentials(OPAQUE_API)
                for gateway in both:
                    assert await timed(gateway, revoked) == (401, "token_revoked")
                    assert await timed(gateway, good) == (200, "")
                    assert await timed(gateway, fresh) == (200, "")
                    assert await timed(gateway, fresh[::-1]) == (401, "token_inactive")

            await hears(one, other, issuer, "before")
            await everything_holds()
            for place, (reason, breaks, mends) in enumerate(failures(redis)):
                breaks()
                await everything_holds()
                for gateway in both:
                    await until_store_is(gateway, reason)
                await everything_holds()
                # Whoever cannot write it down does not say that it is done.
                assert await log_out(one, issuer, "eve") == 400
                mends()
                for gateway in both:
                    await until_store_is(gateway, None)
                await everything_holds()
                await hears(*(both if place % 2 else both[::-1]), issuer, f"after-{place}")
            everything = repr(redis.server.dump()).encode()
            assert everything.count(b":revocation:") >= 3
            assert b":introspection:" in everything
            assert b":rates:" in everything
            secrets = (revoked, good, issuer.url, provider.issuer, SERVICE_CLIENT, SECRET, SECRET[::-1], PASSWORD)
            for known in (*secrets, "mallory", "alice-of-the-list", "token_type", "Bearer", *one.secrets):
                assert known[:40].encode() not in everything


async def test_what_redis_forgets_or_throws_away_stays_revoked(
    issuer: DemoIssuer, api: EchoApi, tmp_path: Path, authority: Authority
) -> None:
    revoked, good = minted(issuer, "mallory"), minted(issuer, "alice")
    with secured(tmp_path / "redis", authority) as redis:
        async with fleet(tmp_path, issuer, api.url, redis) as both:
            one, other = both
            await revoke(one, other, issuer, revoked)

            async def is_back() -> bool:
                return any(b":revocation:" in key for key in redis.server.dump())

            def begins_anew() -> None:
                redis.server.kill()
                redis.server.start()

            for forgets in (lambda: redis.server.ask("FLUSHALL"), begins_anew):
                assert await is_back()
                forgets()
                for gateway in both:
                    assert await timed(gateway, revoked) == (401, "token_revoked")
                    assert await timed(gateway, good) == (200, "")
                await until_true(is_back)
            # Evicting: told as what it is, and what is thrown away is put back.
            redis.server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
            for gateway in both:
                await gateway.wait_for("maxmemory-policy")

                async def evicts(gateway: GatewayProcess = gateway) -> bool:
                    return "gateway_store_evicts 1.0" in (await gateway.admin("/metrics"))[1]

                await until_true(evicts)
            redis.server.ask("CONFIG", "SET", "maxmemory", "1")
            for gateway in both:
                assert await timed(gateway, revoked) == (401, "token_revoked")
                assert await timed(gateway, good) == (200, "")
            redis.server.ask("CONFIG", "SET", "maxmemory", "0")
            await until_true(is_back)
            await hears(one, other, issuer, "later")


async def test_passwords_and_secrets_are_rotated_without_a_restart(
    issuer: DemoIssuer, api: EchoApi, tmp_path: Path, authority: Authority
) -> None:
    revoked, good = minted(issuer, "mallory"), minted(issuer, "alice")
    with secured(tmp_path / "redis", authority) as redis:
        async with fleet(tmp_path, issuer, api.url, redis) as both:
            one, other = both
            await revoke(one, other, issuer, revoked)
            # One seals with the new secret already, and both know both: the second of the three steps.
            put(tmp_path / "other" / "first", SECRET[::-1])
            put(tmp_path / "other" / "second", SECRET)
            refused_by_redis(redis)
            for gateway in both:
                await until_store_is(gateway, "it does not accept our username and password")
                assert await timed(gateway, revoked) == (401, "token_revoked")
                assert await timed(gateway, good) == (200, "")
                assert NEW.encode() not in gateway.output
            for name in ("one", "other"):
                put(tmp_path / name / "password", NEW)
            for gateway in both:
                await until_store_is(gateway, None)
            await hears(other, one, issuer, "by-the-other")
            await hears(one, other, issuer, "by-the-one")
            for gateway in both:
                assert await timed(gateway, revoked) == (401, "token_revoked")
                assert b"cannot be opened" not in gateway.output


async def test_a_failover_forgets_no_revocation(
    issuer: DemoIssuer, api: EchoApi, tmp_path: Path, authority: Authority
) -> None:
    revoked, good = minted(issuer, "mallory"), minted(issuer, "alice")
    with (
        secured(tmp_path / "redis", authority) as redis,
        secured(tmp_path / "replica", authority, "--replicaof", "127.0.0.1", str(redis.tls)) as replica,
        watched(tmp_path, redis) as sentinel,
    ):

        async def linked() -> bool:
            return b"master_link_status:up" in replica.server.ask("INFO", "replication") and (
                f"port={replica.tls}".encode() in redis.server.ask("INFO", "replication")
            )

        await until_true(linked)
        url = f"rediss+sentinel://127.0.0.1:{sentinel}/mymaster"
        async with fleet(tmp_path, issuer, api.url, redis, url=url) as both:
            one, other = both
            await revoke(one, other, issuer, revoked)
            names = {key for key in redis.server.ask("KEYS", "*") if b":names:" in key}
            redis.server.kill()
            # For as long as nobody is master, and from then on.
            while replica.server.ask("ROLE")[0] != b"master":
                for gateway in both:
                    assert await timed(gateway, revoked) == (401, "token_revoked")
                    assert await timed(gateway, good) == (200, "")
            for gateway in both:
                await gateway.wait_for("the store was started anew, or is another one than before")
                await until_store_is(gateway, None)
                assert await timed(gateway, revoked) == (401, "token_revoked")
            await hears(other, one, issuer, "after")
            assert {key for key in replica.server.ask("KEYS", "*") if b":names:" in key} == names


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def opened(gateway: GatewayProcess, token: str) -> ClientConnection:
    gateway.secrets.append(token)
    address = gateway.url.replace("http", "ws", 1)
    client = await connect(address, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None)
    await client.send("a")
    assert await client.recv() == "a"
    return client


async def ended(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as told:
        await client.recv()
    assert told.value.rcvd is not None
    return told.value.rcvd.code, told.value.rcvd.reason


async def test_what_one_is_told_under_load_ends_what_is_open_at_both(
    provider: OidcProvider, issuer: DemoIssuer, tmp_path: Path, authority: Authority
) -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with secured(tmp_path / "redis", authority) as redis:
            async with fleet(tmp_path, issuer, url, redis, issuers=[asked_about(tmp_path, provider)]) as both:
                mallory, alice = minted(issuer, "mallory"), minted(issuer, "alice")
                opaque = (await provider.login(nonce=None, resource=OPAQUE_API)).access_token
                closing = [await opened(gateway, mallory) for gateway in both for _ in range(3)]
                open_ones = [await opened(gateway, token) for gateway in both for token in (alice, opaque)]

                async def busy(gateway: GatewayProcess) -> None:
                    headers = {"Authorization": f"Bearer {alice}"}
                    async with aiohttp.ClientSession(headers=headers) as session:
                        while True:
                            # What speaks WebSocket alone says so.
                            async with session.get(gateway.url) as response:
                                assert response.status == 426

                working = [asyncio.create_task(busy(gateway)) for gateway in both for _ in range(2)]
                await asyncio.sleep(0.2)
                began = time.monotonic()
                assert await log_out(both[0], issuer, "mallory") == 200
                for told in await asyncio.gather(*map(ended, closing)):
                    assert told == (1008, "token_revoked")
                # A second, and what a busy machine takes.
                assert time.monotonic() - began < 2.5
                for client in open_ones:
                    await client.send("still here")
                    assert await client.recv() == "still here"
                assert not any(task.done() for task in working)
                for task in working:
                    task.cancel()
                await asyncio.gather(*working, return_exceptions=True)
                for client in open_ones:
                    await client.close()
                everything = repr(redis.server.dump())
                assert not any(known in everything for known in (SUBJECT, "mallory", opaque, mallory[:30]))
