"""Whose address counts where something is counted by address: the client's, and never that of a proxy before it.

Nobody is believed by default: `trusted_proxies` say who is a proxy, `direct` says that there is none.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network
from typing import Final

from gateway.core.addresses import IpAddress, parse_ip, parse_networks
from gateway.core.config.file import Config
from gateway.core.config.rates import BadTokensSection
from gateway.core.http.facts import Facts
from gateway.core.memory import NameMemo

#: proxies of ours that one request can have passed; what stands before them in the list counts as it is
MAX_HOPS: Final = 32
#: a site has 2^64 addresses of IPv6 to itself: they count as one (RFC 4291 section 2.5.4)
_SITE: Final = 64
_FORWARDED_FOR: Final = b"x-forwarded-for"


class ClientAddresses:
    """The address that counts for a request, as far as somebody says which that is."""

    def __init__(self, trusted_proxies: Iterable[str], *, direct: bool) -> None:
        """`trusted_proxies`: as configured. `direct`: clients connect without a proxy, so that the peer counts."""
        trusted = tuple(trusted_proxies)
        self._networks: Final = parse_networks(trusted)
        #: with `trusted_proxies`, whoever is none of them is a client
        self._somebody_counts: Final = direct or bool(trusted)
        #: what an entry counts as, None: it is no address; and whether it is a proxy of ours
        self._read: Final[NameMemo[tuple[str | None, bool]]] = NameMemo(self._parse)

    def of(self, facts: Facts) -> str | None:
        """An IPv4 address, or the /64 of an IPv6 address, such as `2001:db8:1:2::/64`; None: nobody says whose counts.

        Of X-Forwarded-For the first from the right that is no trusted proxy; the first of all where every one is.
        """
        if not self._somebody_counts:
            return None
        if not facts.trusted:
            return self._read[facts.peer.encode("ascii")][0]
        counted: str | None = None
        for entry in _from_the_right(facts):
            # What a trusted proxy writes and nobody can read is nobody's address: `unknown`, a name made up.
            counted, is_proxy = self._read[entry]
            if not is_proxy:
                break
        return counted

    def _parse(self, entry: bytes) -> tuple[str | None, bool]:
        try:
            address = parse_ip(_without_port(entry.decode("latin-1")))
        except ValueError:
            return None, False
        return _counted(address), any(address in network for network in self._networks)


def client_addresses_of(config: Config) -> ClientAddresses | None:
    """Compiled once at start; None: nobody says whose address counts."""
    if not says_whose_address(config):
        return None
    return ClientAddresses(config.trusted_proxies, direct=_is_direct(config))


def says_whose_address(config: Config) -> bool:
    """Whether somebody says whose address counts."""
    return bool(config.trusted_proxies) or _is_direct(config)


def _is_direct(config: Config) -> bool:
    return isinstance(config.bad_tokens, BadTokensSection) and config.bad_tokens.direct


def _from_the_right(facts: Facts) -> list[bytes]:
    """The last entries of X-Forwarded-For, on however many lines, the last one first."""
    found: list[bytes] = []
    for name, value in reversed(facts.headers):
        if name.lower() == _FORWARDED_FOR:
            entries = value.rsplit(b",", MAX_HOPS)
            # What is left of so many is one piece, and nobody looks at it.
            found += [entry.strip(b" \t") for entry in entries[-MAX_HOPS:][::-1] if entry.strip(b" \t")]
            if len(found) >= MAX_HOPS:
                break
    return found[:MAX_HOPS]


def _without_port(entry: str) -> str:
    """Some proxies add the client's port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _counted(address: IpAddress) -> str:
    return (
        str(address) if isinstance(address, IPv4Address) else str(IPv6Network((int(address) >> _SITE << _SITE, _SITE)))
    )
