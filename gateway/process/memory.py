"""What the process takes of the machine: memory that it keeps, the collector of cycles, file descriptors."""

import contextlib
import ctypes
import gc
import logging
import resource
from typing import Final

from gateway.core.config.file import Config, upstreams_of
from gateway.decisions.calls import MAX_CONNECTIONS
from gateway.process.listening import ADMIN_CONNECTIONS, DECISION_CONNECTIONS
from gateway.tls_memory import MAPPED_FROM, map_from

#: descriptors for everything that is neither a client's nor the upstream's connection
RESERVED_DESCRIPTORS: Final = 64
#: objects more than were freed again, before the collector of cycles looks at the young ones; Python's own is 700
COLLECTED_AFTER: Final = 20_000
#: such looks before one at those that were young then: what has grown meanwhile is looked at in some 20 ms; Python's
#: own is 10
COLLECTED_TWICE_AFTER: Final = 2

#: bytes of freed memory that the process keeps for what comes next
KEPT_FREE: Final = 16 * 1024 * 1024
#: malloc.h
_M_TRIM_THRESHOLD = -1

log = logging.getLogger("gateway")


def room_for_connections(config: Config) -> int:
    """How many client connections may be open: as configured, or what the process's descriptors leave."""
    wanted, needed = config.limits.connections, _needed(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    left = max(1, soft - (needed - wanted))
    log.warning("limits.connections is %d, but %d file descriptors leave room for %d", wanted, soft, left)
    return left


def _needed(config: Config) -> int:
    """Descriptors for all that is configured."""
    needed = config.limits.connections + sum(upstream.max_connections for upstream in upstreams_of(config).values())
    needed += ADMIN_CONNECTIONS + RESERVED_DESCRIPTORS
    needed += DECISION_CONNECTIONS if config.decisions is not None else 0
    return needed + (MAX_CONNECTIONS if config.decisions_grpc is not None else 0)


def lacks_room(config: Config) -> bool:
    """Whether more client connections are configured than the descriptors of this process can become."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return most != resource.RLIM_INFINITY and most < _needed(config)


def let_go() -> None:
    """What was let go is freed, although it was spared at some start: in one collection, some tens of milliseconds."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def settle_memory() -> None:
    """Spares the collector of cycles what lives as long as the process, and has it look at the rest less often.

    Requests leave next to no cycles, but many short-lived objects: at Python's own threshold it ran every few requests.
    And keeps some of the memory that was freed (docs/decisions.md, 27).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER, COLLECTED_TWICE_AFTER)
    # glibc only, mallopt(3). Else it gives pieces of large bodies back and gets them anew, page fault by page fault.
    with contextlib.suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, KEPT_FREE)
        map_from(MAPPED_FROM)
        # What reading the configuration took is wanted by nobody for long: a megabyte between what stays.
        library.malloc_trim(0)
