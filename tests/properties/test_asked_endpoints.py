"""Whatever comes from where the gateway asks, a request is admitted as the table says, refused, or told 503."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.upstream_tokens import TokenExchange
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable, Forbidden, InvalidToken, Unavailable
from gateway.core.routing.admission import Admission
from gateway.gate import Gate
from gateway.observe.observers import Unheard
from gateway.ports import Ending
from gateway.remote.client import Asked
from gateway.remote.exchange import ExchangedTokens
from gateway.remote.fetched import FetchFailed
from gateway.remote.introspections import RemoteIntrospections
from tests.issuer import SimulatedClock
from tests.memory import MemoryIssuers, Nowhere, facts, identity
from tests.properties.json_values import VALUES
from tests.properties.test_introspection import anything, members, refresh_or_id
from tests.properties.test_token_responses import BODIES
from tests.remote.asking_tokens import SECRET, clock_of, remote
from tests.signer import AUDIENCE, ISSUER, NOW, issuer, sign

#: what passes where nothing is changed, so that much of what is tried comes far
PASSES = {"active": True, "aud": AUDIENCE, "sub": "alice", "client_id": "app", "token_type": "Bearer"}
SAID = st.one_of(
    members,
    anything,
    st.tuples(members, st.sets(st.sampled_from([*PASSES]), max_size=2)).map(
        lambda two: {name: value for name, value in {**PASSES, **two[0]}.items() if name not in two[1]}
    ),
)
BODY = st.one_of(st.binary(max_size=60), SAID.map(lambda said: json.dumps(said).encode()))
STATUS = st.one_of(st.just(200), st.sampled_from([201, 204, 206, 302, 400, 401, 429, 500, None]), st.integers(100, 599))
TYPES = st.sampled_from(["", "application/json", "application/token-introspection+jwt", "text/html"])
RETRY = st.one_of(st.none(), st.text(max_size=20), st.integers().map(str))
JWT = sign()
OPAQUE = b"8xLOxBtZp8"


class Saying:
    """A client that hears one thing, whatever it asks."""

    def __init__(self, said: Asked | Exception) -> None:
        self._said = said

    async def post(self, address: str, **_: Any) -> Asked:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said

    async def close(self) -> None:
        """Nothing is open."""


class Kept:
    """A cache that gives one thing, whatever it is asked for."""

    def __init__(self, value: bytes | None) -> None:
        self._value = value

    async def get(self, key: bytes) -> bytes | None:
        return self._value

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Nothing is kept."""

    async def drop(self, key: bytes) -> None:
        """Nothing is there."""


def heard(status: int | None, media_type: str, retry: str | None, body: bytes) -> Asked | Exception:
    if status is None:
        return FetchFailed("no")
    return Asked(status, media_type, {} if retry is None else {"retry-after": retry}, body)


async def admitted(said: Asked | Exception, token: bytes, *, kept: bytes | None = None, **section: Any) -> Admission:
    configured = issuer(
        introspection=Introspection(
            tokens="all", endpoint="https://issuer.example/i", client_id="gateway", auth="none", **section
        )
    )
    config = Config(upstream="http://h", issuers=(configured,))
    keys = MemoryIssuers()
    asked = RemoteIntrospections(
        [configured], issuers=keys, read=str, cache=Kept(kept), observer=Unheard(), clock=lambda: NOW
    )
    asked._asked["local"]._call._client = Saying(said)  # type: ignore[assignment]
    gate = Gate(config, issuers=keys, upstream=Nowhere(), observer=Unheard(), introspections=asked, clock=lambda: NOW)
    try:
        return await gate.admit(facts(token), Ending())
    finally:
        await asked.stop()


def check(said: Any, admission: Admission, token: bytes) -> None:
    """The table once more, in few words: who may be admitted after an issuer has said this."""
    assert said["active"] is True
    assert said.get("iss", ISSUER) == ISSUER
    assert not refresh_or_id(said)
    # A token that is bound is nobody's bearer token.
    assert "cnf" not in said
    assert not any("dpop" in str(said.get(name)).lower() for name in ("token_type", "token_use", "typ"))
    if token == OPAQUE:
        # Something says so that a refresh token does not have as well.
        words = str([said.get(name) for name in ("token_type", "token_use", "typ")]).lower()
        assert any(word in words for word in ("bearer", "n_a", "access"))
    if token == OPAQUE or "aud" in said:
        assert AUDIENCE in ([said["aud"]] if isinstance(said["aud"], str) else said["aud"])
    sent = dict(admission.headers)
    if token == JWT:
        assert said.get("sub", "alice") == "alice"
        assert sent[b"X-User-Id"] == b"alice"
    elif b"X-User-Id" in sent:
        assert isinstance(said["sub"], str)


