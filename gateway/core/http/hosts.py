"""Names of hosts: the one that a request is for, and which of those in a configuration it is."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from gateway.core.addresses import MAX_HOST_NAME

#: every name below the one behind it
WILDCARD: Final = "*."
#: what one program decodes, or leaves out, and another does not
_ODD: Final = re.compile(rb"%|\.\.|\A\.")


def host_of(authority: bytes | None) -> str | None:
    """The host of an authority in lower case, without its port and the dot of the root zone; IPv6 in brackets."""
    if authority is None:
        return None
    text = authority.decode("latin-1").lower()
    host, colon, port = text.rpartition(":")
    return (host if colon and (port.isdigit() or not port) and not host.endswith(":") else text).removesuffix(".")


def is_odd(authority: bytes) -> bool:
    """Whether an authority may be read as another one: a percent escape, an empty label."""
    return _ODD.search(authority) is not None


def names_all_hosts(hosts: Collection[str], others: Collection[str]) -> bool:
    """Whether `hosts` name each host that the others do, all as in a file; none at all stand for every host."""
    plain = [plain_host(host) for host in hosts]
    return not hosts or (
        bool(others) and all(any(is_host_within(plain_host(one), host) for host in plain) for one in others)
    )


def is_host_within(one: str, other: str) -> bool:
    """Whether each host that `one` names is named by `other` too. Both as `plain_host` has them."""
    if not other.startswith(WILDCARD):
        return one == other
    return one.removeprefix("*").endswith(other.removeprefix("*"))


class HostNames:
    """Hosts of a configuration: names, and `*.example.com` for every name below that one, of one or more labels."""

    __slots__ = ("_below", "_exact")

    def __init__(self, names: Iterable[str]) -> None:
        """`names`: as in the file."""
        plain = {plain_host(name) for name in names}
        self._exact: Final = frozenset(name for name in plain if not name.startswith(WILDCARD))
        #: without the asterisk and its dot
        self._below: Final = frozenset(name.removeprefix(WILDCARD) for name in plain if name.startswith(WILDCARD))

    def __repr__(self) -> str:
        return f"HostNames({', '.join(sorted(self._exact | {WILDCARD + name for name in self._below}))})"

    def has(self, host: str | None) -> bool:
        """Whether it is one of them. `host`: as `host_of` has it."""
        return host is not None and (host in self._exact or bool(self._wildcards(host)))

    def find(self, host: str | None) -> tuple[str, ...]:
        """Those that a host is, in lower case: its own name, and wildcards, the narrowest first."""
        if host is None:
            return ()
        own = (host,) if host in self._exact else ()
        return own + self._wildcards(host) if self._below else own

    def _wildcards(self, host: str) -> tuple[str, ...]:
        # No name that anybody has is longer: to look at each label of 8 KiB of dots costs time. None has an empty label
        # in front, which would be no name below the other.
        if not self._below or len(host) > MAX_HOST_NAME or host.startswith("."):
            return ()
        found: list[str] = []
        _, dot, rest = host.partition(".")
        while dot:
            if rest in self._below:
                found.append(WILDCARD + rest)
            _, dot, rest = rest.partition(".")
        return tuple(found)


def plain_host(name: str) -> str:
    """A host of a configuration in lower case, without the dot of the root zone."""
    return name.lower().removesuffix(".")
