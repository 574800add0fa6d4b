"""What is wrong or odd in `store`, and with what needs one."""

from collections.abc import Iterator
from typing import Final

from gateway.core.addresses import is_loopback
from gateway.core.config.file import Config
from gateway.core.config.store import StoreSection
from gateway.core.config.words import REQUIRED, ConfigProblem
from gateway.core.store_address import StoreAddress, parse_store

MIN_TIMEOUT: Final = 0.01
MAX_TIMEOUT: Final = 5.0
#: More are none of a rotation.
MAX_SECRETS: Final = 8


def store_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    store = config.store
    for key, sentence in (*_reach_problems(store), *_bound_problems(store)):
        yield ConfigProblem(f"store.{key}", sentence)


def store_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    store = config.store
    if store.url is None:
        if store != StoreSection():
            yield ConfigProblem("store.url", "is not given: the other keys of store have no effect")
        return
    address = _address(store)
    if address is not None and not _is_private(address) and store.password is not None:
        yield ConfigProblem("store.url", "is not rediss: the password crosses the network as it is")
    for key in ("replay", "revocation"):
        if getattr(store.on_failure, key) == "local":
            yield ConfigProblem(
                f"store.on_failure.{key}",
                "is unsafe: while the store cannot be had, replicas do not hear of each other",
            )


def sharing_problems(config: Config, path: str, what: str) -> Iterator[ConfigProblem]:
    """Of a section at `path` whose state (`what`, in the plural) several workers must share: they need a store."""
    if config.workers > 1 and config.store.url is None:
        yield ConfigProblem(path, f"needs store.url with several workers: {what} would be kept by each for itself")


def _reach_problems(store: StoreSection) -> Iterator[tuple[str, str]]:
    if store.url is None:
        return
    try:
        address = parse_store(store.url)
    except ValueError as error:
        yield "url", str(error)
        return
    if not store.secrets:
        yield "secrets", f"{REQUIRED} with url: nothing is kept in Redis as it is"
    if store.ca_file is not None and not address.tls:
        yield "ca_file", "has no effect: url does not begin with rediss"
    if store.username is not None and store.password is None:
        yield "password", f"{REQUIRED} with username"
    if store.sentinel_username is not None and store.sentinel_password is None:
        yield "sentinel_password", f"{REQUIRED} with sentinel_username"
    if store.sentinel_password is not None and address.service is None:
        yield "sentinel_password", "has no effect: url names no Sentinels"


def _bound_problems(store: StoreSection) -> Iterator[tuple[str, str]]:
    for key in ("username", "sentinel_username"):
        if getattr(store, key) == "":
            yield key, "must not be empty; null is the default user"
    if len(store.secrets) > MAX_SECRETS:
        yield "secrets", f"must not be more than {MAX_SECRETS}"
    if not MIN_TIMEOUT <= store.timeout <= MAX_TIMEOUT:
        yield "timeout", "must be from 10ms to 5s"


def _is_private(address: StoreAddress) -> bool:
    """Whether nobody on the way reads what is said; of a Redis behind Sentinels nobody knows where it is."""
    if address.tls or address.path is not None:
        return True
    return address.service is None and all(is_loopback(host) for host, _ in address.hosts)


def _address(store: StoreSection) -> StoreAddress | None:
    try:
        return parse_store(store.url or "")
    except ValueError:
        return None
