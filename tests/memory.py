"""The world of the gate and the verifier in memory: keys, an observer that remembers, and the facts of a request."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from gateway.core.errors import Refusal, UnknownKey
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.token.identity import Identity
from gateway.core.token.keys import Key, KeySet, parse_key_set
from gateway.core.token.markers import Verdict
from gateway.events import Event
from gateway.ports import Ending
from tests.signer import NOW, public_jwk


def key_set(*names: str, **members: Any) -> KeySet:
    return parse_key_set({"keys": [public_jwk(name, **members) for name in names]}) if names else KeySet()


@dataclass
class MemoryIssuers:
    """What is known now, and what a fetch would find or fail with."""

    known: KeySet = field(default_factory=lambda: key_set("rsa-2048-a", "p-256"))
    published: KeySet | Refusal | None = None
    fetches: list[tuple[str, str, str | None]] = field(default_factory=list)
    names: frozenset[str] = frozenset({"local"})

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> Any:
        assert issuer in self.names
        return self.known.find(alg=alg, kid=kid)

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        return issuer in self.names and thumbprint in self.known.thumbprints

    async def fetch_keys(self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()) -> Any:
        self.fetches.append((issuer, alg, kid))
        await asyncio.sleep(0)
        if isinstance(self.published, Refusal):
            raise self.published
        self.known = self.published or self.known
        vain = {key.thumbprint for key in tried}
        keys = tuple(key for key in self.known.find(alg=alg, kid=kid) if key.thumbprint not in vain)
        if not keys:
            raise UnknownKey("not published")
        return keys


@dataclass
class Recorder:
    """An Observer that remembers."""

    hits: list[bool] = field(default_factory=list)
    verified: list[tuple[str | None, str | None]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    def token_looked_up(self, *, hit: bool) -> None:
        self.hits.append(hit)

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        self.verified.append((issuer, refusal.reason if refusal else None))

    def happened(self, event: Event) -> None:
        raise AssertionError

    def connections_open(self, count: int) -> None:
        raise AssertionError

    def requests_in_flight(self, count: int) -> None:
        raise AssertionError

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        raise AssertionError

    def tunnels_open(self, count: int) -> None:
        raise AssertionError

    def request_ended(self, ending: Ending) -> None:
        self.endings.append(ending)


class Nowhere:
    """An Upstream that is never asked."""

    async def send(self, facts: Any, admission: Any, client: Any) -> Any:
        raise AssertionError


def facts(token: bytes | None = None, *headers: HeaderLine, **settings: Any) -> Facts:
    authorization = () if token is None else (b"Bearer " + token,)
    defaults: dict[str, Any] = {
        "method": "GET",
        "target": b"/orders",
        "version": (1, 1),
        "headers": (*headers, *((b"Authorization", value) for value in authorization)),
        "authorization": authorization,
        "host": b"api.example.com",
        "content_length": None,
        "chunked": False,
        "scheme": "https",
        "peer": "192.0.2.1",
        "trusted": False,
        "request_id": "r1",
    }
    return Facts(**(defaults | settings))


def identity(**changes: Any) -> Identity:
    """Who some token speaks for."""
    return Identity(
        **{
            "issuer": "local",
            "subject": "alice",
            "client": "app",
            "scopes": (),
            "claims": {},
            "expires_at": NOW + 3600,
            "not_before": None,
            "leeway": 30.0,
            "key": "k",
            "verdict": Verdict("access", ""),
            "token_id": "0123456789ab",
            "headers": (),
            **changes,
        }
    )
