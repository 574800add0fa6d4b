"""Whatever an issuer says of a subject, a request ends in a value, absent or a refusal; and no claim of a token changes."""

import asyncio
import json
from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.routes import RouteSection
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.errors import (
    ClaimMismatch,
    IdentityClaimMissing,
    IdentityHeaderInvalid,
    IdentityHeaderTooLarge,
    TokenInactive,
    UserInfoUnavailable,
)
from gateway.core.routing.admission import Admission
from gateway.core.token.rules import Token
from gateway.core.token.userinfo import (
    MAX_BYTES,
    Obtained,
    UserInfoInvalid,
    UserInfoRules,
    judge_userinfo,
    parse_userinfo,
    unpack,
)
from gateway.gate import Gate
from gateway.observe.observers import Unheard
from gateway.ports import Ending
from gateway.remote.client import Asked
from gateway.remote.fetched import FetchFailed
from gateway.remote.userinfo import RemoteUserInfo
from tests.memory import MemoryIssuers, Nowhere, facts
from tests.properties.json_values import VALUES, objects
from tests.signer import AUDIENCE, ISSUER, NOW, issuer, sign, some_claims

NAMED = ("email", "groups")
RULES = UserInfoRules.of(issuer(userinfo=UserInfoSection(claims=NAMED)))
CLAIMS = objects(["sub", "iss", "aud", "exp", "email", "groups", "role"])
#: about the right subject, so that what follows is judged as well
ABOUT_ALICE = CLAIMS.map(lambda claims: {**claims, "sub": "alice"})
SAID = st.one_of(CLAIMS, ABOUT_ALICE)
TYPES = st.sampled_from(["", "application/json", "application/jwt", "text/html", "application/x+json"])
HEADERS = {
    "X-Email": IdentityHeader(claim="email", required=True, encoding="none", max_bytes=40),  # type: ignore[arg-type]
    "X-Group": IdentityHeader(claim="/groups/0"),
    "X-Role": IdentityHeader(claim="role"),
}
ALLOWED = (
    ClaimMismatch, IdentityClaimMissing, IdentityHeaderInvalid, IdentityHeaderTooLarge, UserInfoUnavailable, TokenInactive,
)  # fmt: skip


@given(SAID)
@example({"sub": "alice", "exp": 10**400})
@example({"sub": "alice", "exp": float("1e308")})
@example({"sub": "alice", "aud": [[]]})
def test_claims_are_believed_or_not_and_nothing_else(claims: dict[str, Any]) -> None:
    try:
        found = judge_userinfo(claims, RULES, subject="alice", client="app", now=NOW)
    except UserInfoInvalid:
        return
    assert claims["sub"] == "alice"
    assert claims.get("iss", ISSUER) == ISSUER
    assert "aud" not in claims or {"app", AUDIENCE} & set(
        claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    )
    assert found == {name: claims[name] for name in NAMED if claims.get(name) is not None}
    assert len(json.dumps(found)) <= MAX_BYTES


@given(TYPES, st.one_of(st.binary(max_size=60), VALUES.map(lambda value: json.dumps(value).encode())))
def test_bytes_are_claims_a_token_or_a_sentence(media_type: str, body: bytes) -> None:
    try:
        said = parse_userinfo(media_type, body)
    except UserInfoInvalid:
        return
    assert isinstance(said, Token) == (media_type == "application/jwt")


@given(
    st.one_of(
        st.binary(max_size=60),
        st.tuples(st.one_of(st.floats(), st.text()), objects(["email", "claims"])).map(
            lambda pair: f"{pair[0]} {json.dumps(pair[1])}".encode()
        ),
    )
)
def test_what_a_cache_gives_is_believed_or_is_nothing(packed: bytes) -> None:
    found = unpack(packed, RULES, lifetime=300, now=NOW)
    assert found is None or (isinstance(found, Obtained) and NOW < found.until <= NOW + 300)


@cache
def minted() -> bytes:
    """A token of alice, with a role of its own."""
    return sign(some_claims(role="own"))


class _Saying:
    """A client that hears one thing, whatever it asks."""

    def __init__(self, said: Asked | Exception) -> None:
        self._said = said

    async def get(self, address: str, **_: Any) -> Asked:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said

    async def close(self) -> None:
        """Nothing is open."""


class _NoCache:
    async def get(self, key: bytes) -> bytes | None:
        return None

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Nothing is kept."""

    async def drop(self, key: bytes) -> None:
        """Nothing is there."""


async def admitted(said: Asked | Exception, token: bytes, **settings: Any) -> Admission:
    section = UserInfoSection(claims=NAMED, endpoint="https://issuer.example/me", **settings)
    configured = issuer(userinfo=section)
    config = Config(
        upstream="http://h",
        issuers=(configured,),
        identity_headers=dict(HEADERS),
        routes=(RouteSection(path="/staff/*", claims={"/groups/0": "staff"}), RouteSection(path="/*")),
    )
    keys = MemoryIssuers()
    userinfo = RemoteUserInfo([configured], keys=keys, cache=_NoCache(), observer=Unheard(), clock=lambda: NOW)
    userinfo._askers["local"]._client = _Saying(said)  # type: ignore[assignment]
    gate = Gate(config, issuers=keys, upstream=Nowhere(), observer=Unheard(), userinfo=userinfo, clock=lambda: NOW)
    try:
        return await gate.admit(facts(token, target=b"/staff/1"), Ending())
    finally:
        await userinfo.stop()


@given(
    st.one_of(st.sampled_from([200] * 5), st.integers(100, 599), st.none()),
    TYPES,
    st.one_of(st.binary(max_size=40), SAID.map(lambda value: json.dumps(value).encode())),
    st.sampled_from(["absent", "refuse"]),
    st.sampled_from([None, "absent", "refuse"]),
)
def test_a_request_is_admitted_as_the_table_says_or_refused(
    status: int | None, media_type: str, body: bytes, on_failure: str, on_401: str | None
) -> None:
    said: Asked | Exception = FetchFailed("no")
    if status is not None:
        said = Asked(status, media_type, {"retry-after": body.decode("latin-1")}, body)
    try:
        admission = asyncio.run(admitted(said, minted(), on_failure=on_failure, on_401=on_401))
    except ALLOWED as refusal:
        inactive = isinstance(refusal, TokenInactive)
        assert not inactive or (status == 401 and on_401 == "refuse")
        return
    # Both are asked for, so it was had, and is about alice.
    assert status == 200
    claims = json.loads(body)
    assert claims["sub"] == "alice"
    assert claims["groups"][0] == "staff"
    sent = dict(admission.headers)
    assert sent[b"X-Email"].decode() == claims["email"]
    assert sent[b"X-Role"] == b"own"


@given(st.sampled_from(["a@b", "x", "A B"]), st.sampled_from(["staff", "guests"]))
def test_what_the_table_allows_is_admitted(email: str, group: str) -> None:
    body = json.dumps({"sub": "alice", "email": email, "groups": [group], "role": "other"}).encode()
    said = Asked(200, "application/json", {}, body)
    try:
        admission = asyncio.run(admitted(said, minted()))
    except ClaimMismatch:
        assert group == "guests"
        return
    assert group == "staff"
    assert dict(admission.headers)[b"X-Email"].decode() == email
