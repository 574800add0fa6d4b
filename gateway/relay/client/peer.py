"""Who is at the other end of a client's connection, and whose forwarding headers are believed."""

from dataclasses import dataclass

from gateway.core.addresses import Network, parse_ip, parse_networks
from gateway.core.config.file import Config
from gateway.core.http.facts import ShownCertificate


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    #: IP address, or `unix`; empty: nobody is there any more
    address: str
    #: one of `trusted_proxies`
    trusted: bool
    #: `http` or `https`: how it came
    scheme: str = "http"
    #: None: it was not asked for one
    certificate: ShownCertificate | None = None


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose forwarding headers are believed."""

    networks: tuple[Network, ...]
    unix: bool

    @classmethod
    def of(cls, config: Config) -> "TrustedProxies":
        """Compiled once at start."""
        return cls(networks=parse_networks(config.trusted_proxies), unix="unix" in config.trusted_proxies)

    def peer(self, peername: object) -> Peer:
        """The peer as `peername` of its socket tells; an address mapped into IPv6 is the IPv4 address it maps.

        None: the socket has no name at its other end any more. One of a unix socket has one, be it empty.
        """
        if peername is None:
            return Peer("", trusted=False)
        if not isinstance(peername, tuple) or not peername:
            return Peer("unix", self.unix)
        address = parse_ip(str(peername[0]))
        return Peer(str(address), any(address in network for network in self.networks))