@given(STATUS, TYPES, RETRY, BODY, st.sampled_from([OPAQUE, JWT]), st.sampled_from(["json", "json", "jwt"]))
@example(200, "application/json", None, json.dumps(PASSES).encode(), OPAQUE, "json")
@example(200, "application/json", None, json.dumps(PASSES).encode(), JWT, "json")
@example(200, "application/json", None, json.dumps({**PASSES, "token_type": "x"}).encode(), OPAQUE, "json")
@example(200, "application/json", None, json.dumps({**PASSES, "exp": 10**400}).encode(), OPAQUE, "json")
def test_whatever_an_issuer_says_of_a_token(
    status: int | None, media_type: str, retry: str | None, body: bytes, token: bytes, wanted: str
) -> None:
    said = heard(status, media_type, retry, body)
    try:
        admission = asyncio.run(admitted(said, token, response=wanted))
    except (InvalidToken, Forbidden, Unavailable):
        return
    # Nobody signed it.
    assert wanted == "json"
    assert status == 200
    check(json.loads(body), admission, token)


@pytest.mark.parametrize("token", [OPAQUE, JWT])
def test_what_the_table_allows_is_admitted(token: bytes) -> None:
    body = json.dumps(PASSES).encode()
    said = Asked(200, "application/json", {}, body)
    for kept in (None, b"%r %b" % (NOW - 5, body), b"nonsense"):
        assert dict(asyncio.run(admitted(said, token, kept=kept)).headers)[b"X-User-Id"] == b"alice"


@given(
    st.one_of(
        st.binary(max_size=60),
        st.tuples(st.one_of(st.floats(), st.floats(NOW - 90, NOW + 90), st.text(max_size=9)), SAID).map(
            lambda two: f"{two[0]} {json.dumps(two[1])}".encode("utf-8", "replace")
        ),
    ),
    BODY,
    st.sampled_from([OPAQUE, JWT]),
)
def test_whatever_others_have_kept_of_what_it_said(kept: bytes, body: bytes, token: bytes) -> None:
    try:
        admission = asyncio.run(admitted(Asked(200, "application/json", {}, body), token, kept=kept))
    except (InvalidToken, Forbidden, Unavailable):
        return
    # One of both has said so: what was kept, or else the issuer, now.
    try:
        check(json.loads(kept.partition(b" ")[2]), admission, token)
    except (AssertionError, ValueError, TypeError, KeyError):
        check(json.loads(body), admission, token)


@given(st.one_of(SAID, VALUES).map(lambda said: json.dumps(said).encode()), STATUS, RETRY)
def test_what_is_no_response_is_503_whatever_else_it_is(body: bytes, status: int | None, retry: str | None) -> None:
    """Nothing but a boolean under 200 says that a token is inactive: an outage must not look like a logout."""
    try:
        asyncio.run(admitted(heard(status, "application/json", retry, body), OPAQUE))
    except Unavailable:
        return
    except (InvalidToken, Forbidden):
        pass
    assert status == 200
    assert isinstance(json.loads(body)["active"], bool)


async def exchanged(said: Asked | Exception, kept: bytes | None) -> bytes:
    clock = SimulatedClock()
    section = TokenExchange(token_endpoint="https://issuer.example/token", client_id="gateway", client_secret=SECRET)
    asking = remote(section, clock, Unheard())  # type: ignore[arg-type]
    asking._client = Saying(said)  # type: ignore[assignment]
    tokens = ExchangedTokens(
        "shop", section, endpoint=asking, shared=Kept(kept), observer=Unheard(), clock=clock_of(clock)
    )
    try:
        return await tokens.authorization(b"x.y.z", identity())
    finally:
        await tokens.stop()
        await asking.close()


@given(
    STATUS,
    RETRY,
    BODIES,
    st.one_of(st.none(), st.binary(max_size=60)),
)
def test_whatever_a_token_endpoint_says_there_is_a_bearer_token_or_a_refusal(
    status: int | None, retry: str | None, body: bytes, kept: bytes | None
) -> None:
    try:
        authorization = asyncio.run(exchanged(heard(status, "application/json", retry, body), kept))
    except (ExchangeRefused, ExchangeUnavailable):
        return
    scheme, token = authorization.split(b" ", 1)
    assert scheme == b"Bearer"
    assert token
    assert not any(byte <= 0x20 or byte >= 0x7F for byte in token)
