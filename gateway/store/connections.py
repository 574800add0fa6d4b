"""How redis-py reaches Redis for us: TLS, sockets, and Sentinels that say where it is. Imported where there is a store.

Its own way with Sentinels asks one after the other, and waits for one that has stopped: here all are asked at once.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from gateway.core.store_address import StoreAddress

#: name and password of now; without a name one of the two
Credentials = Callable[[], tuple[str, ...]]
#: the authorities of now
Trust = Callable[[], ssl.SSLContext]

#: seconds in which a Sentinel must say something: others are asked at the same time
_SENTINEL_PATIENCE: Final = 1.0


class _Shown(CredentialProvider):
    """Asked whenever a connection is made: a password that was replaced counts from then on."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        return self._credentials()  # type: ignore[return-value]

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


class _Trusting(SSLConnection):
    """With a context that was made once, not anew for each connection: reading all authorities takes its time."""

    def __init__(self, *, trust: Trust, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._trust = trust

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {"host": self.host, "port": self.port, "ssl": self._trust()}


class _Located(Connection):
    """To whichever Redis the Sentinels name when it connects."""

    def __init__(self, *, locate: "Sentinels", **arguments: Any) -> None:
        super().__init__(**arguments)
        self._locate = locate

    async def _connect(self) -> None:
        self.host, self.port = await self._locate.find_master()
        await super()._connect()  # type: ignore[no-untyped-call]

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 -- as theirs
        """Greets it, and asks what it is: Sentinels may be behind the times (their guide for clients, step 3)."""
        await super().on_connect_check_health(check_health=check_health)
        await self.send_command("ROLE", check_health=False)
        role = await self.read_response()
        if role[0] != b"master":
            raise RedisConnectionError("not a master")


class _LocatedTrusting(_Located, _Trusting):
    """The same with TLS."""


def _common(credentials: Credentials | None, database: int) -> dict[str, Any]:
    """What holds for every connection: nothing is tried twice, nothing told of us, no time measured beside ours."""
    return {
        "db": database,
        "credential_provider": None if credentials is None else _Shown(credentials),
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def connection_of(
    address: StoreAddress,
    *,
    credentials: Credentials | None,
    sentinel_credentials: Credentials | None,
    trust: Trust,
) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """The class of connection and its arguments, for a pool of redis-py."""
    arguments = _common(credentials, address.database)
    if address.path is not None:
        return UnixDomainSocketConnection, {**arguments, "path": address.path}
    if address.tls:
        arguments["trust"] = trust
    if address.service is not None:
        arguments["locate"] = Sentinels(address, credentials=sentinel_credentials, trust=trust)
        return (_LocatedTrusting if address.tls else _Located), arguments
    ((host, port),) = address.hosts
    return (_Trusting if address.tls else Connection), {**arguments, "host": host, "port": port}


class Sentinels:
    """Those who know which Redis is the master now. Each is asked on a connection of its own: it is seldom done."""

    def __init__(self, address: StoreAddress, *, credentials: Credentials | None, trust: Trust) -> None:
        self._address = address
        self._credentials = credentials
        self._trust = trust

    async def find_master(self) -> tuple[str, int]:
        """Where most of those say it is who say anything. RedisConnectionError: nobody does."""
        asking = [asyncio.create_task(self._ask(host, port)) for host, port in self._address.hosts]
        named: Counter[tuple[str, int]] = Counter()
        try:
            for next_one in asyncio.as_completed(asking, timeout=_SENTINEL_PATIENCE):
                if (where := await next_one) is not None:
                    named[where] += 1
                    if named[where] * 2 > len(asking):
                        break
        except TimeoutError:
            pass
        finally:
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if not named:
            raise RedisConnectionError("no Sentinel names a master")
        return named.most_common(1)[0][0]

    async def _ask(self, host: str, port: int) -> tuple[str, int] | None:
        arguments = _common(self._credentials, 0)
        kind: type[Connection] = Connection
        if self._address.tls:
            kind, arguments["trust"] = _Trusting, self._trust
        connection = kind(host=host, port=port, **arguments)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service or "")
            found = await connection.read_response()
            return None if found is None else (found[0].decode(), int(found[1]))
        except (RedisError, OSError, ValueError):
            return None
        finally:
            await connection.disconnect(nowait=True)
