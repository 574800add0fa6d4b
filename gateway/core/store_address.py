"""Where the store is: the URL of a Redis, of one behind Sentinels, or of a socket. Parses, and resolves nothing.

The client of Redis reads URLs more freely, and takes passwords and options out of them: this file is public.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from gateway.core.addresses import parse_host, parse_unix_path

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
#: Redis is compiled with 16 and may be configured for more, rarely for many.
MAX_DATABASE: Final = 65_535
MAX_SENTINELS: Final = 32

_FORMS: Final = "must begin with redis://, rediss://, unix:/ or redis+sentinel://"
_CLUSTER: Final = "must not name a Redis Cluster, which is not supported: what is kept is small, and one Redis holds it"
_DATABASE: Final = re.compile(r"[0-9]{1,5}")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_SERVICE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a Redis is, or who knows where it is."""

    #: host (IPv6 without brackets) and port; of Sentinels several; empty for a socket
    hosts: tuple[tuple[str, int], ...]
    database: int
    tls: bool = False
    #: absolute path of a unix socket, or None
    path: str | None = None
    #: what the Sentinels call the Redis that is meant; None: `hosts` is it
    service: str | None = None


def parse_store(text: str) -> StoreAddress:
    """`redis[s]://host[:port][/database]`, `unix:/path[?db=N]`, `redis[s]+sentinel://host[:port],.../service[/database]`.

    ValueError carries a sentence that fits behind the key, and never quotes what stands before an @.
    """
    if text.startswith("unix:"):
        return _parse_socket(text.removeprefix("unix:"))
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError(_FORMS)
    if "cluster" in scheme:
        raise ValueError(_CLUSTER)
    if scheme not in {"redis", "rediss", "redis+sentinel", "rediss+sentinel"}:
        raise ValueError(_FORMS)
    if "@" in rest:
        raise ValueError("must not have a user or a password in it: username and password say where they are")
    if "?" in rest or "#" in rest:
        raise ValueError("must end behind its path: everything else has a key of its own")
    authority, _, path = rest.partition("/")
    tls = scheme.startswith("rediss")
    if scheme.endswith("sentinel"):
        return _parse_sentinels(authority, path, tls=tls)
    if "," in authority:
        raise ValueError(f"must name one host; several are those of Sentinels: {scheme}+sentinel://h1,h2/service")
    return StoreAddress((_parse_host_port(authority, REDIS_PORT),), _parse_database(path), tls)


def _parse_socket(rest: str) -> StoreAddress:
    path, mark, query = rest.partition("?")
    if mark and not query.startswith("db="):
        raise ValueError("must have nothing but db=NUMBER behind the ? of a socket path")
    # unix:///path is what the client of Redis writes.
    path = path[2:] if path.startswith("///") else path
    return StoreAddress((), _parse_database(query.removeprefix("db=")), path=parse_unix_path(unquote(path)))


def _parse_sentinels(authority: str, path: str, *, tls: bool) -> StoreAddress:
    hosts = tuple(_parse_host_port(one, SENTINEL_PORT) for one in authority.split(","))
    if len(hosts) > MAX_SENTINELS:
        raise ValueError(f"must not name more than {MAX_SENTINELS} Sentinels")
    service, _, database = path.partition("/")
    if _SERVICE.fullmatch(service) is None:
        raise ValueError("must have the name that the Sentinels know it by: redis+sentinel://h1,h2/mymaster")
    return StoreAddress(hosts, _parse_database(database), tls, service=service)


def _parse_host_port(text: str, default: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        host, port = text, str(default)
    if not host:
        raise ValueError("must have a host")
    if _PORT.fullmatch(port) is None or not 1 <= int(port) <= 65_535:
        raise ValueError("must have a port from 1 to 65535")
    return parse_host(host), int(port)


def _parse_database(text: str) -> int:
    if not text:
        return 0
    if _DATABASE.fullmatch(text) is None or int(text) > MAX_DATABASE:
        raise ValueError("must end with the number of a database, such as /0")
    return int(text)
