"""Asking for the tokens of one upstream, named `shop` in these tests."""

from typing import Any

from gateway.core.config.secret import Secret
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.token_endpoint import TokenEndpoint as Remote
from tests.issuer import RecordingObserver, SimulatedClock
from tests.token_endpoint import TokenEndpoint

SECRET = Secret(file="/run/secret")


class Secrets:
    """What the secret is now."""

    def __init__(self) -> None:
        self.now = "s3cret"

    def read(self, secret: Secret) -> str:
        assert secret == SECRET
        return self.now


def own(endpoint: TokenEndpoint, **settings: Any) -> ClientCredentials:
    return ClientCredentials(
        **{"token_endpoint": endpoint.url, "client_id": "gateway", "client_secret": SECRET, **settings}
    )


def exchanging(endpoint: TokenEndpoint, **settings: Any) -> TokenExchange:
    return TokenExchange(
        **{"token_endpoint": endpoint.url, "client_id": "gateway", "client_secret": SECRET, **settings}
    )


def clock_of(simulated: SimulatedClock) -> Clock:
    return Clock(wall=simulated.wall, monotonic=simulated.monotonic, sleep=simulated.sleep, chance=lambda: 0.5)


def remote(
    section: ClientCredentials | TokenExchange,
    simulated: SimulatedClock,
    observer: RecordingObserver,
    secrets: Secrets | None = None,
) -> Remote:
    read = (secrets or Secrets()).read
    return Remote("shop", section, read=read, observer=observer, clock=clock_of(simulated))
