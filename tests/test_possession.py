"""Tokens that are bound, proofs for them, and requests from the gate's point of view: who passes, and what is said."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.rates import BadTokensSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.errors import (
    BadRequest,
    BindingUnsupported,
    ConditionFalse,
    DPoPProofElsewhere,
    DPoPProofInvalid,
    DPoPProofUntimely,
    IdToken,
    InsufficientScope,
    MisplacedToken,
    MissingCredential,
    MultipleCredentials,
    NonceRequired,
    ProofMismatch,
    ProofReplayed,
    ProofRequired,
    RateLimited,
    Refusal,
    TokenExpired,
    TokenNotBound,
    UnknownHost,
    WrongAudience,
)
from gateway.core.http.client_address import client_addresses_of
from gateway.core.http.facts import HeaderLine
from gateway.core.http.response_lines import NO_STORE
from gateway.core.proof.nonces import STEP, Nonces
from gateway.core.routing.admission import Admission
from gateway.core.trail import Step
from gateway.events import ProofJudged
from gateway.gate import Gate
from gateway.ports import Ending
from gateway.possession import Possession
from gateway.store.rates import RateLimits
from gateway.store.replays import ProcessReplays
from tests.memory import MemoryIssuers, Nowhere, facts
from tests.prover import HOLDER, bound_to, proof
from tests.signer import NOW, issuer, sign, some_claims
from tests.store.heard import Heard

SECRET = Secret(file="nonce-key")
KEY = "k" * 32
NONCES = DPoPSection(nonce="required", nonce_key=SECRET)
KEYCLOAK = Path(__file__).parent / "data" / "keycloak"
EXTERNAL = "https://api.example.com"


class World:
    """A gate that accepts proofs, and a clock."""

    def __init__(self, *, issuer_settings: dict[str, Any] | None = None, **settings: Any) -> None:
        self.now = NOW
        self.heard = Heard()
        defaults = {"dpop": DPoPSection(), "external_url": EXTERNAL}
        config = Config(
            upstream="http://127.0.0.1:1", issuers=(issuer(**(issuer_settings or {})),), **{**defaults, **settings}
        )
        senders = client_addresses_of(config)
        rates = RateLimits(config, shared=None) if config.bad_tokens is not None else None
        possession = Possession(
            config,
            observer=self.heard,
            clock=self.clock,
            replays=ProcessReplays(observer=self.heard, clock=self.clock),
            read={SECRET: KEY}.__getitem__,
            rates=rates,
            sender=None if senders is None else senders.of,
        )
        self.gate = Gate(
            config,
            issuers=MemoryIssuers(),
            upstream=Nowhere(),
            observer=self.heard,
            rates=rates,
            possession=possession,
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    @property
    def judged(self) -> list[str]:
        return [event.result for event in self.heard.events if isinstance(event, ProofJudged)]

    async def ask(
        self,
        token: bytes,
        *proofs: bytes,
        under: bytes = b"DPoP",
        headers: Sequence[HeaderLine] = (),
        **settings: Any,
    ) -> tuple[Admission | Refusal, Ending]:
        """A request with a token and these DPoP headers."""
        lines = (under + b" " + token,)
        request = facts(
            None,
            *headers,
            (b"Authorization", lines[0]),
            *((b"DPoP", value) for value in proofs),
            **{"authorization": lines, **settings},
        )
        ending = Ending()
        try:
            return await self.gate.admit(request, ending), ending
        except Refusal as refusal:
            return refusal, ending


def bound(name: str = HOLDER, **changes: Any) -> bytes:
    return sign(some_claims(cnf=bound_to(name), **changes))


async def test_a_bound_token_passes_with_a_proof_of_its_own_for_each_request() -> None:
    world = World()
    token = bound()
    admission, ending = await world.ask(token, proof(token))
    assert isinstance(admission, Admission)
    assert ending.steps[-3:] == [Step.BINDING, Step.POLICY, Step.REPLAY]
    assert ending.response_lines == ()
    # The API sees neither.
    assert not {name.lower() for name, _ in admission.headers} & {b"authorization", b"dpop"}
    # Remembered, the token still proves nothing.
    admission, ending = await world.ask(token, proof(token))
    assert isinstance(admission, Admission)
    assert Step.REMEMBERED in ending.steps
    refusal, _ = await world.ask(token)
    assert type(refusal) is ProofRequired
    assert world.judged == ["ok", "ok", "proof_required"]


async def test_a_proof_is_used_once_whoever_sends_it_again() -> None:
    world = World()
    token = bound()
    once = proof(token)
    assert isinstance((await world.ask(token, once))[0], Admission)
    refusal, ending = await world.ask(token, once, peer="203.0.113.7")
    assert type(refusal) is ProofReplayed
    assert (refusal.scheme, refusal.challenge, ending.step) == ("DPoP", True, Step.REPLAY)
    assert refusal.suspect is not None
    # The same jti in another proof of the same key is used as well; of another key it is another.
    refusal, _ = await world.ask(token, proof(token, jti="fixed"))
    assert isinstance(refusal, Admission)
    refusal, _ = await world.ask(token, proof(token, jti="fixed", iat=NOW - 5))
    assert type(refusal) is ProofReplayed
    other = bound("ed25519")
    assert isinstance((await world.ask(other, proof(other, name="ed25519", jti="fixed")))[0], Admission)


async def test_a_proof_is_not_used_up_by_a_request_that_is_refused_for_something_else() -> None:
    world = World(routes=(RouteSection(path="/orders", scopes=("admin",)), RouteSection(path="/*")))
    token = bound()
    once = proof(token)
    refusal, _ = await world.ask(token, once)
    assert type(refusal) is InsufficientScope
    assert refusal.scheme == "DPoP"
    refusal, _ = await world.ask(token, once)
    assert type(refusal) is InsufficientScope
    assert world.judged == []


async def test_a_proof_is_used_up_on_a_route_that_only_reports() -> None:
    world = World(routes=(RouteSection(path="/*", mode="report"),))
    token = bound()
    once = proof(token)
    admission, ending = await world.ask(token, once)
    assert isinstance(admission, Admission)
    assert (ending.reported, admission.identity is not None) == (None, True)
    admission, ending = await world.ask(token, once)
    assert isinstance(admission, Admission)
    assert (type(ending.reported), ending.reported_at) == (ProofReplayed, Step.REPLAY)
    # Whoever sends a proof again may be anybody: the API is told of nobody.
    assert (admission.identity, ending.identity) == (None, None)
    assert not any(name == b"X-User-Id" for name, _ in admission.headers)


async def test_a_proof_is_used_up_there_also_when_something_else_is_reported() -> None:
    world = World(routes=(RouteSection(path="/*", mode="report", scopes=("admin",)),))
    token = bound()
    once = proof(token)
    for known in (True, False):
        admission, ending = await world.ask(token, once)
        assert isinstance(admission, Admission)
        assert (type(ending.reported), ending.reported_at) == (InsufficientScope, Step.POLICY)
        # Whoever sends it again may be anybody.
        assert (admission.identity is not None) is known
    assert world.judged == ["ok", "proof_replayed"]


@pytest.mark.parametrize(
    ("token_of", "proof_of", "scheme", "refusal", "scheme_of_refusal"),
    [
        # Bound, and sent as if it were not: with and without a proof that would fit.
        ({"cnf": bound_to()}, {}, b"Bearer", ProofRequired, "Bearer"),
        ({"cnf": bound_to()}, None, b"Bearer", ProofRequired, "Bearer"),
        ({"cnf": bound_to()}, None, b"DPoP", ProofRequired, "DPoP"),
        ({"cnf": bound_to()}, {"name": "ed25519"}, b"DPoP", ProofMismatch, "DPoP"),
        ({"cnf": bound_to()}, {"htm": "POST"}, b"DPoP", DPoPProofElsewhere, "DPoP"),
        ({"cnf": bound_to()}, {"iat": NOW - 200}, b"DPoP", DPoPProofUntimely, "DPoP"),
        ({}, {}, b"DPoP", TokenNotBound, "DPoP"),
        ({}, None, b"DPoP", TokenNotBound, "DPoP"),
        ({"cnf": {"x5t#S256": "abc"}}, {}, b"DPoP", TokenNotBound, "DPoP"),
        ({"cnf": {"x5t#S256": "abc"}}, {}, b"Bearer", ProofRequired, "Bearer"),
        ({"cnf": {"unknown": "abc"}}, {}, b"DPoP", BindingUnsupported, "DPoP"),
        ({"cnf": None}, {}, b"DPoP", BindingUnsupported, "DPoP"),
        ({"cnf": {"jkt": 7}}, {}, b"DPoP", BindingUnsupported, "DPoP"),
        ({"cnf": {"jkt": "short"}}, {}, b"DPoP", ProofMismatch, "DPoP"),
        # Bound twice, one proof is one too few.
        ({"cnf": {**bound_to(), "x5t#S256": "abc"}}, {}, b"DPoP", ProofRequired, "DPoP"),
        # A proof beside a token that is bound to nothing is nobody's business.
        ({}, {}, b"Bearer", None, ""),
        ({}, {"signature": b"nonsense"}, b"bearer", None, ""),
        ({"cnf": bound_to()}, {}, b"DPoP", None, ""),
        ({"cnf": bound_to()}, {}, b"dpop", None, ""),
        ({"cnf": {**bound_to(), "kc-jkt-type": "DPoP"}}, {}, b"DPoP", None, ""),
    ],
)
async def test_who_passes(
    token_of: dict[str, Any],
    proof_of: dict[str, Any] | None,
    scheme: bytes,
    refusal: type[Refusal] | None,
    scheme_of_refusal: str,
) -> None:
    token = sign(some_claims(**token_of))
    world = World()
    for _ in ("new", "remembered"):
        proofs = () if proof_of is None else (proof(token, **proof_of),)
        decided, ending = await world.ask(token, *proofs, under=scheme)
        if refusal is None:
            assert isinstance(decided, Admission)
            assert not any(name.lower() == b"dpop" for name, _ in decided.headers)
        else:
            assert type(decided) is refusal
            assert decided.scheme == scheme_of_refusal
            assert ending.identity is None
            assert ending.step is Step.BINDING


async def test_two_headers_are_refused_though_both_are_good() -> None:
    token = bound()
    refusal, _ = await World().ask(token, proof(token), proof(token))
    assert type(refusal) is DPoPProofInvalid
    refusal, _ = await World().ask(token, proof(token), b"")
    assert type(refusal) is DPoPProofInvalid


@pytest.mark.parametrize(
    ("target", "htu", "settings", "passes"),
    [
        (b"/orders?a=b", "https://api.example.com/orders", {}, True),
        (b"/orders?a=b", "https://api.example.com/orders?c=d", {}, True),
        (b"/orders", "https://evil.example/orders", {"host": b"evil.example"}, False),
        (b"/orders", "https://api.example.com/orders", {"host": b"evil.example"}, True),
        (b"/orders", "http://api.example.com/orders", {"scheme": "http"}, False),
        (b"/orders", "https://api.example.com/orders", {"scheme": "http"}, True),
        (b"/ord%65rs", "https://api.example.com/orders", {}, True),
        (b"/a/%2F", "https://api.example.com/a//", {}, False),
        (b"/chat", "https://api.example.com/chat", {"is_websocket": True}, True),
    ],
)
async def test_the_url_is_the_one_that_clients_use_and_not_what_a_host_says(
    target: bytes, htu: str, settings: dict[str, Any], *, passes: bool
) -> None:
    token = bound()
    decided, _ = await World().ask(token, proof(token, htu=htu), target=target, **settings)
    assert isinstance(decided, Admission) is passes
    assert passes or type(decided) is DPoPProofElsewhere


async def test_a_host_that_hosts_confirm_counts_and_no_other() -> None:
    world = World(external_url=None, hosts=("api.example.com",), trusted_proxies=("192.0.2.1/32",))
    token = bound()
    assert isinstance((await world.ask(token, proof(token)))[0], Admission)
    htu = "https://evil.example/orders"
    assert type((await world.ask(token, proof(token, htu=htu), host=b"evil.example"))[0]) is UnknownHost
    several = World(external_url=(EXTERNAL, "https://orders.example.com"))
    assert isinstance((await several.ask(token, proof(token)))[0], Admission)
    refusal, _ = await several.ask(token, proof(token, htu=htu), host=b"evil.example")
    assert type(refusal) is DPoPProofElsewhere
    assert refusal.evidence == "nobody confirms the host of the request: it is in neither external_url nor hosts"
    twice = [(b"X-Forwarded-Host", b"api.example.com"), (b"X-Forwarded-Host", b"evil.example")]
    refusal, _ = await world.ask(token, proof(token), headers=twice, trusted=True)
    assert type(refusal) is BadRequest


async def test_a_bound_token_in_another_place_is_not_proven_by_what_stands_in_authorization() -> None:
    world = World(credentials=("authorization", CredentialPlace(header="X-Access-Token")))
    token = bound()
    lines = ((b"X-Access-Token", token), (b"DPoP", proof(token)))

    async def ask(*authorization: bytes) -> Refusal | Admission:
        more = tuple((b"Authorization", value) for value in authorization)
        try:
            return await world.gate.admit(facts(None, *lines, *more, authorization=authorization), Ending())
        except Refusal as refusal:
            return refusal

    refusal = await ask()
    assert type(refusal) is ProofRequired
    assert refusal.scheme == "Bearer"
    assert type(await ask(b"DPoP " + token)) is MultipleCredentials
    assert type(await ask(b"DPoP")) is MisplacedToken
    assert isinstance((await world.ask(token, proof(token)))[0], Admission)


# issuers[].binding


@pytest.mark.parametrize(
    ("binding", "cnf", "refusal"),
    [
        ("any", ..., None),
        ("dpop", ..., TokenNotBound),
        ("mtls", ..., TokenNotBound),
        ("bound", ..., TokenNotBound),
        ("dpop", bound_to(), ProofRequired),
        ("mtls", bound_to(), TokenNotBound),
        ("bound", bound_to(), ProofRequired),
        ("dpop", {"x5t#S256": "abc"}, TokenNotBound),
        ("bound", {"x5t#S256": "abc"}, ProofRequired),
        ("mtls", {"x5t#S256": "abc"}, ProofRequired),
        ("dpop", {"unknown": 1}, BindingUnsupported),
    ],
)
@pytest.mark.parametrize("accepted", [True, False])
async def test_an_issuer_may_demand_that_its_tokens_are_bound(
    binding: str, cnf: Any, refusal: type[Refusal] | None, *, accepted: bool
) -> None:
    world = World(issuer_settings={"binding": binding}, dpop=DPoPSection() if accepted else None)
    token = sign(some_claims(cnf=cnf))
    for _ in ("new", "remembered"):
        decided, ending = await world.ask(token, under=b"Bearer")
        if refusal is None:
            assert isinstance(decided, Admission)
        else:
            assert type(decided) is refusal
            assert (ending.identity, ending.step) == (None, Step.BINDING)
            assert decided.suspect is not None
            assert decided.suspect.issuer == "local"
    decided, _ = await world.ask(token, proof(token))
    assert isinstance(decided, Admission) is (accepted and cnf == bound_to() and binding != "mtls")


async def test_where_dpop_is_off_the_scheme_is_unknown_and_bound_tokens_stay_refused() -> None:
    world = World(dpop=None)
    token = bound()
    refusal, ending = await world.ask(token, proof(token))
    assert type(refusal) is MissingCredential
    assert (refusal.scheme, ending.response_lines) == ("Bearer", ())
    refusal, _ = await world.ask(token, proof(token), under=b"Bearer")
    assert type(refusal) is ProofRequired


# Nonces


def nonce_of(ending: Ending) -> str:
    """The one that a response gives, which nobody may keep."""
    (value,) = [value for name, value in ending.response_lines if name == b"DPoP-Nonce"]
    assert NO_STORE in ending.response_lines
    return value.decode()


async def test_where_nonces_are_required_the_first_refusal_gives_one_that_is_good_for_two_minutes() -> None:
    world = World(dpop=NONCES)
    token = bound()
    refusal, ending = await world.ask(token, proof(token))
    assert type(refusal) is NonceRequired
    assert (refusal.code, refusal.scheme) == ("use_dpop_nonce", "DPoP")
    nonce = nonce_of(ending)
    assert nonce == Nonces().current((KEY,), now=NOW)
    admission, ending = await world.ask(token, proof(token, nonce=nonce))
    assert isinstance(admission, Admission)
    assert nonce_of(ending) == nonce
    world.now = NOW // STEP * STEP + STEP
    admission, ending = await world.ask(token, proof(token, nonce=nonce, iat=world.now))
    assert isinstance(admission, Admission)
    assert nonce_of(ending) != nonce
    world.now += STEP
    refusal, ending = await world.ask(token, proof(token, nonce=nonce, iat=world.now))
    assert type(refusal) is NonceRequired
    admission, _ = await world.ask(token, proof(token, nonce=nonce_of(ending), iat=world.now))
    assert isinstance(admission, Admission)
    assert world.judged == ["use_dpop_nonce", "ok", "ok", "use_dpop_nonce", "ok"]


async def test_every_response_to_whoever_uses_dpop_or_has_no_credential_gives_a_nonce() -> None:
    routes = (RouteSection(path="/public", access="public"), RouteSection(path="/*", scopes=("read:orders",)))
    world = World(dpop=NONCES, routes=routes)
    token = bound(scope="other")
    nonce = Nonces().current((KEY,), now=NOW)
    refusal, ending = await world.ask(token, proof(token, nonce=nonce))
    assert type(refusal) is InsufficientScope
    nonce_of(ending)
    expired = bound(exp=NOW - 100)
    refusal, ending = await world.ask(expired, proof(expired))
    assert type(refusal) is TokenExpired
    assert refusal.scheme == "DPoP"
    nonce_of(ending)
    ending = Ending()
    with pytest.raises(MissingCredential):
        await world.gate.admit(facts(), ending)
    nonce_of(ending)
    # Bearer tokens need none; the API's own would be taken for ours.
    admission, ending = await world.ask(sign(), under=b"Bearer")
    assert isinstance(admission, Admission)
    assert ending.response_lines == ((b"DPoP-Nonce", b""),)
    refusal, ending = await world.ask(sign(some_claims(exp=1)), under=b"Bearer")
    nonce_of(ending)
    # What a public API does there is its own.
    ending = Ending()
    await world.gate.admit(facts(target=b"/public"), ending)
    assert ending.response_lines == ()


async def test_without_nonces_no_response_has_one() -> None:
    world = World()
    token = bound()
    for sent in (proof(token), proof(token, htm="POST"), b""):
        _, ending = await world.ask(token, sent)
        assert ending.response_lines == ()


# Bad proofs


async def test_whoever_sends_many_bad_proofs_gets_no_signature_checked_and_keeps_reasons_that_cost_nothing() -> None:
    world = World(bad_tokens=BadTokensSection(limit=2, window=Seconds(60), direct=True))
    token = bound()
    forged = proof(token, signature=bytes(64))
    for _ in range(2):
        assert type((await world.ask(token, forged))[0]) is DPoPProofInvalid
    refusal, _ = await world.ask(token, proof(token))
    assert type(refusal) is RateLimited
    # A clock that is late is no attack, and is not counted.
    for _ in range(3):
        assert type((await world.ask(token, proof(token, iat=NOW - 200)))[0]) is DPoPProofUntimely
    assert isinstance((await world.ask(token, proof(token), peer="203.0.113.7"))[0], Admission)


async def test_proofs_that_are_late_are_not_counted_as_bad() -> None:
    world = World(bad_tokens=BadTokensSection(limit=2, window=Seconds(60), direct=True))
    token = bound()
    for _ in range(5):
        await world.ask(token, proof(token, iat=NOW - 200))
    assert isinstance((await world.ask(token, proof(token)))[0], Admission)


def test_what_is_not_a_refusal_of_ours_stays_as_it_is() -> None:
    refusal, ending = ConditionFalse(), Ending()
    World(dpop=NONCES).gate._possession.tell(refusal, facts(sign()), ending)
    assert (refusal.scheme, ending.response_lines) == ("Bearer", ())


# Keycloak


async def test_a_token_that_keycloak_bound_passes_with_a_proof_and_is_nothing_without() -> None:
    """A real one, whose client's key and whose signature are ours: both were gone when it was written down."""
    real = json.loads((KEYCLOAK / "token-dpop-token.json").read_text())
    claims = real["payload"]
    # Keycloak says of it what DPoP clients look for, and marks cnf with a member of its own.
    assert (claims["typ"], claims["cnf"]["kc-jkt-type"]) == ("DPoP", "DPoP")
    world = World(issuer_settings={"issuer": claims["iss"], "preset": "keycloak", "audience": claims["aud"]})
    world.now = float(claims["iat"])
    token = sign({**claims, "cnf": {**claims["cnf"], **bound_to()}}, header={"typ": real["header"]["typ"]})
    admission, _ = await world.ask(token, proof(token, iat=world.now))
    assert isinstance(admission, Admission)
    assert admission.identity is not None
    assert (admission.identity.subject, admission.identity.client) == (claims["sub"], claims["azp"])
    # Its own userinfo endpoint refuses it as a bearer token, and so do we.
    refusal, _ = await world.ask(token, under=b"Bearer")
    assert type(refusal) is ProofRequired
    its = json.loads((KEYCLOAK.parent / "responses" / "userinfo-error-dpop-as-bearer.json").read_text())
    ((_, challenge),) = [line for line in its["headers"] if line[0] == "WWW-Authenticate"]
    assert (its["status"], refusal.status) == (401, 401)
    assert f'error="{refusal.code}"' in challenge
    # As it came, by the key of the client that it was issued to.
    other = sign(claims, header={"typ": real["header"]["typ"]})
    assert type((await world.ask(other, proof(other, iat=world.now)))[0]) is ProofMismatch
    # The ID token beside it is none.
    id_token = json.loads((KEYCLOAK / "token-dpop-id.json").read_text())["payload"]
    sent = sign(id_token, header={"typ": "JWT"})
    assert isinstance((await world.ask(sent, proof(sent, iat=world.now)))[0], IdToken | WrongAudience)
