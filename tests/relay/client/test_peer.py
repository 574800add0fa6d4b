import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.relay.client.peer import Peer, TrustedProxies


def trust(*proxies: str) -> TrustedProxies:
    issuer = Issuer(issuer="https://a.test", audience="a")
    return TrustedProxies.of(Config(upstream="http://a", issuers=(issuer,), trusted_proxies=proxies))


@pytest.mark.parametrize(
    ("peername", "address", "trusted"),
    [
        (("10.1.2.3", 1), "10.1.2.3", True),
        (("11.1.2.3", 1), "11.1.2.3", False),
        (("::ffff:10.1.2.3", 1, 0, 0), "10.1.2.3", True),
        (("2001:db8::1", 1, 0, 0), "2001:db8::1", True),
        (("fe80::1%eth0", 1, 0, 3), "fe80::1", False),
        ("", "unix", False),
        (None, "", False),
        (b"", "unix", False),
    ],
)
def test_a_peer_is_trusted_by_its_address(peername: object, address: str, *, trusted: bool) -> None:
    assert trust("10.0.0.0/8", "2001:db8::/32").peer(peername) == Peer(address, trusted)


def test_unix_peers_are_trusted_by_name() -> None:
    assert trust("unix").peer("") == Peer("unix", trusted=True)
    # A socket that was reset has no name any more, of whatever kind it is.
    assert trust("unix", "0.0.0.0/0").peer(None) == Peer("", trusted=False)
