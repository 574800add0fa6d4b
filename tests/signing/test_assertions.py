"""Assertions of callers: made once, remembered, made anew in time; and what an API behind a whole gateway receives."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import TokenExpired
from gateway.core.token.identity import Identity
from gateway.core.upstream.assertion import SigningKey, parse_signing_key, published, signing_key
from gateway.gate import Gate
from gateway.ports import Ending
from gateway.signing import signing_keys
from gateway.signing.assertions import SignedAssertions
from tests.memory import MemoryIssuers, Recorder, facts, identity
from tests.signer import NOW, issuer, private_jwk, sign, some_claims
from tests.values import changed
from tests.wire import Message, Running, Start, demo_issuer, get, starting

KEY = parse_signing_key(json.dumps(private_jwk("p-256")).encode())
OTHER = signing_key(ECKey.generate_key("P-256"))
HEADER = b"X-Gateway-Assertion"


@dataclass
class Hand:
    """A Signer."""

    key: SigningKey = KEY

    def current(self) -> SigningKey:
        return self.key


class World:
    """Assertions, a clock, and a key that a test changes."""

    def __init__(self, *, max_entries: int = 10_000, **settings: Any) -> None:
        self.now = NOW
        self.hand = Hand()
        self.config = Config(
            upstream="http://127.0.0.1:3000",
            upstreams={"other": UpstreamSection(url="http://127.0.0.1:3001")},
            issuers=(issuer(),),
            routes=(
                RouteSection(path="/public", access="public"),
                RouteSection(path="/other/*", upstream="other"),
                RouteSection(path="/admin", scopes=("admin",), mode="report"),
            ),
            assertion=AssertionSection(**{"issuer": "https://gateway.example", **settings}),
        )
        self.assertions = SignedAssertions(
            self.config, signer=self.hand, clock=lambda: self.now, max_entries=max_entries
        )

    def value(self, caller: Identity, upstream: str = "default") -> bytes:
        ((name, value),) = self.assertions.lines(caller, upstream=upstream)
        assert name == HEADER
        return value

    def claims(self, value: bytes) -> dict[str, Any]:
        keys = KeySet.import_key_set(json.loads(published([KEY, OTHER])))
        return jwt.decode(value, keys, algorithms=["ES256"]).claims

    def gate(self) -> Gate:
        return Gate(
            self.config,
            issuers=MemoryIssuers(),
            upstream=cast("Any", None),
            observer=Recorder(),
            assertions=self.assertions,
            clock=lambda: self.now,
        )


@pytest.fixture
def world() -> World:
    return World()


def test_an_assertion_is_remembered_until_four_fifths_of_its_life_are_over(world: World) -> None:
    caller = identity()
    first = world.value(caller)
    world.now = NOW + 239.9
    assert world.value(caller) == first
    world.now = NOW + 240
    second = world.value(caller)
    assert second != first
    assert world.claims(second)["exp"] == NOW + 540
    assert world.value(caller) == second
    assert len(world.assertions) == 1


def test_as_long_as_a_token_is_admitted_no_assertion_outlives_it(world: World) -> None:
    caller = identity(expires_at=NOW + 1000)
    seen = set()
    for second in range(1030):
        world.now = NOW + second
        value = world.value(caller)
        seen.add(value)
        claims = world.claims(value) if second % 10 == 0 else {}
        assert claims.get("exp", 0) <= NOW + 1000
        # Until the last minutes of the token, whoever gets it has a fifth of its life left to use it.
        assert second % 10 or claims["exp"] >= min(world.now + 60, NOW + 1000)
    # At 0, 240, 480 and 720 seconds; the last one ends with the token.
    assert len(seen) == 4


def test_an_assertion_from_the_future_is_not_used_when_the_clock_goes_back(world: World) -> None:
    caller = identity()
    world.now = NOW + 1000
    world.value(caller)
    world.now = NOW
    assert world.claims(world.value(caller))["iat"] == NOW


def test_every_upstream_gets_one_of_its_own(world: World) -> None:
    caller = identity()
    assert world.claims(world.value(caller))["aud"] == "default"
    assert world.claims(world.value(caller, "other"))["aud"] == "other"
    assert len(world.assertions) == 2


def test_a_new_key_signs_at_once_what_is_sent_from_then_on(world: World) -> None:
    caller = identity()
    first = world.value(caller)
    world.hand.key = OTHER
    assert world.value(caller) != first


def test_another_identity_under_the_same_identifier_gets_nothing_of_the_first(world: World) -> None:
    world.value(identity())
    stranger = changed(identity(), subject="mallory")
    assert world.claims(world.value(stranger))["sub"] == "mallory"


def test_the_least_recently_used_goes_first() -> None:
    world = World(max_entries=2)
    a, b, c = (identity(token_id=name) for name in "abc")
    first, second = world.value(a), world.value(b)
    world.value(a)
    world.value(c)
    world.now += 1
    assert len(world.assertions) == 2
    assert world.value(a) == first
    assert world.value(b) != second


# the gate


async def headers_of(gate: Gate, target: bytes, token: bytes | None) -> list[bytes]:
    admission = await gate.admit(facts(token, target=target), Ending())
    return [value for name, value in admission.headers if name == HEADER]


async def test_an_admitted_caller_is_asserted_to_the_upstream_of_the_route(world: World) -> None:
    gate = world.gate()
    for target, audience in ((b"/orders", "default"), (b"/other/1", "other")):
        (value,) = await headers_of(gate, target, sign())
        claims = world.claims(value)
        assert (claims["sub"], claims["client_id"], claims["aud"]) == ("alice", "app", audience)
        assert claims["token_issuer"] == "https://issuer.example"


async def test_who_was_not_admitted_in_full_is_not_asserted(world: World) -> None:
    gate = world.gate()
    assert await headers_of(gate, b"/public", None) == []
    assert await headers_of(gate, b"/public", sign()) == []
    expired = sign(some_claims(exp=NOW - 900))
    for token in (None, expired):
        assert await headers_of(gate, b"/admin", token) == []
    # Refused by policy alone: who it is stands firm.
    assert len(await headers_of(gate, b"/admin", sign())) == 1
    with pytest.raises(TokenExpired):
        await headers_of(gate, b"/orders", expired)


async def test_chosen_claims_come_from_the_token() -> None:
    world = World(claims=("email", "/realm_access/roles", "absent"))
    token = sign(some_claims(email="a@example.com", realm_access={"roles": ["x", "y"]}))
    (value,) = await headers_of(world.gate(), b"/orders", token)
    claims = world.claims(value)
    assert (claims["email"], claims["/realm_access/roles"]) == ("a@example.com", ["x", "y"])
    assert "absent" not in claims


async def test_the_same_token_gets_the_same_assertion(world: World) -> None:
    gate, token = world.gate(), sign()
    first = await headers_of(gate, b"/orders", token)
    assert await headers_of(gate, b"/orders?again", token) == first


# a whole gateway


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts


def configured(**settings: Any) -> AssertionSection:
    return AssertionSection(**{"issuer": "https://gateway.example", "audience": "https://api.example", **settings})


def write(directory: Path, key: ECKey | OKPKey) -> Path:
    path = directory / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    return path


async def key_set(gateway: Running) -> KeySet:
    response = await gateway.admin("/.well-known/jwks.json")
    assert response.status == 200
    assert response.values(b"Content-Type") == [b"application/jwk-set+json"]
    assert response.values(b"Cache-Control") == [b"public, max-age=60"]
    return KeySet.import_key_set(json.loads(response.body))


def verified(request: Message, keys: KeySet, header: bytes = HEADER) -> jwt.Token:
    """As an API does it, with a library that is none of ours."""
    (value,) = request.values(header)
    token = jwt.decode(value, keys, algorithms=["ES256", "EdDSA"])
    assert token.header["typ"] == "gateway-assertion+jwt"
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": "https://gateway.example"},
        aud={"essential": True, "value": "https://api.example"},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(token.claims)
    return token


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("key", [None, ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")], ids=["made", "EC", "Ed25519"])  # fmt: skip
async def test_an_api_verifies_the_assertion_with_the_published_keys(
    start: Start, tmp_path: Path, key: ECKey | OKPKey | None
) -> None:
    file = None
    if key is not None:
        file = KeyFile(file=str(write(tmp_path, key)))
    gateway = await start(assertion=configured(key=file, claims=("email", "roles")))
    client = await gateway.client()
    assert (await client.ask(get("/orders"))).status == 200
    keys = await key_set(gateway)
    token = verified(gateway.upstream.last, keys)
    assert token.header["kid"] == keys.keys[0].thumbprint()
    assert token.claims["sub"] == "alice"
    assert token.claims["token_issuer"] == "https://issuer.test"
    assert (token.claims["email"], token.claims["roles"]) == ("alice@example.com", ["reader"])
    assert 295 <= token.claims["exp"] - time.time() <= 300


async def test_an_assertion_ends_with_the_token(start: Start) -> None:
    gateway = await start(assertion=configured())
    client = await gateway.client()
    ends = int(time.time()) + 100
    token = demo_issuer().access_token(alg="ES256", exp=ends)
    request = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    assert (await client.ask(request)).status == 200
    assert verified(gateway.upstream.last, await key_set(gateway)).claims["exp"] == ends


SPELLINGS = ["X-Gateway-Assertion", "x-gateway-assertion", "X_Gateway_Assertion", "X.GATEWAY.ASSERTION", "X-Gateway_Assertion"]  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("target", ["/orders", "/public"])
async def test_what_a_client_sends_under_the_name_never_arrives(start: Start, name: str, target: str) -> None:
    gateway = await start(assertion=configured(), routes=(RouteSection(path="/public", access="public"),))
    client = await gateway.client()
    assert (await client.ask(get(target, f"{name}: forged", f"Connection: {name}"))).status == 200
    assert b"forged" not in gateway.upstream.last.head
    arrived = [name for name, _ in gateway.upstream.last.lines if name.lower().startswith(b"x") and b"ssertion" in name]
    assert arrived == ([HEADER] if target == "/orders" else [])


@pytest.mark.parametrize("target", ["/orders", "/public"])
@pytest.mark.parametrize("name", ["X-Proof", "x_proof", "X.PROOF"])
async def test_a_header_of_another_name_is_stripped_just_as_well(start: Start, target: str, name: str) -> None:
    gateway = await start(
        assertion=configured(header="X-Proof"), routes=(RouteSection(path="/public", access="public"),)
    )
    client = await gateway.client()
    assert (
        await client.ask(get(target, f"{name}: forged", f"{name}: forged", "X-Gateway-Assertion: forged"))
    ).status == 200
    assert b"forged" not in gateway.upstream.last.head
    if target == "/orders":
        verified(gateway.upstream.last, await key_set(gateway), b"X-Proof")


async def test_without_the_feature_there_is_neither_header_nor_page(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    await client.ask(get("/orders", "X-Gateway-Assertion: forged"))
    assert b"ssertion" not in gateway.upstream.last.head
    assert (await gateway.admin("/.well-known/jwks.json")).status == 404


async def test_the_keys_are_not_on_the_traffic_port(start: Start) -> None:
    gateway = await start(assertion=configured())
    client = await gateway.client()
    assert (await client.ask(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n")).status == 401


async def test_an_assertion_is_no_credential_for_the_gateway(start: Start) -> None:
    gateway = await start(assertion=configured())
    client = await gateway.client()
    await client.ask(get("/orders"))
    (value,) = gateway.upstream.last.values(HEADER)
    response = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + value + b"\r\n\r\n")
    # Its issuer is none of those configured; that its type is refused as well: tests/core/test_assertion.py
    assert (response.status, response.problem["reason"]) == (401, "unknown_issuer")


async def test_a_key_file_that_changes_is_followed_with_overlap(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "INTERVAL", 0.02)
    monkeypatch.setattr(signing_keys, "AHEAD", 0.3)
    file = write(tmp_path, ECKey.generate_key("P-256"))
    gateway = await start(assertion=configured(key=KeyFile(file=str(file)), lifetime=Seconds(10)))
    client = await gateway.client()
    await client.ask(get("/"))
    old = gateway.upstream.last
    cached = await key_set(gateway)
    new = ECKey.generate_key("P-256")
    write(tmp_path, new)
    signed_by_new = None
    deadline = time.monotonic() + 10
    while signed_by_new is None and time.monotonic() < deadline:
        await client.ask(get("/"))
        keys = await key_set(gateway)
        # Whatever was sent, and is sent now, can be verified at any moment with what is published then.
        verified(old, keys)
        if verified(gateway.upstream.last, keys).header["kid"] == new.thumbprint():
            signed_by_new = gateway.upstream.last
    assert signed_by_new is not None
    assert len(cached.keys) == 1
    assert [key.thumbprint() for key in keys.keys] == [new.thumbprint(), cached.keys[0].thumbprint()]
    assert "has a new key" in gateway.stderr.getvalue()
