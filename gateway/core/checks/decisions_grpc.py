"""What is wrong or odd in `decisions_grpc`."""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.core.addresses import Address, is_loopback, parse_address, same_address
from gateway.core.config.file import Config, grpc_decisions_of
from gateway.core.config.words import ConfigProblem

_KEY: Final = "decisions_grpc"


def grpc_problems(config: Config, bound: Mapping[str, Address]) -> Iterator[ConfigProblem]:
    """What must be corrected. `bound`: where listeners are, by key; it has this one unless that cannot be read."""
    asked = grpc_decisions_of(config)
    if asked is None:
        return
    address = bound.get(_KEY)
    if address is not None and address.path is not None:
        yield ConfigProblem(_KEY, "must be address:port: over a unix socket only the key decisions is asked")
    elif address is not None:
        for key, other in bound.items():
            if key != _KEY and same_address(address, other):
                yield ConfigProblem(_KEY, f"must not be the address of {key}")
    if asked.tls is not None:
        for key in ("certificate", "key", "client_ca"):
            if getattr(asked.tls, key) == "":
                yield ConfigProblem(f"decisions_grpc.tls.{key}", "must not be empty")
    if config.workers > 1:
        # The library binds the address itself: workers could not share it, and would each be asked by chance.
        yield ConfigProblem(_KEY, "needs workers: 1; several gateways behind one name are asked in turn")
    if all(proxy == "unix" for proxy in config.trusted_proxies):
        yield ConfigProblem(_KEY, "needs the proxies' addresses in trusted_proxies: all would be refused")


def grpc_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    asked = grpc_decisions_of(config)
    if asked is None or asked.tls is not None:
        return
    try:
        address = parse_address(asked.address)
    except ValueError:
        return
    if address.path is None and not is_loopback(address.host):
        yield ConfigProblem(
            _KEY, "has no tls, and is not on loopback: the tokens that proxies ask about cross the network"
        )
