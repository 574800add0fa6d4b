"""Two gateways as people run them: one Redis behind TLS with a user of its ACL, an issuer that tells of logouts.

with secured(folder, authority) as redis:
    async with fleet(folder, issuer, api.url, redis) as (one, other): ...
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from process import GatewayProcess, serving

from gateway.core.token.logout import EVENT
from gateway.demo.issuer import DemoIssuer
from tests.redis_server import SECRET, RedisServer, free_port, redis_server
from tests.relay.upstream.test_dialing import Authority
from tests.store.test_connections import ACL

PASSWORD: Final = "hunter2-hunter2"
CLIENT: Final = "web"
#: seconds that all store work of a request may take, as the gateways are configured
TIMEOUT: Final = 0.25
#: and what a request takes besides on a busy machine
SLACK: Final = 2.0
_PATIENCE: Final = 20.0


async def until_true(condition: Callable[[], Awaitable[bool]], seconds: float = _PATIENCE) -> None:
    """Waits for what has no event of its own."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.02)


def put(path: Path, text: str) -> None:
    """As a mounted secret changes: at once."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)


@dataclass
class Secured:
    """A Redis that gateways reach by TLS, as one user; `server` has a plain port for whoever looks at it."""

    server: RedisServer
    tls: int
    authority: Authority


def tls_options(authority: Authority, *, label: str) -> dict[str, str]:
    """What Redis and Sentinel are told alike."""
    certificate, key = authority.issue("127.0.0.1", label=label)
    return {
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(authority.file),
        "tls-auth-clients": "no",
        "tls-replication": "yes",
    }


@contextmanager
def secured(folder: Path, authority: Authority, *options: str) -> Iterator[Secured]:
    """A running one. `options`: as of redis-server."""
    folder.mkdir(exist_ok=True)
    tls = free_port()
    told = [word for name, value in tls_options(authority, label=folder.name).items() for word in (f"--{name}", value)]
    user = ["--user", "gateway", "on", f">{PASSWORD}", *ACL]
    with redis_server(folder, "--tls-port", str(tls), *told, *user, *options) as server:
        yield Secured(server, tls, authority)


@contextmanager
def watched(folder: Path, master: Secured) -> Iterator[int]:
    """The port of a Sentinel that speaks TLS alone, and watches it."""
    port = free_port()
    path = folder / "sentinel.conf"
    told = tls_options(master.authority, label="sentinel").items()
    path.write_text(
        f"port 0\ntls-port {port}\nbind 127.0.0.1\n"
        + "".join(f"{name} {value}\n" for name, value in told)
        + f"sentinel monitor mymaster 127.0.0.1 {master.tls} 1\n"
        "sentinel down-after-milliseconds mymaster 300\nsentinel failover-timeout mymaster 1000\n"
    )
    with redis_server(folder, str(path), port=port, name="redis-sentinel"):
        yield port


def configured(
    folder: Path, issuer: DemoIssuer, api: str, url: str, authority: Authority, *, more: Mapping[str, Any]
) -> str:
    """The path of a configuration whose secrets are files `password`, `first` and `second` of the folder."""
    folder.mkdir()
    for name, text in (("password", PASSWORD), ("first", SECRET), ("second", SECRET[::-1])):
        put(folder / name, text)
    path = folder / "gateway.yaml"
    settings: dict[str, Any] = {
        "upstream": api,
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "limits": {"drain_delay": 0, "drain": 1},
        "revocation": {},
        "rates": [{"name": "all", "per": "subject", "limit": 10_000, "window": "24h"}],
        "issuers": [
            {
                "issuer": issuer.url,
                "audience": issuer.audience,
                "name": "login",
                "backchannel_logout": {"client_ids": [CLIENT]},
            }
        ],
        "store": {
            "url": url,
            "username": "gateway",
            "password": {"file": str(folder / "password")},
            "ca_file": str(authority.file),
            "secrets": [{"file": str(folder / name)} for name in ("first", "second")],
            "timeout": TIMEOUT,
        },
    }
    for name, value in more.items():
        settings[name] = [*settings[name], *value] if name == "issuers" else value
    path.write_text(json.dumps(settings))
    return str(path)


@asynccontextmanager
async def fleet(
    folder: Path, issuer: DemoIssuer, api: str, redis: Secured, *, url: str | None = None, **more: Any
) -> AsyncIterator[tuple[GatewayProcess, GatewayProcess]]:
    """Two gateways that are ready, in folders `one` and `other`. `more`: further keys, and further issuers."""
    found = url or f"rediss://127.0.0.1:{redis.tls}/0"
    configs = [configured(folder / name, issuer, api, found, redis.authority, more=more) for name in ("one", "other")]
    async with serving(config=configs[0]) as one, serving(config=configs[1]) as other:
        for gateway in (one, other):
            await gateway.ready()
            await until_store_is(gateway, None)
        yield one, other
    assert b"Traceback" not in one.output + other.output


async def store_reason(gateway: GatewayProcess) -> str | None:
    """What /readyz says of the store."""
    reason: str | None = json.loads((await gateway.admin("/readyz"))[1]).get("store")
    return reason


async def until_store_is(gateway: GatewayProcess, reason: str | None) -> None:
    """Waits until /readyz says so of the store, and the metric with it."""

    async def said() -> bool:
        return await store_reason(gateway) == reason

    await until_true(said)

    async def counted() -> bool:
        # The page is rendered once a second.
        return f"gateway_store_up {1.0 if reason is None else 0.0}" in (await gateway.admin("/metrics"))[1]

    await until_true(counted)


def minted(issuer: DemoIssuer, subject: str, **claims: Any) -> str:
    """An access token of a moment ago."""
    now = int(time.time()) - 2
    return issuer.access_token(alg="ES256", sub=subject, iat=now, exp=now + 600, **claims)


async def log_out(gateway: GatewayProcess, issuer: DemoIssuer, subject: str) -> int:
    """The issuer tells this gateway that a subject has logged out; the status."""
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 60, "events": {EVENT: {}}}
    token = issuer.mint(claims, alg="ES256", header={"typ": "logout+jwt"})
    url = f"{gateway.url}/.gateway/backchannel-logout/login"
    async with aiohttp.ClientSession() as session, session.post(url, data={"logout_token": token}) as response:
        return response.status


async def timed(gateway: GatewayProcess, token: str) -> tuple[int, str]:
    """Status and reason of a request, which is no later than the store may make it."""
    began = time.monotonic()
    status, body, _ = await gateway.ask(token)
    assert time.monotonic() - began < TIMEOUT + SLACK
    return status, str(body.get("reason", ""))
