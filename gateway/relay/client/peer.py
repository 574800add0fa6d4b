"""Who is at the other end of a client's connection, and whose forwarding headers are believed."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from gateway.core.config.file import Config


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    #: IP address, or `unix`
    address: str
    #: one of `trusted_proxies`
    trusted: bool


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose forwarding headers are believed."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    unix: bool

    @classmethod
    def of(cls, config: Config) -> "TrustedProxies":
        """Compiled once at start."""
        return cls(
            networks=tuple(
                IPv6Network(text) if ":" in text else IPv4Network(text)
                for text in config.trusted_proxies
                if text != "unix"
            ),
            unix="unix" in config.trusted_proxies,
        )

    def peer(self, peername: object) -> Peer:
        """The peer as `peername` of its socket tells; an address mapped into IPv6 is the IPv4 address it maps."""
        if not isinstance(peername, tuple) or not peername:
            return Peer("unix", self.unix)
        address = ip_address(str(peername[0]).partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return Peer(str(address), any(address in network for network in self.networks))
