"""Whatever is posted as a logout is 200, 400, 413 or 503, and ends nothing unless it was signed and is what it says."""

import json
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.config.backchannel_logout import BackchannelLogout
from gateway.core.config.file import Config
from gateway.core.config.revocation import Revocation
from gateway.core.errors import IssuerUnavailable, Refusal
from gateway.core.http.facts import HeaderLine
from gateway.core.revocation.entry import Entry, checked, parse_entry, written
from gateway.core.token.keys import Key
from gateway.core.token.logout import EVENT
from gateway.logouts import BackchannelLogouts
from gateway.messages import OwnResponse
from gateway.observe.observers import Unheard
from gateway.ports import Ending
from tests.memory import MemoryIssuers, facts
from tests.properties.json_values import TEXT, VALUES, objects
from tests.signer import ISSUER, NOW, base64url, issuer, private_jwk, sign

NAMES = ["iss", "aud", "sub", "sid", "iat", "exp", "nbf", "jti", "events", "nonce", "typ", "scope", "client_id", "azp"]
KID = private_jwk("p-256")["kid"]
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
SECTION = BackchannelLogout(client_ids=("web",), path="/out")
CONFIG = Config(issuers=(issuer(backchannel_logout=SECTION),), upstream="http://127.0.0.1:1", revocation=Revocation())


class Unsuspended(MemoryIssuers):
    """Fails at once where it would have to ask."""

    async def fetch_keys(self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()) -> Any:
        raise IssuerUnavailable


class Posted:
    """The client's side of one request: a body, and what comes of it."""

    def __init__(self, *pieces: bytes) -> None:
        self.body = self
        self._pieces = list(pieces)
        self.response: OwnResponse | None = None

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        self.response = response


def at_once(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs one that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


REVOKED: list[Entry] = []


async def revoke(entries: tuple[Entry, ...]) -> bool:
    REVOKED.extend(entries)
    return True


HEARD = BackchannelLogouts(
    CONFIG,
    issuers=Unsuspended(),
    revoke=revoke,
    lacks_sessions=lambda _: True,
    observer=Unheard(),
    clock=lambda: NOW,
)


def status_of(*pieces: bytes) -> tuple[int, list[Entry]]:
    """What is responded, and what was revoked."""
    REVOKED.clear()
    ending, exchange = Ending(), Posted(*pieces)
    ending.facts = facts(target=b"/out", method="POST", headers=(FORM,))
    try:
        at_once(HEARD.handle(ending, exchange))  # type: ignore[arg-type]
    except Refusal as refusal:
        assert exchange.response is None
        assert REVOKED == []
        return refusal.status, []
    assert exchange.response is not None
    assert ending.status == exchange.response.status
    return exchange.response.status, list(REVOKED)


def posted(token: bytes) -> tuple[int, list[Entry]]:
    return status_of(urlencode({"logout_token": token.decode("latin-1")}).encode())


def plain() -> dict[str, Any]:
    return {"iss": ISSUER, "aud": "web", "sub": "alice", "sid": "s", "iat": NOW, "exp": NOW + 60, "events": {EVENT: {}}}


def is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 253_402_300_800


def may_pass(claims: dict[str, Any]) -> bool:
    """Section 2.6 once more, in other words."""
    names = [claims[name] for name in ("sub", "sid") if name in claims]
    audience = claims.get("aud")
    events = claims.get("events")
    return (
        claims.get("iss") == ISSUER
        and (audience == "web" or (isinstance(audience, list) and "web" in audience))
        and isinstance(events, dict)
        and isinstance(events.get(EVENT), dict)
        and "nonce" not in claims
        and is_time(claims.get("iat"))
        and claims["iat"] <= NOW + 30
        and ((is_time(claims["exp"]) and claims["exp"] + 30 > NOW) if "exp" in claims else claims["iat"] >= NOW - 330)
        and names != []
        and all(isinstance(name, str) and name for name in names)
    )


@given(objects(NAMES), st.sets(st.sampled_from(NAMES)))
@example({}, set())
@example({"exp": NOW - 31}, set())
@example({"nonce": None}, set())
@example({"sub": None}, {"sid"})
@example({"aud": ["web", 1]}, set())
def test_only_what_the_rules_allow_ends_anything(changes: dict[str, Any], missing: set[str]) -> None:
    claims = {name: value for name, value in (plain() | changes).items() if name not in missing}
    status, revoked = posted(sign(claims, name="p-256", header={"typ": "logout+jwt"}))
    assert status in {200, 400}
    assert bool(revoked) == (status == 200)
    if status == 200:
        assert may_pass(claims)
    for entry in revoked:
        assert checked(entry) is entry
        assert parse_entry(written(entry)) == entry
        assert entry.before == claims["iat"]


@given(st.dictionaries(st.sampled_from(["typ", "alg", "kid", "crit", "b64", "jwk", "x5u"]), VALUES, max_size=4))
def test_any_header_is_judged(header: dict[str, Any]) -> None:
    token = sign(plain(), name="p-256", header={"typ": "logout+jwt"})
    status, _ = posted(token)
    assert status == 200
    raw = json.dumps({"alg": "ES256", "kid": KID, **header}).encode()
    changed = base64url(raw) + token[token.index(b".") :]
    status, revoked = posted(changed)
    assert status in {400, 503}
    assert revoked == []


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_judged(first: bytes, second: bytes) -> None:
    for pieces in ((first, second), (b"logout_token=" + first, second)):
        status, revoked = status_of(*pieces)
        assert status == 400
        assert revoked == []


@given(st.data())
def test_a_damaged_token_ends_nothing(data: st.DataObject) -> None:
    token = bytearray(sign(plain(), name="p-256", header={"typ": "logout+jwt"}))
    at = data.draw(st.integers(0, len(token) - 1))
    changed = data.draw(st.integers(0, 255).filter(lambda value: value != token[at]))
    token[at] = changed
    status, revoked = posted(bytes(token))
    assert status in {400, 503}
    assert revoked == []


@given(TEXT)
def test_any_text_as_a_token_is_refused(text: str) -> None:
    status, revoked = status_of(urlencode({"logout_token": text}).encode())
    assert (status, revoked) == (400, [])
