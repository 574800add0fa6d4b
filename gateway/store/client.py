"""redis-py behind types of ours, and its exceptions renamed: the border. Imported only where `store.url` is given."""

import functools
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import redis.asyncio
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    MaxConnectionsError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from gateway.authorities import trusting
from gateway.core.store_address import StoreAddress
from gateway.store.connections import Credentials, connection_of
from gateway.store.down import StoreDown
from gateway.store.script import Script

#: connections of one process: what waits longer than its budget for a free one would have waited for Redis as well
CONNECTIONS: Final = 32

log = logging.getLogger("gateway.store")

_NO_ROOM: Final = "it is full, and its maxmemory-policy lets it forget nothing"
_NOT_ALLOWED: Final = "its ACL does not allow us what we need (docs/store.md)"
_CLUSTER: Final = "it is a Redis Cluster, which is not supported"


def connect(
    address: StoreAddress,
    *,
    ca_file: str | None,
    credentials: Credentials | None,
    sentinel_credentials: Credentials | None,
) -> "Client":
    """A client for the Redis at this address; opens no connection yet."""
    # Read once, where it is first needed: all authorities of a system take their time.
    trust = functools.cache(functools.partial(trusting, ca_file))
    kind, arguments = connection_of(
        address, credentials=credentials, sentinel_credentials=sentinel_credentials, trust=trust
    )
    return Client(kind, arguments, connections=CONNECTIONS)


class Client:
    """Sends commands, on connections that are kept. How long that may take is for whoever calls to say."""

    def __init__(self, kind: type[AbstractConnection], arguments: Mapping[str, Any], *, connections: int) -> None:
        self._kind = kind
        self._arguments = arguments
        self._pool = BlockingConnectionPool(
            max_connections=connections, timeout=None, connection_class=kind, **arguments
        )
        #: for aiocache, which asks for it
        self.redis = redis.asyncio.Redis(connection_pool=self._pool)

    def alone(self) -> "Client":
        """The same Redis, on one connection that nobody else has."""
        return Client(self._kind, self._arguments, connections=1)

    async def command(self, *parts: bytes | float | str) -> Any:
        """Its response as bytes, numbers, None and lists. StoreDown."""
        # By its name as text, redis-py would make other types of some responses.
        name, *rest = parts
        return await self.renamed(self._send, (name.encode() if isinstance(name, str) else name, *rest))

    async def script(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes | int | float]) -> Any:
        """What a script gives. StoreDown. It is never run twice: NOSCRIPT is said before anything is done."""
        try:
            return await self._send(("EVALSHA", script.sha, len(keys), *keys, *args))
        except NoScriptError:
            pass
        except Exception as error:  # noqa: BLE001 -- renamed
            raise renamed(error) from None
        return await self.renamed(self._send, ("EVAL", script.text, len(keys), *keys, *args))

    async def renamed(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        """What an operation of redis-py gives. StoreDown in place of all that it may raise."""
        try:
            return await operation(*arguments)
        except Exception as error:  # noqa: BLE001 -- renamed
            raise renamed(error) from None

    async def _send(self, parts: Sequence[bytes | int | float | str]) -> Any:
        return await self.redis.execute_command(*parts)  # type: ignore[no-untyped-call]

    async def forget(self) -> None:
        """Closes the connections that nobody uses: the next ones are made anew, with what is known then."""
        await self._pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Closes them all."""
        await self._pool.disconnect(inuse_connections=True)


def renamed(error: Exception) -> StoreDown:
    """What of redis-py, TLS or the network has happened, in a sentence that quotes nothing of what was said."""
    match error:
        case StoreDown():
            return error
        case AuthenticationError():
            return StoreDown("it does not accept our username and password")
        case NoPermissionError():
            return StoreDown(_NOT_ALLOWED, responded=True)
        case OutOfMemoryError():
            return StoreDown(_NO_ROOM, responded=True)
        case ReadOnlyError():
            return StoreDown("it is a replica, which takes no writes", responded=True)
        case BusyLoadingError():
            return StoreDown("it is still loading what it had")
        case MaxConnectionsError():
            return StoreDown("it takes no more connections")
        case ClusterError() | AskError():
            return StoreDown(_CLUSTER)
        case ResponseError():
            return _refused(str(error))
        case RedisError() | OSError() | EOFError():
            return StoreDown(_unreachable(error))
        case _:
            log.error("the store could not be asked: %s", type(error).__name__)
            return StoreDown(f"it cannot be asked ({type(error).__name__})")


def _refused(said: str) -> StoreDown:
    """An error that Redis has responded with: its first word is a code of its own, and all that is shown."""
    code = said.split(" ", 1)[0]
    if code in {"MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT"}:
        return StoreDown(_CLUSTER)
    if code == "NOAUTH" or "without any password" in said or "Client sent AUTH" in said:
        return StoreDown("it wants a password, or none where we have one")
    if "user executing the script" in said:
        return StoreDown(_NOT_ALLOWED, responded=True)
    if code == "MISCONF":
        return StoreDown("it cannot save to disk, and takes no writes", responded=True)
    shown = code if code.isupper() and code.isascii() and len(code) <= 20 else "an error"
    return StoreDown(f"it says {shown}", responded=True)


def _unreachable(error: BaseException) -> str:
    cause = error
    for _ in range(4):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        inner = cause.__cause__ or cause.__context__
        if inner is None:
            break
        cause = inner
    if str(error) in {"no Sentinel names a master", "not a master"}:
        return str(error)
    return "it cannot be reached"
