"""A token to an identity: remembered, or verified now, with keys that may have to be fetched."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import sha256
from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.keys_of import AskedKeys, KeysOf
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.errors import (
    BadSignature,
    ClaimMismatch,
    IdentityClaimMissing,
    IdToken,
    IssuerUnavailable,
    MissingClaim,
    Refusal,
    Suspect,
    TokenExpired,
    TokenLifetimeTooLong,
    TokenMalformed,
    TokenNotYetValid,
    UnknownIssuer,
    UnknownKey,
)
from gateway.core.rates.bad_tokens import BadTokens
from gateway.core.routing.policy import check_claims
from gateway.core.routing.route import compile_route
from gateway.core.token.credential import Credential
from gateway.core.token.digests import digest_of
from gateway.core.token.handles import index_value
from gateway.core.token.identity import Identity
from gateway.core.token.keys import KeySet
from gateway.core.trail import Step, Trail
from gateway.verifier import Verifier
from tests.memory import MemoryIssuers, Recorder, key_set
from tests.signer import ISSUER, NOW, compact, issuer, key, sign, some_claims, some_header


class Counting:
    """Rates that count bad tokens and nothing else."""

    def __init__(self, bad_tokens: BadTokens) -> None:
        self.bad_tokens: BadTokens | None = bad_tokens

    async def check(self, rules: Any, facts: Any, ending: Any) -> None:
        raise AssertionError


class World:
    """A verifier, everything around it, and a clock."""

    def __init__(
        self, *, issuer_settings: dict[str, Any] | None = None, bad_tokens: BadTokens | None = None, **settings: Any
    ) -> None:
        self.now = NOW
        self.issuers = MemoryIssuers()
        self.recorder = Recorder()
        self.trail = Trail()
        config = Config(upstream="http://127.0.0.1:3000", issuers=(issuer(**(issuer_settings or {})),), **settings)
        self.verifier = Verifier(
            config,
            issuers=self.issuers,
            observer=self.recorder,
            clock=lambda: self.now,
            rates=None if bad_tokens is None else Counting(bad_tokens),
        )

    async def identify(self, token: bytes, *, sender: str | None = None) -> Identity:
        """Who a token speaks for; `trail` is that of this token."""
        self.trail = Trail()
        credential = Credential(token)
        digest = digest_of(credential.token)
        return self.verifier.recall(digest) or await self.verifier.verify(credential, digest, self.trail, sender=sender)

    async def refusal(self, token: bytes, *, sender: str | None = None) -> Refusal:
        """What a token is refused with."""
        with pytest.raises(Refusal) as caught:
            await self.identify(token, sender=sender)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


async def test_a_token_is_verified_once_and_then_remembered(world: World) -> None:
    token = sign()
    first = await world.identify(token)
    assert (first.issuer, first.subject, first.client) == ("local", "alice", "app")
    assert first.scopes == ("read:orders", "write:orders")
    assert first.token_id == sha256(token).hexdigest()[:12]
    assert first.headers == (
        (b"X-User-Id", b"alice"),
        (b"X-Client-Id", b"app"),
        (b"X-Token-Scopes", b"read:orders write:orders"),
    )
    assert await world.identify(token) is first
    assert world.recorder.hits == [False, True]
    assert world.recorder.verified == [("local", None)]
    assert world.issuers.fetches == []


async def test_a_remembered_token_expires_with_its_leeway(world: World) -> None:
    token = sign()
    await world.identify(token)
    world.now = NOW + 329.999
    await world.identify(token)
    world.now = NOW + 330
    assert type(await world.refusal(token)) is TokenExpired
    assert world.recorder.hits == [False, True, False]
    world.now = NOW
    await world.identify(token)
    assert world.recorder.hits[-1] is False


async def test_a_remembered_token_is_not_valid_before_its_time_when_the_clock_goes_back(world: World) -> None:
    token = sign(some_claims(nbf=NOW, iat=NOW - 900))
    await world.identify(token)
    world.now = NOW - 30
    await world.identify(token)
    world.now = NOW - 30.5
    assert type(await world.refusal(token)) is TokenNotYetValid
    assert world.recorder.hits == [False, True, False]


async def test_a_remembered_token_ends_when_its_key_is_withdrawn(world: World) -> None:
    token = sign()
    await world.identify(token)
    world.issuers.known = key_set("rsa-2048-b", kid="rsa-a")
    assert type(await world.refusal(token)) is BadSignature
    world.issuers.known = key_set("p-256")
    assert type(await world.refusal(token)) is UnknownKey
    world.issuers.known = key_set("rsa-2048-a")
    await world.identify(token)
    assert world.recorder.hits == [False, False, False, False]


async def test_a_refusal_is_not_remembered(world: World) -> None:
    world.issuers.known = KeySet()
    token = sign()
    assert type(await world.refusal(token)) is UnknownKey
    world.issuers.known = key_set("rsa-2048-a")
    await world.identify(token)
    world.now += 1_000
    for _ in range(2):
        assert type(await world.refusal(token)) is TokenExpired
    assert world.recorder.hits == [False] * 4


async def test_a_known_kid_that_did_not_sign_may_be_that_of_a_new_key(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-b", kid="rsa-a")
    await world.identify(sign(name="rsa-2048-b", header={"kid": "rsa-a"}))
    assert world.issuers.fetches == [("local", "RS256", "rsa-a")]
    assert world.trail.values(Step.SIGNATURE)["tried"] == 2


@pytest.mark.parametrize(
    "published",
    [None, key_set("p-256", kid="rsa-a"), key_set("rsa-2048-b", kid="rsa-a"), IssuerUnavailable("asked too often")],
)
async def test_a_known_kid_that_did_not_sign_is_a_bad_signature_whatever_the_issuer_says(
    world: World, published: KeySet | Refusal | None
) -> None:
    world.issuers.published = published
    refusal = await world.refusal(compact(some_header(), some_claims()))
    assert type(refusal) is BadSignature
    assert refusal.evidence == "the key local publishes under this kid did not sign the token"
    assert world.issuers.fetches == [("local", "RS256", "rsa-a")]


async def test_a_nameless_key_serves_a_token_that_names_one(world: World) -> None:
    world.issuers.known = key_set("rsa-2048-a", kid=None)
    await world.identify(sign())
    assert world.issuers.fetches == []
    world.issuers.published = key_set("rsa-2048-b", kid=None)
    await world.identify(sign(name="rsa-2048-b"))
    assert type(await world.refusal(sign())) is BadSignature
    world.issuers.published = IssuerUnavailable("asked too often: the key may be new")
    assert type(await world.refusal(sign())) is IssuerUnavailable


async def test_an_unknown_kid_is_fetched(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-b")
    identity = await world.identify(sign(name="rsa-2048-b"))
    assert identity.subject == "alice"
    assert world.issuers.fetches == [("local", "RS256", "rsa-b")]


async def test_a_fetched_key_that_did_not_sign_is_a_bad_signature(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-b", kid="new")
    assert type(await world.refusal(sign(header={"kid": "new"}))) is BadSignature
    assert len(world.issuers.fetches) == 1


async def test_a_kid_that_nobody_publishes_is_an_unknown_key(world: World) -> None:
    refusal = await world.refusal(sign(header={"kid": "../../etc/passwd"}))
    assert type(refusal) is UnknownKey
    assert world.issuers.fetches == [("local", "RS256", "../../etc/passwd")]


async def test_a_token_without_kid_is_tried_with_the_keys_that_fit(world: World) -> None:
    await world.identify(sign(header={"kid": ...}))
    await world.identify(sign(name="p-256", header={"kid": ...}))
    assert world.issuers.fetches == []


async def test_a_token_without_kid_is_tried_again_after_a_fetch(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-a", "rsa-2048-b")
    await world.identify(sign(name="rsa-2048-b", header={"kid": ...}))
    assert world.issuers.fetches == [("local", "RS256", None)]


async def test_a_token_without_kid_that_no_published_key_signed_is_a_bad_signature(world: World) -> None:
    refusal = await world.refusal(sign(name="rsa-2048-b", header={"kid": ...}))
    assert type(refusal) is BadSignature
    assert len(world.issuers.fetches) == 1
    world.issuers.published = UnknownKey("asked a moment ago")
    assert type(await world.refusal(sign(name="rsa-2048-b", header={"kid": ...}))) is BadSignature


async def test_a_token_without_kid_and_without_keys_is_an_unknown_key(world: World) -> None:
    world.issuers.known = KeySet()
    assert type(await world.refusal(sign(header={"kid": ...}))) is UnknownKey


@pytest.mark.parametrize("kid", ["new", ...])
async def test_while_nobody_can_tell_the_response_is_503_and_never_401(world: World, kid: Any) -> None:
    world.issuers.published = IssuerUnavailable("asked too often: the key may be new", retry_after=7)
    refusal = await world.refusal(sign(name="rsa-2048-b", header={"kid": kid}))
    assert type(refusal) is IssuerUnavailable
    assert (refusal.status, refusal.retry_after) == (503, 7)
    assert world.recorder.verified == [("local", "issuer_unavailable")]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (sign(some_claims(iss="https://evil.example"), header={"kid": "new"}), UnknownIssuer),
        (sign(some_claims(exp=NOW - 900), header={"kid": "new"}), TokenExpired),
        (sign(some_claims(at_hash="abc"), header={"kid": "new"}), IdToken),
        (b"opaque", TokenMalformed),
    ],
)
async def test_nothing_is_fetched_for_a_token_that_is_refused_anyway(
    world: World, token: bytes, reason: type[Refusal]
) -> None:
    assert type(await world.refusal(token)) is reason
    assert world.issuers.fetches == []


@pytest.mark.parametrize(
    ("token", "suspect"),
    [
        (b"opaque", Suspect(sha256(b"opaque").hexdigest()[:12])),
        (compact(some_header(kid="a\nb"), some_claims(iss=["x"])), Suspect("", "a\\nb", None)),
        (compact(some_header(kid=...), some_claims(iss="https://evil.example")), Suspect("", None, None)),
        (compact(some_header(kid="k"), some_claims(exp=0)), Suspect("", "k", "local")),
    ],
)
async def test_a_refusal_names_its_token_by_hash_kid_and_configured_issuer(
    world: World, token: bytes, suspect: Suspect
) -> None:
    refusal = await world.refusal(token)
    assert refusal.suspect == Suspect(sha256(token).hexdigest()[:12], suspect.kid, suspect.issuer)
    assert world.recorder.verified == [(suspect.issuer, refusal.reason)]


async def test_a_token_without_a_required_claim_is_refused_after_its_signature() -> None:
    world = World(identity_headers={"X-Email": IdentityHeader(claim="email", required=True)})
    assert type(await world.refusal(sign(name="rsa-2048-b", header={"kid": "rsa-a"}))) is BadSignature
    refusal = await world.refusal(sign())
    assert type(refusal) is IdentityClaimMissing
    assert world.recorder.verified[-1] == ("local", "identity_claim_missing")
    identity = await world.identify(sign(some_claims(email="a@example.com")))
    assert identity.headers == ((b"X-Email", b"a@example.com"),)


async def test_only_the_claims_that_routes_ask_for_are_kept() -> None:
    names = ("tenant", "/realm_access/roles", "https://example.com/level", "absent", "null")
    world = World(
        routes=(
            RouteSection(path="/a", claims=dict.fromkeys(names, "x")),
            RouteSection(path="/b", claims={"tenant": "y"}),
        )
    )
    claims = {"tenant": "acme", "realm_access": {"roles": ["admin"]}, "https://example.com/level": 3, "null": None}
    identity = await world.identify(sign(some_claims(**claims, secret="s")))
    assert identity.claims == {
        "tenant": "acme",
        "/realm_access/roles": ["admin"],
        "https://example.com/level": 3,
        "null": None,
    }


async def test_without_routes_no_claim_is_kept(world: World) -> None:
    assert (await world.identify(sign())).claims == {}


@pytest.mark.parametrize(
    ("token", "reached"),
    [
        (b"opaque", Step.FORM),
        (sign(some_claims(iss="https://evil.example")), Step.ISSUER),
        (sign(some_claims(exp=0)), Step.TIME),
        (compact(some_header(), some_claims()), Step.SIGNATURE),
        (sign(), Step.HEADERS),
    ],
)
async def test_the_trail_shows_how_far_a_token_came(world: World, token: bytes, reached: Step) -> None:
    with nullcontext() if reached is Step.HEADERS else pytest.raises(Refusal):
        await world.identify(token)
    asked_of_others = {Step.BAD_TOKENS, Step.INTROSPECTION}
    order = [step for step in Step if step not in asked_of_others]
    assert world.trail.step is reached
    assert world.trail.steps[1:] == order[order.index(Step.FORM) : order.index(reached) + 1]


async def test_the_trail_shows_what_was_seen_of_a_token_and_no_claim_that_no_check_names(world: World) -> None:
    await world.identify(sign(some_claims(secret="s3cret", email="alice@example.com"), header={"kid": "rsa-a"}))
    trail = world.trail
    assert trail.values(Step.FORM) == {"alg": "RS256", "kid": "rsa-a", "typ": "at+jwt"}
    assert trail.values(Step.SIGNATURE) == {
        "tried": 1,
        "kid": "rsa-a",
        "thumbprint": key("rsa-2048-a").thumbprint,
    }
    seen = repr([trail.values(step) for step in Step])
    assert "s3cret" not in seen
    assert "alice@example.com" not in seen


async def test_a_bound_token_is_verified_and_remembered_as_bound(world: World) -> None:
    token = sign(some_claims(cnf={"jkt": "thumb"}))
    for _ in range(2):
        identity = await world.identify(token)
        assert identity.confirmation is not None
        assert identity.confirmation.methods == {"jkt": "thumb"}
    assert (await world.identify(sign())).confirmation is None


async def test_scopes_come_from_where_the_issuer_is_configured_to_have_them() -> None:
    claims = some_claims(scope="a", scp=["b"], permissions=["c"], roles=["d"])
    for settings, scopes in (
        ({}, ("a", "b")),
        ({"preset": "auth0"}, ("a", "c")),
        ({"preset": "entra"}, ("b", "d")),
        ({"scope_claims": ("roles",)}, ("d",)),
        ({"preset": "auth0", "scope_claims": ("roles", "permissions")}, ("d", "c")),
    ):
        assert (await World(issuer_settings=settings).identify(sign(claims))).scopes == scopes


async def test_roles_that_nobody_reads_are_known_for_the_evidence_of_a_refusal() -> None:
    url = "https://login.example/realms/staff"
    token = sign(some_claims(iss=url, realm_access={"roles": ["admin"]}))
    unread = (await World(issuer_settings={"issuer": url}).identify(token)).unread
    assert unread == "/realm_access/roles would count with preset keycloak"
    with_preset = await World(issuer_settings={"issuer": url, "preset": "keycloak"}).identify(token)
    assert (with_preset.unread, "admin" in with_preset.scopes) == ("", True)


async def test_two_issuers_may_have_an_alice_each_and_a_header_says_which() -> None:
    config = Config(
        upstream="http://127.0.0.1:3000",
        issuers=(issuer(name="customers"), issuer(issuer="https://staff.example", name="staff")),
        identity_headers={"X-User-Id": "sub", "X-Token-Issuer": IdentityHeader(source="issuer")},
    )
    keys = MemoryIssuers(names=frozenset({"customers", "staff"}))
    verifier = Verifier(config, issuers=keys, observer=Recorder(), clock=lambda: NOW)
    told = []
    for iss in (issuer().issuer, "https://staff.example"):
        token = sign(some_claims(iss=iss))
        told.append((await verifier.verify(Credential(token), digest_of(token), Trail())).headers)
    assert told == [((b"X-User-Id", b"alice"), (b"X-Token-Issuer", name)) for name in (b"customers", b"staff")]


async def test_a_role_with_a_blank_reaches_the_api_escaped_and_opens_no_route() -> None:
    world = World(issuer_settings={"preset": "keycloak"})
    found = await world.identify(sign(some_claims(scope="a", realm_access={"roles": ["orders admin", "reader"]})))
    assert found.scopes == ("a", "reader")
    assert found.headers[-1] == (b"X-Token-Scopes", b"a orders%20admin reader")


async def test_by_what_a_token_can_be_revoked_is_known_only_where_that_is_configured(world: World) -> None:
    plain = await world.identify(sign(some_claims(jti="t1", sid="s1")))
    assert (plain.handles, plain.issued_at, plain.jti, plain.sid) == (None, None, None, None)
    revocable = World(revocation=Revocation())
    token = sign(some_claims(jti="t1", sid="s1"))
    caller = await revocable.identify(token)
    assert (caller.issued_at, caller.jti, caller.sid) == (NOW, "t1", "s1")
    assert caller.handles is not None
    assert index_value("token", sha256(token.rpartition(b".")[0]).hexdigest()) in caller.handles.index
    assert index_value("subject", ISSUER, "alice") in caller.handles.index


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"iat": NOW, "exp": NOW + 121}, (TokenLifetimeTooLong, "lives 121 s; revocation.keep accepts 120 s")),
        ({"iat": ...}, (MissingClaim, "there is no iat, which revocation.keep needs")),
    ],
)
async def test_a_token_that_could_not_be_revoked_for_good_is_refused(
    claims: dict[str, Any], told: tuple[type[Refusal], str]
) -> None:
    world = World(revocation=Revocation(keep=Seconds(120)))
    refusal = await world.refusal(sign(some_claims(**claims)))
    assert (type(refusal), refusal.evidence) == told
    await world.identify(sign(some_claims(exp=NOW + 120)))
    strict = World(revocation=Revocation(keep=Seconds(120)), issuer_settings={"max_lifetime": Seconds(60)})
    assert (await strict.refusal(sign(some_claims(exp=NOW + 120)))).evidence.endswith("max_lifetime accepts 60 s")


async def test_another_spelling_of_a_signature_is_the_same_token_to_whoever_revoked_it() -> None:
    world = World(revocation=Revocation())
    token = sign(name="p-256")
    signed, _, signature = token.rpartition(b".")
    raw = urlsafe_b64decode(signature + b"==")
    # SEC 1 section 4.1.4: with -s instead of s it verifies as well; the order of P-256 is in FIPS 186-5.
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = raw[:32] + (order - int.from_bytes(raw[32:])).to_bytes(32)
    respelled = signed + b"." + urlsafe_b64encode(other).rstrip(b"=")
    first, second = await world.identify(token), await world.identify(respelled)
    assert first.token_id != second.token_id
    assert first.handles is not None
    assert second.handles is not None
    assert first.handles.index == second.handles.index


async def test_what_was_asked_for_beside_a_token_ends_and_the_token_is_not_verified_again() -> None:
    section = UserInfoSection(claims=("email",))
    world = World(issuer_settings={"userinfo": section}, identity_headers={"X-Email": "email"})
    token = sign()
    bare = await world.identify(token)
    assert bare.lacks is not None
    whole = bare.completed_with({}, headers=(), until=NOW + 60)
    world.verifier.replace(digest_of(token), whole, beside=10)
    assert await world.identify(token) is whole
    world.now += 60
    assert await world.identify(token) is bare
    assert world.verifier._verified.find(digest_of(token)) is bare
    assert world.recorder.hits == [False, True, True]
    assert len(world.recorder.verified) == 1


async def test_what_was_asked_for_beside_a_token_is_not_put_over_what_became_of_it_meanwhile() -> None:
    world = World(
        issuer_settings={"userinfo": UserInfoSection(claims=("email",))}, identity_headers={"X-Email": "email"}
    )
    token = sign()
    digest = digest_of(token)
    whole = (await world.identify(token)).completed_with({}, headers=(), until=NOW + 60)
    world.verifier._verified.forget(digest)
    renewed = await world.identify(token)
    world.verifier.replace(digest, whole, beside=10)
    assert await world.identify(token) is renewed


# Bad tokens

CLIENT = "192.0.2.1"


def forged() -> bytes:
    """Made by whoever has no key of the issuer."""
    return sign(name="rsa-2048-b", header={"kid": "rsa-a"})


def counting(limit: int = 3, **settings: Any) -> World:
    return World(bad_tokens=BadTokens(limit=limit, window=60, clock=lambda: 0.0), **settings)


@pytest.mark.parametrize(
    ("minted", "reason"),
    [
        (forged, "bad_signature"),
        (lambda: sign(header={"kid": "nobody's"}), "unknown_key"),
        (lambda: sign(some_claims(iss="https://other.example")), "unknown_issuer"),
        (lambda: b"opaque", "token_malformed"),
    ],
)
async def test_what_nobody_issued_is_counted(minted: Callable[[], bytes], reason: str) -> None:
    world = counting(limit=1)
    assert (await world.refusal(minted(), sender=CLIENT)).reason == reason
    limited = await world.refusal(sign(), sender=CLIENT)
    assert (limited.reason, limited.status, limited.retry_after) == ("rate_limited", 429, 60)
    assert world.trail.step is Step.BAD_TOKENS
    assert limited.suspect is not None
    assert limited.suspect.issuer == "local"
    assert world.recorder.verified[-1] == ("local", "rate_limited")


@pytest.mark.parametrize(
    "minted",
    [
        lambda: sign(some_claims(exp=NOW - 60)),
        lambda: sign(some_claims(nbf=NOW + 60)),
        lambda: sign(some_claims(aud="https://other.example")),
        lambda: sign(some_claims(at_hash="x")),
        lambda: sign(some_claims(typ="Refresh")),
        lambda: sign(some_claims(scope=...), header={"typ": "JWT"}),
        lambda: compact(some_header(alg="none"), some_claims()),
        lambda: b"a.b.c.d.e",
    ],
)
async def test_what_honest_clients_get_wrong_is_not(minted: Callable[[], bytes]) -> None:
    world = counting(limit=1)
    for _ in range(3):
        assert (await world.refusal(minted(), sender=CLIENT)).reason != "rate_limited"
    await world.identify(sign(), sender=CLIENT)


async def test_a_flood_of_forged_tokens_costs_no_signature_check_beyond_the_limit() -> None:
    world = counting(limit=3)
    remembered, bad = sign(), forged()
    identity = await world.identify(remembered, sender=CLIENT)
    world.issuers.published = UnknownKey("not published")
    reasons, checked = [], 0
    for _ in range(50):
        reasons.append((await world.refusal(bad, sender=CLIENT)).reason)
        checked += Step.SIGNATURE in world.trail.steps
    assert reasons == ["bad_signature"] * 3 + ["rate_limited"] * 47
    assert (checked, len(world.issuers.fetches)) == (3, 3)
    # Who is known passes, and whoever sends a token that is refused for nothing learns why.
    assert await world.identify(remembered, sender=CLIENT) is identity
    assert (await world.refusal(sign(some_claims(exp=NOW - 60)), sender=CLIENT)).reason == "token_expired"
    assert (await world.refusal(b"opaque", sender=CLIENT)).reason == "token_malformed"
    # Nobody else is held up, and nobody where nobody says whose address counts.
    await world.identify(sign(some_claims(sub="bob")), sender="192.0.2.2")
    await world.identify(sign(some_claims(sub="carol")))


async def test_of_many_that_wait_for_one_fetch_no_more_are_tried_than_may_be_bad() -> None:
    world = counting(limit=3)
    world.issuers.published = key_set("rsa-2048-a", "p-256", "rsa-2048-b")
    # Named as a key that will be published, and signed by another.
    bad = [sign(some_claims(jti=str(number)), header={"kid": "rsa-b"}) for number in range(20)]
    refused = await asyncio.gather(*(world.refusal(token, sender=CLIENT) for token in bad))
    assert Counter(refusal.reason for refusal in refused) == {"bad_signature": 3, "rate_limited": 17}


ROLES_URN = "urn:zitadel:iam:org:project:roles"
PROJECT_URN = "urn:zitadel:iam:org:project:42:roles"


async def test_roles_of_zitadel_are_scopes_and_may_be_asked_for_by_a_route() -> None:
    routes = (RouteSection(path="/a", claims={PROJECT_URN: "admin"}), RouteSection(path="/b", claims={"plain": "x"}))
    roles = {ROLES_URN: {"reader": {"1": "a.example"}}, PROJECT_URN: {"admin": {"1": "a.example"}, "off": False}}
    token = sign(some_claims(aud=["42"], plain={"x": 1}, **roles))
    found = await World(issuer_settings={"preset": "zitadel", "audience": "42"}, routes=routes).identify(token)
    assert found.scopes == ("read:orders", "write:orders", "reader", "admin")
    admin, plain = (compile_route(route) for route in routes)
    check_claims(admin, found)
    with pytest.raises(ClaimMismatch):
        check_claims(plain, found)
    # Without the preset these are objects as any other.
    other = await World(issuer_settings={"audience": "42"}, routes=routes).identify(token)
    assert other.scopes == ("read:orders", "write:orders")
    with pytest.raises(ClaimMismatch):
        check_claims(admin, other)


async def test_keys_of_an_object_count_where_the_file_says_so() -> None:
    asked = AskedKeys(keys_of="/realm/roles", one_of=("admin",))
    routes = (RouteSection(path="/a", claims={"role": asked}),)
    settings = {"scope_claims": ("scope", KeysOf(keys_of="/realm/roles"))}
    world = World(issuer_settings=settings, routes=routes)
    admin = await world.identify(sign(some_claims(realm={"roles": {"admin": {}, "a b": 1}})))
    assert admin.scopes == ("read:orders", "write:orders", "admin")
    check_claims(compile_route(routes[0]), admin)
    refused: list[Any] = [{"reader": 1}, {"admin": False}, {"admin": None}, ["admin"], "admin"]
    for roles in refused:
        nobody = await world.identify(sign(some_claims(realm={"roles": roles})))
        with pytest.raises(ClaimMismatch, match="the keys of /realm/roles"):
            check_claims(compile_route(routes[0]), nobody)
