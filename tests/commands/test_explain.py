"""Every reason the gate can give is explained at the step that gave it, with the evidence, and without the token."""

import asyncio
import json
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.cli import main
from gateway.commands.explain import as_text
from gateway.core.config.assertion import AssertionSection
from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.rates import BadTokensSection, Rate
from gateway.core.config.resources import ResourceSection
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds, Size
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.config.upstreams import UpstreamCredential, UpstreamSection
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.errors import (
    BadRequest,
    BodyTooLarge,
    ClientDisconnected,
    ConditionFalse,
    CrossSiteRequest,
    Draining,
    ExchangeRefused,
    ExchangeUnavailable,
    InternalError,
    IntrospectionUnavailable,
    InvalidLogout,
    LogoutFailed,
    NoLongerAdmitted,
    Overloaded,
    ProofReplayed,
    RateLimited,
    Refusal,
    RequestTimeout,
    StoreUnavailable,
    TokenInactive,
    TokenRevoked,
    UndecidableCredential,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamTimeout,
    UserInfoUnavailable,
    VersionNotSupported,
    reasons,
)
from gateway.core.http.placed import Place
from gateway.core.proof.nonces import Nonces
from gateway.core.revocation.entry import Entry
from gateway.explaining.explanation import STEPS, Explanation, as_json, explain, explanation_of
from gateway.gate import Gate
from gateway.ports import Ending
from gateway.settings.files import read_certificate
from gateway.store.journal import Journal
from tests.core.proof.certificates import RFC8705, RFC8705_THUMBPRINT, RFC9440
from tests.issuer import HostileIssuer
from tests.memory import MemoryIssuers, Nowhere, Recorder, facts
from tests.prover import bound_to, proof
from tests.remote.introspecting import Endpoint
from tests.signer import AUDIENCE, ISSUER, NOW, compact, private_jwk, public_jwk, sign, some_claims, some_header

ROUTES = (
    RouteSection(path="/health", access="public"),
    RouteSection(path="/orders/*", methods=("GET",), scopes=("read:orders",)),
    RouteSection(path="/orders/*", methods=("POST",), scopes=("delete:orders",)),
    RouteSection(path="/reports/*", scopes=("delete:orders",), mode="report"),
    RouteSection(path="/admin/*", claims={"role": "admin"}),
    RouteSection(path="/partners/*", clients=("partner",)),
    RouteSection(path="/users/{id}", where={"id": "subject"}),
    RouteSection(path="/others/*", audience="https://other.example"),
    RouteSection(path="/payments/*", acr=("gold",), max_age=Seconds(600)),
    RouteSection(path="/owned/*", condition="request.method == 'GET' && token.owner == identity.subject"),
    RouteSection(path="/narrow/*", audience=AUDIENCE, acr=("gold",), max_age=Seconds(600)),
)


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public_jwk("rsa-2048-a")]}))
    return str(path)


async def explained(keys: str, token: bytes, *, settings: dict[str, Any] | None = None, **request: Any) -> Explanation:
    changes = dict(settings or {})
    issuer: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "name": "local", "jwks_file": keys}
    issuer |= changes.pop("issuer", {})
    whole: dict[str, Any] = {"upstream": "http://127.0.0.1:1", "routes": ROUTES, **changes}
    config = Config(issuers=(Issuer(**issuer),), **whole)
    return await explain(config, token, clock=lambda: NOW, **{"target": "/orders/1", **request})


def minted(**changes: Any) -> bytes:
    return sign(some_claims(**changes))


#: of a gateway that accepts proofs, and the proof that passes for GET /orders/1 there
PROOFS: dict[str, Any] = {"dpop": DPoPSection(), "external_url": "http://localhost"}
NONCES = {**PROOFS, "dpop": DPoPSection(nonce="required", nonce_key=Secret(file="nonce"))}
BOUND = minted(cnf=bound_to())
FITTING = proof(BOUND, htu="http://localhost/orders/1")


PARTNER = {"target": "/partners/1"}
#: reason, step, token, and what differs from GET /orders/1 under the usual configuration
CASES: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("bad_request", "request", minted(), {"target": "nowhere"}),
    ("method_not_implemented", "request", minted(), {"method": "CONNECT"}),
    ("uri_too_long", "request", minted(), {"target": "/" + "a" * 20_000}),
    ("headers_too_large", "request", b"a" * 40_000, {}),
    ("ambiguous_path", "route", minted(), {"target": "/a/../b"}),
    ("unknown_host", "route", minted(), {"host": "other.test", "settings": {"hosts": ("api.test",)}}),
    ("no_route", "route", minted(), {"target": "/nowhere", "settings": {"unmatched": "refuse"}}),
    ("method_not_allowed", "route", minted(), {"method": "DELETE"}),
    ("missing_credential", "credential", b"", {}),
    ("malformed_credential", "credential", b"two words", {}),
    ("multiple_credentials", "credential", b"one, two", {}),
    ("token_too_large", "credential", b"a" * 50, {"settings": {"limits": Limits(token_bytes=Size(40))}}),
    ("token_malformed", "form", b"opaque", {}),
    ("token_encrypted", "form", b"a.b.c.d.e", {}),
    ("algorithm_not_allowed", "form", compact(some_header(alg="none"), some_claims()), {}),
    ("refresh_token", "form", compact(some_header(alg="HS512"), some_claims(typ="Refresh")), {}),
    ("critical_header", "form", sign(header={"crit": ["x"]}), {}),
    ("unknown_issuer", "issuer", minted(iss="https://other.example"), {}),
    ("algorithm_not_allowed", "issuer", minted(), {"settings": {"issuer": {"algorithms": ("ES256",)}}}),
    ("other_token", "class", minted(typ="ORGIVT"), {"settings": {"issuer": {"algorithms": ("ES256",)}}}),
    ("id_token", "class", minted(at_hash="x"), {}),
    ("refresh_token", "class", minted(typ="Refresh"), {}),
    ("logout_token", "class", minted(events={"x": {}}), {}),
    ("other_token", "class", sign(header={"typ": "dpop+jwt"}), {}),
    ("unclassified_token", "class", sign(some_claims(scope=...), header={"typ": "JWT"}), {}),
    ("token_expired", "time", minted(exp=NOW - 60), {}),
    ("token_malformed", "time", minted(exp="soon"), {}),
    ("missing_claim", "time", minted(exp=...), {}),
    ("token_not_yet_valid", "time", minted(nbf=NOW + 60), {}),
    ("token_from_the_future", "time", minted(iat=NOW + 60), {}),
    ("token_lifetime_too_long", "time", minted(), {"settings": {"issuer": {"max_lifetime": 60}}}),
    ("wrong_audience", "audience", minted(aud="https://other.example"), {}),
    ("missing_claim", "audience", minted(aud=...), {}),
    ("proof_required", "binding", minted(cnf={"jkt": "x"}), {}),
    ("binding_unsupported", "binding", minted(cnf={"x": "y"}), {}),
    ("proof_required", "binding", minted(cnf={"x5t#S256": RFC8705_THUMBPRINT}), {}),
    ("proof_mismatch", "binding", minted(cnf={"x5t#S256": RFC8705_THUMBPRINT}), {"certificate": RFC9440}),
    ("proof_invalid", "binding", BOUND, {"settings": PROOFS, "proof": proof(BOUND)}),
    ("proof_invalid", "binding", BOUND, {"settings": PROOFS, "proof": b"nonsense"}),
    ("proof_mismatch", "binding", minted(cnf={"jkt": "x"}), {"settings": PROOFS, "proof": None, "fitting": True}),
    ("proof_required", "binding", BOUND, {"settings": PROOFS}),
    ("token_not_bound", "binding", minted(), {"settings": PROOFS, "proof": FITTING}),
    ("token_not_bound", "binding", minted(), {"settings": {"issuer": {"binding": "bound"}}}),
    (
        "use_dpop_nonce",
        "binding",
        BOUND,
        {"settings": NONCES, "proof": FITTING, "secrets": {Secret(file="nonce"): "k" * 32}},
    ),
    ("missing_claim", "subject", minted(sub=..., client_id=...), {}),
    ("client_not_allowed", "subject", minted(), {"settings": {"issuer": {"clients": ("other",)}}}),
    ("unknown_key", "signature", sign(header={"kid": "nobody's"}), {}),
    ("bad_signature", "signature", sign(name="rsa-2048-b", header={"kid": "rsa-a"}), {}),
    ("issuer_unavailable", "signature", minted(), {"settings": {"issuer": {"jwks_file": "/nowhere"}}}),
    ("identity_claim_missing", "headers", minted(), {"header": IdentityHeader(claim="email", required=True)}),
    ("identity_header_invalid", "headers", minted(name="ü"), {"header": IdentityHeader(claim="name", encoding="none")}),
    ("identity_header_too_large", "headers", minted(), {"header": IdentityHeader(claim="sub", max_bytes=Size(1))}),
    ("insufficient_scope", "policy", minted(), {"method": "POST"}),
    ("claim_mismatch", "policy", minted(), {"target": "/admin/1"}),
    ("client_not_allowed", "policy", minted(), PARTNER),
    ("path_mismatch", "policy", minted(), {"target": "/users/bob"}),
    ("wrong_audience", "policy", minted(), {"target": "/others/1"}),
    ("insufficient_user_authentication", "policy", minted(), {"target": "/payments/1"}),
    ("insufficient_user_authentication", "policy", minted(acr="gold"), {"target": "/payments/1"}),
]


@pytest.mark.parametrize(("reason", "step", "token", "request_"), CASES, ids=lambda value: str(value)[:30])
async def test_a_refusal_is_explained_at_its_step(
    keys: str, reason: str, step: str, token: bytes, request_: dict[str, Any]
) -> None:
    changes = dict(request_)
    if changes.pop("fitting", False):
        changes["proof"] = proof(token, htu="http://localhost/orders/1")
    if "header" in changes:
        changes["settings"] = {"identity_headers": {"X-One": changes.pop("header")}}
    explanation = await explained(keys, token, **changes)
    assert explanation.verdict == "refused"
    assert explanation.refusal is not None
    assert explanation.refusal.reason == reason
    failed = STEPS.index(step)
    assert [one.passed for one in explanation.steps] == [True] * failed + [False] + [None] * (len(STEPS) - failed - 1)
    assert reason in explanation.steps[failed].says
    for text in (as_text(explanation, color=False), as_json(explanation)):
        assert reason in text
        assert all(token[i : i + 16].decode() not in text for i in range(0, len(token) - 16, 8) if len(token) > 100)


def test_the_cases_name_every_reason_that_admission_can_give() -> None:
    elsewhere: set[type[Refusal]] = {
        BadRequest,
        BodyTooLarge,
        RequestTimeout,
        VersionNotSupported,
        Overloaded,
        Draining,
        UpstreamBusy,
    }
    elsewhere |= {InternalError, InvalidLogout, LogoutFailed}
    # It asks no store, and what is revoked, and what an issuer says, stand in tests of their own.
    elsewhere |= {StoreUnavailable, TokenRevoked}
    # Nor is an issuer asked in these: that has tests of its own.
    elsewhere |= {TokenInactive, IntrospectionUnavailable, UserInfoUnavailable}
    # A condition is told of only where there is one.
    elsewhere |= {ConditionFalse}
    # Nobody is asked for a token of the API's own here: it is only said that there would be one.
    elsewhere |= {ExchangeRefused, ExchangeUnavailable}
    # A decision is another question; and what is no part of a request that is explained yet, or nothing that a request alone can show.
    elsewhere |= {CrossSiteRequest, ProofReplayed, UndecidableCredential}
    # Nothing that is only explained is counted.
    elsewhere |= {RateLimited}
    # Only what is open can lose what it was admitted by.
    elsewhere |= {NoLongerAdmitted}
    never = {
        refusal.reason
        for refusal in reasons().values()
        if refusal in elsewhere or issubclass(refusal, UpstreamFailed | UpstreamTimeout | ClientDisconnected)
    }
    assert set(reasons()) - never <= {reason for reason, *_ in CASES}


async def test_a_bound_token_is_explained_with_its_proof_check_by_check(keys: str) -> None:
    for _ in range(2):
        # Nothing is used up by it.
        admitted = await explained(keys, BOUND, settings=PROOFS, proof=FITTING)
        assert admitted.verdict == "admitted"
    says = {line.name: (line.passed, line.says) for line in admitted.steps}
    assert says["credential"] == (True, "one dpop token in Authorization")
    assert says["binding"] == (
        True,
        (
            f"proven: jkt; the proof: ES256 by key {bound_to()['jkt'][:8]}, for GET http://localhost/orders/1, made 0 s ago, "
            "for this token"
        ),
    )
    assert says["replay"] == (True, "not used before")
    for text in (as_text(admitted, color=False), as_json(admitted)):
        assert all(part.decode() not in text for sent in (BOUND, FITTING) for part in sent.split(b"."))
    secrets = {Secret(file="nonce"): "k" * 32}
    nonce = Nonces().current(tuple(secrets.values()), now=NOW)
    sent = proof(BOUND, htu="http://localhost/orders/1", nonce=nonce)
    admitted = await explained(keys, BOUND, settings=NONCES, proof=sent, secrets=secrets)
    assert any(line.says.endswith("for this token, with a nonce of ours") for line in admitted.steps)


async def test_a_bound_token_is_explained_with_its_certificate(keys: str, tmp_path: Path) -> None:
    token = minted(cnf={"x5t#S256": RFC8705_THUMBPRINT})
    admitted = await explained(keys, token, certificate=RFC8705)
    says = {line.name: (line.passed, line.says) for line in admitted.steps}
    assert says["binding"] == (True, "proven: x5t#S256")
    refused = await explained(keys, token)
    says = {line.name: (line.passed, line.says) for line in refused.steps}
    assert says["binding"] == (
        False,
        "proof_required: cnf has x5t#S256, and the client showed no certificate",
    )
    path = tmp_path / "client.pem"
    path.write_text("a chain:\n" + ssl.DER_cert_to_PEM_cert(RFC8705) + ssl.DER_cert_to_PEM_cert(RFC9440))
    assert read_certificate(str(path)) == RFC8705
    for content in ("", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"):
        path.write_text(content)
        with pytest.raises(ValueError, match="names a file that holds no PEM certificate"):
            read_certificate(str(path))


async def test_a_token_in_another_place_is_explained(keys: str) -> None:
    settings = {"credentials": ("authorization", CredentialPlace(header="X-Access-Token"))}
    explanation = await explained(keys, minted(), settings=settings, place=Place("header", "X-Access-Token"))
    assert explanation.verdict == "admitted"
    says = {line.name: line.says for line in explanation.steps}
    assert says["credential"] == "one bearer token in X-Access-Token"
    assert "X-Access-Token" not in dict(explanation.headers)
    more = ((b"Authorization", b"Bearer abc"),)
    refused = await explained(keys, minted(), settings=settings, place=Place("header", "X-Access-Token"), headers=more)
    assert refused.refusal is not None
    assert refused.refusal.reason == "multiple_credentials"
    assert next(line.name for line in refused.steps if line.passed is False) == "credential"


async def test_a_page_of_another_site_is_told_of_at_a_step_of_its_own(keys: str) -> None:
    settings = {"credentials": (CredentialPlace(cookie="__Host-token"),)}
    place = Place("cookie", "__Host-token")
    admitted = await explained(keys, minted(), settings=settings, place=place)
    assert {line.name: line.says for line in admitted.steps}["origin"] == "of a page of ours, or of none"
    headers = ((b"Sec-Fetch-Site", b"cross-site"),)
    refused = await explained(keys, minted(), settings=settings, place=place, headers=headers)
    assert refused.refusal is not None
    assert refused.refusal.reason == "cross_site_request"
    assert next(line.name for line in refused.steps if line.passed is False) == "origin"


async def test_a_token_that_its_issuer_is_asked_about_is_explained(keys: str) -> None:
    issuer = HostileIssuer()
    await issuer.start()
    endpoint = Endpoint(issuer)
    section = endpoint.section(client_secret=None, auth="none")
    settings = {"issuer": {"introspection": section}}
    endpoint.say = lambda token: some_claims(active=token == "opaque", token_type="Bearer")
    explanation = await explained(keys, b"opaque", settings=settings)
    assert explanation.verdict == "admitted"
    says = {line.name: (line.passed, line.says) for line in explanation.steps}
    assert says["form"] == (True, "opaque: its issuer is asked")
    assert says["signature"] == (None, "not asked for: its issuer was asked")
    assert says["introspection"] == (True, "local says that it is active; that is believed for 60 s")
    assert says["class"] == (True, "access: the issuer says that token_type is Bearer")
    refused = await explained(keys, b"other", settings=settings)
    assert refused.refusal is not None
    assert refused.refusal.reason == "token_inactive"
    assert next(line.name for line in refused.steps if line.passed is False) == "introspection"
    assert "said so of every token so far" in as_text(refused, color=False)
    endpoint.say = lambda _: web.Response(status=500)
    refused = await explained(keys, b"another", settings=settings)
    assert refused.refusal is not None
    assert refused.refusal.reason == "introspection_unavailable"
    # A lightweight JWT names no audience by itself.
    token = minted(aud=...)
    endpoint.say = lambda _: some_claims(active=True)
    settings = {"issuer": {"introspection": endpoint.section(client_secret=None, auth="none", tokens="all")}}
    explanation = await explained(keys, token, settings=settings)
    says = {line.name: (line.passed, line.says) for line in explanation.steps}
    assert says["audience"] == (True, "none in the token; its issuer says it, or need not")
    assert says["signature"][0] is True
    await issuer.stop()


async def test_an_admission_shows_what_the_upstream_would_receive(keys: str) -> None:
    explanation = await explained(keys, minted())
    assert explanation.verdict == "admitted"
    assert all(step.passed for step in explanation.steps)
    assert ("X-User-Id", "alice") in explanation.headers
    text = as_text(explanation, color=False)
    assert "✓ class      access: header typ is" in text
    assert "expires in 300 s" in text
    assert "passed over /health: another path" in text
    assert json.loads(as_json(explanation))["reason"] is None


async def test_what_the_journal_has_is_refused_at_its_step(
    keys: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = str(tmp_path / "revoked")
    settings = {"revocation": Revocation(file=file)}
    explanation = await explained(keys, minted(), settings=settings)
    assert explanation.verdict == "admitted"
    assert "what is revoked is not known here: revocation.file names a file that cannot be read" in caplog.text
    assert not await asyncio.to_thread(os.path.exists, file)
    journal, _ = Journal.open(file, now=NOW)
    journal.append([Entry("subject", ISSUER, "alice", until=NOW + 60, before=NOW, at=NOW - 5, reason="lost")])
    explanation = await explained(keys, minted(), settings=settings)
    (failed,) = (step for step in explanation.steps if step.passed is False)
    assert (failed.name, failed.says) == ("revocation", "token_revoked: its subject was revoked 5 s ago: lost")
    explanation = await explained(keys, minted(sub="bob"), settings=settings)
    assert "✓ revocation nothing that was revoked is about it" in as_text(explanation, color=False)
    journal.close()


TOKENS: dict[str, Any] = {"token_endpoint": "http://127.0.0.1:1", "client_id": "g", "client_secret": Secret(env="S")}
EXCHANGED = "a token in exchange for the caller's; nobody is asked for it here"
FETCHED = "the gateway's own token, from the token endpoint; nobody is asked for it here"


@pytest.mark.parametrize(
    ("credential", "target", "shown", "says"),
    [
        (UpstreamCredential(exchange=TokenExchange(**TOKENS)), "/orders/1", EXCHANGED, EXCHANGED),
        (UpstreamCredential(exchange=TokenExchange(**TOKENS)), "/health", None, None),
        (UpstreamCredential(exchange=TokenExchange(**TOKENS)), "/reports/1", None, None),
        (UpstreamCredential(client_credentials=ClientCredentials(**TOKENS)), "/orders/1", FETCHED, FETCHED),
        (UpstreamCredential(client_credentials=ClientCredentials(**TOKENS)), "/health", FETCHED, FETCHED),
        ("assertion", "/orders/1", "the proof of origin", None),
    ],
)
async def test_a_token_for_the_api_is_told_of_and_nobody_is_asked_for_it(
    keys: str, credential: Any, target: str, shown: str | None, says: str | None
) -> None:
    upstream = UpstreamSection(url="http://127.0.0.1:1", authorization=credential)
    settings = {
        "upstream": None,
        "upstreams": {"default": upstream},
        "assertion": AssertionSection(issuer="g"),
    }
    explanation = await explained(keys, minted(), target=target, settings=settings)
    lines = [value for name, value in explanation.headers if name == "Authorization"]
    assert lines == ([] if shown is None else [f"({shown})"])
    told = [step.says for step in explanation.steps if step.name == "exchange"]
    assert told == ([] if says is None else [f"the API would get {says}"])


async def test_the_audience_is_shown_where_it_was_found(keys: str) -> None:
    settings = {"issuer": {"audience_claims": ("/resource/aud",)}}
    explanation = await explained(keys, minted(aud=..., resource={"aud": AUDIENCE}), settings=settings)
    assert explanation.verdict == "admitted"
    says = explanation.steps[STEPS.index("audience")].says
    assert says == f"/resource/aud is {AUDIENCE!r}; expected {[AUDIENCE]!r}"


async def test_what_a_route_asks_of_audience_and_login_is_told_where_it_is_met(keys: str) -> None:
    explanation = await explained(keys, minted(acr="gold", auth_time=NOW - 60), target="/narrow/1")
    assert explanation.verdict == "admitted"
    says = explanation.steps[STEPS.index("policy")].says
    asked = f"for {(AUDIENCE,)!r}; acr ('gold',); a login of at most 600 s ago"
    assert says == f"scopes read:orders write:orders; {asked}"


@pytest.mark.parametrize(
    ("owner", "method", "passed", "says"),
    [
        ("alice", "GET", True, "met"),
        ("bob", "GET", False, "condition_false: part 2 of 2 is false: 'token.owner == identity.subject'"),
        ("alice", "POST", False, "condition_false: part 1 of 2 is false: \"request.method == 'GET'\""),
        (..., "GET", False, "something that it names is not there: 'token.owner == identity.subject'"),
    ],
)
async def test_a_condition_is_told_of_by_the_part_that_is_not_met_and_without_values(
    keys: str, owner: Any, method: str, says: str, *, passed: bool
) -> None:
    explanation = await explained(keys, minted(owner=owner), target="/owned/1", method=method)
    (line,) = (step for step in explanation.steps if step.name == "condition")
    assert line.passed is passed
    assert line.says.endswith(says)
    assert not any(value in line.says for value in ("alice", "bob"))
    assert explanation.verdict == ("admitted" if passed else "refused")


async def test_a_value_is_shown_short(keys: str) -> None:
    settings = {"issuer": {"audience_claims": ("aud",)}}
    explanation = await explained(keys, minted(aud=[AUDIENCE, "x" * 5_000], sub="s" * 5_000), settings=settings)
    assert all(len(step.says) < 300 for step in explanation.steps)


async def test_a_limit_of_the_body_is_told_of_where_there_is_one(keys: str) -> None:
    limits = {"limits": Limits(body_bytes=Size(1))}
    explanation = await explained(keys, minted(), settings=limits)
    assert [(step.name, step.passed) for step in explanation.steps[len(STEPS) :]] == [("body", True)]


async def test_a_token_that_was_remembered_says_so_and_what_was_not_done_again() -> None:
    settings: dict[str, Any] = {"upstream": "http://127.0.0.1:1", "routes": ROUTES}
    config = Config(issuers=(Issuer(issuer=ISSUER, audience=AUDIENCE, name="local"),), **settings)
    gate = Gate(config, issuers=MemoryIssuers(), upstream=Nowhere(), observer=Recorder(), clock=lambda: NOW)
    request = facts(minted(), target=b"/orders/1")
    await gate.admit(request, Ending())
    ending = Ending()
    ending.facts = request
    admission = await gate.admit(request, ending)
    explanation = explanation_of(ending, admission, config, routes=gate.routes)
    told = {step.name: step for step in explanation.steps}
    assert [step.name for step in explanation.steps if step.passed] == [
        *("request", "route", "credential", "remembered", "binding", "policy")
    ]
    assert told["remembered"].says
    assert told["signature"].passed is None
    assert told["signature"].says == told["form"].says == "passed before"
    assert told["policy"].says == "scopes read:orders write:orders"


async def test_a_bound_token_is_shown_at_its_binding_and_tells_nobody_who_it_is(keys: str) -> None:
    explanation = await explained(keys, minted(cnf={"jkt": "x"}), target="/reports/1")
    assert explanation.verdict == "reported"
    assert [step.name for step in explanation.steps if step.passed is False] == ["binding"]
    assert not any(name == "X-User-Id" for name, _ in explanation.headers)


async def test_a_route_that_is_passed_over_says_why(keys: str) -> None:
    explanation = await explained(keys, minted(), method="POST")
    assert explanation.passed_over == (("/health", "another path"), ("GET /orders/*", "not for POST"))


async def test_a_route_that_only_reports_is_told_apart(keys: str) -> None:
    explanation = await explained(keys, minted(), target="/reports/1")
    assert explanation.verdict == "reported"
    assert explanation.refusal is not None
    assert explanation.refusal.reason == "insufficient_scope"
    assert ("X-User-Id", "alice") in explanation.headers


async def test_the_resource_of_a_route_is_told_with_it(keys: str) -> None:
    settings: dict[str, Any] = {
        "resources": {"orders": ResourceSection(identifier=f"{AUDIENCE}/orders")},
        "issuer": {"audience": (AUDIENCE, f"{AUDIENCE}/orders")},
    }
    explanation = await explained(keys, minted(aud=f"{AUDIENCE}/orders"), settings=settings)
    assert explanation.verdict == "admitted"
    assert explanation.steps[STEPS.index("route")].says == f"GET /orders/*, of {AUDIENCE}/orders"
    explanation = await explained(keys, minted(), settings=settings)
    assert explanation.refusal is not None
    assert explanation.refusal.reason == "wrong_audience"
    # A route outside of it is of none.
    explanation = await explained(keys, minted(role="admin"), target="/admin/1", settings=settings)
    assert explanation.steps[STEPS.index("route")].says == "/admin/*"


async def test_a_public_route_asks_for_nothing(keys: str) -> None:
    explanation = await explained(keys, b"", target="/health")
    assert explanation.verdict == "admitted"
    assert {step.passed for step in explanation.steps[2:]} == {None}


async def test_an_optional_route_asks_only_whoever_shows_a_token(keys: str) -> None:
    settings = {"routes": (RouteSection(path="/prices", access="optional", scopes=("read:prices",)),)}
    nobody = await explained(keys, b"", target="/prices", settings=settings)
    assert nobody.verdict == "admitted"
    assert {step.passed for step in nobody.steps[2:]} == {None}
    assert nobody.steps[2].says == "not asked for: there is no credential, and the route does without"
    assert not any(name == "X-User-Id" for name, _ in nobody.headers)
    told = await explained(keys, minted(scope="read:prices"), target="/prices", settings=settings)
    assert (told.verdict, ("X-User-Id", "alice") in told.headers) == ("admitted", True)
    refused = await explained(keys, minted(scope="other"), target="/prices", settings=settings)
    assert refused.refusal is not None
    assert (refused.verdict, refused.refusal.reason) == ("refused", "insufficient_scope")


async def test_color_is_for_terminals(keys: str) -> None:
    explanation = await explained(keys, minted())
    assert "\x1b[" in as_text(explanation, color=True)
    assert "\x1b[" not in as_text(explanation, color=False)


async def test_a_kept_token_is_not_shown(keys: str) -> None:
    upstreams = {"default": UpstreamSection(url="http://127.0.0.1:1", authorization="keep")}
    explanation = await explained(keys, minted(), settings={"upstream": None, "upstreams": upstreams})
    assert ("Authorization", "(the token)") in explanation.headers


async def test_which_key_it_is_and_how_many_were_tried_is_told(keys: str) -> None:
    explanation = await explained(keys, minted())
    signature = explanation.steps[STEPS.index("signature")].says
    assert "by key 'rsa-a'" in signature
    assert "1 tried" in signature


async def test_the_assertion_is_among_what_the_upstream_would_receive(keys: str) -> None:
    explanation = await explained(
        keys, minted(), settings={"assertion": AssertionSection(issuer="https://gateway.example")}
    )
    assert "X-Gateway-Assertion" in dict(explanation.headers)


def test_a_token_in_the_place_of_its_file_is_not_told(
    keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        f"upstream: http://127.0.0.1:9\nissuers: [{{issuer: {ISSUER}, audience: {AUDIENCE}, jwks_file: {keys}}}]\n"
    )
    token = minted().decode("ascii")
    assert main(["explain", "--config", str(config), token]) == 1
    told = capsys.readouterr().err
    assert "a token itself is read from standard input" in told
    assert not any(part in told for part in token.split("."))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (Path.unlink, "names a file that does not exist"),
        (lambda file: file.write_text("hunter2"), "names a file that is neither PEM nor a JWK"),
    ],
    ids=["gone", "another"],
)
def test_a_key_that_was_spoilt_after_it_was_checked_is_told(
    keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], sentence: str
) -> None:
    key, config, token = tmp_path / "key.json", tmp_path / "gateway.yaml", tmp_path / "token"
    key.write_text(json.dumps(private_jwk("p-256")))
    config.write_text(
        f"upstream: http://127.0.0.1:1\nissuers: [{{issuer: {ISSUER}, audience: {AUDIENCE}, jwks_file: {keys}}}]\n"
        f"assertion: {{issuer: g, key: {{file: {key}}}}}\n"
    )
    os.mkfifo(token)

    def later() -> None:
        # The token is read once the configuration was.
        with token.open("wb") as file:
            spoil(key)
            file.write(minted())

    thread = threading.Thread(target=later)
    thread.start()
    assert main(["explain", "--config", str(config), str(token)]) == 1
    thread.join()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"problem  assertion.key.file {sentence}")
    assert printed.err.count("\n") == 1
    assert "hunter2" not in printed.err


async def test_what_the_gateway_itself_says_to_the_upstream_is_shown_but_for_secrets(keys: str) -> None:
    token, key = Secret(file="/run/token"), Secret(env="KEY")
    shop = UpstreamSection(
        url="http://shop",
        authorization=UpstreamCredential(bearer=token),
        headers={"X-Key": key, "X-Tenant": "blue"},
    )
    settings = {"upstreams": {"shop": shop}, "routes": (RouteSection(path="/*", upstream="shop"),)}
    explanation = await explained(keys, minted(), settings=settings, secrets={token: "geheim", key: "geheim"})
    assert explanation.headers[-3:] == (
        ("Authorization", "(the gateway's own credential)"),
        ("X-Key", "(a secret)"),
        ("X-Tenant", "blue"),
    )
    assert "geheim" not in as_json(explanation) + as_text(explanation, color=False) + repr(explanation)


def with_userinfo(**settings: Any) -> dict[str, Any]:
    """A claim that tokens lack in a header, and an issuer that is asked for it."""
    section = UserInfoSection(**{"claims": ("email", "groups"), "endpoint": "http://127.0.0.1:1/me", **settings})
    return {"issuer": {"userinfo": section}, "identity_headers": {"X-Email": "email", "X-Groups": "groups"}}


async def test_what_the_issuer_says_of_a_subject_is_asked_and_shown(keys: str) -> None:
    issuer = HostileIssuer()
    await issuer.start()
    said = json.dumps({"sub": "alice", "email": "a@b.example"})
    issuer.response("/me", said, headers={"Content-Type": "application/json"})
    settings = with_userinfo(endpoint=f"{issuer.url}/me")
    explanation = await explained(keys, minted(), settings=settings)
    assert ("X-Email", "a@b.example") in explanation.headers
    assert "✓ userinfo   email from the issuer; groups are not there either" in as_text(explanation, color=False)
    # Who has all of it is not asked about.
    explanation = await explained(keys, minted(email="own@b", groups=[]), settings=settings)
    assert ("X-Email", "own@b") in explanation.headers
    assert "userinfo" not in as_text(explanation, color=False)
    issuer.response("/me", "", status=401)
    explanation = await explained(keys, minted(), settings=with_userinfo(endpoint=f"{issuer.url}/me", on_401="refuse"))
    assert explanation.refusal is not None
    assert (explanation.refusal.reason, explanation.steps[-1].name) == ("token_inactive", "userinfo")
    await issuer.stop()


async def test_an_issuer_that_does_not_say_is_explained_as_the_configuration_takes_it(keys: str) -> None:
    explanation = await explained(keys, minted(), settings=with_userinfo())
    assert explanation.verdict == "admitted"
    assert "✓ userinfo   email, groups as if absent: http://127.0.0.1:1/me: it cannot be reached" in as_text(
        explanation, color=False
    )
    explanation = await explained(keys, minted(), settings=with_userinfo(on_failure="refuse"))
    text = as_text(explanation, color=False)
    assert "✗ userinfo   userinfo_unavailable: local: http://127.0.0.1:1/me: it cannot be reached" in text
    assert "refused: 503 userinfo_unavailable. " in text


async def test_rates_are_told_of_and_not_taken_from(keys: str) -> None:
    settings = {
        "rates": (Rate(name="all", per="subject", limit=100, burst=20),),
        "bad_tokens": BadTokensSection(direct=True),
    }
    for _ in range(2):
        explanation = await explained(keys, minted(), settings=settings)
        told = {step.name: (step.passed, step.says) for step in explanation.steps}
        assert told["rates"] == (True, "all: 100 in 60s per subject: 19 of 20 left")
        assert told["bad_tokens"] == (True, "few of late came from where this one came from")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("//orders/1", "ambiguous_path"),
        ("///orders/1", "ambiguous_path"),
        ("http://api.example//orders/1", "ambiguous_path"),
        ("/orders/1#part", "GET /orders/1"),
        ("http://api.example/orders/1?a=b#part", "GET /orders/1"),
    ],
)
def test_a_path_is_explained_as_it_stands(
    keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    config, token = tmp_path / "gateway.yaml", tmp_path / "token"
    config.write_text(
        f"upstream: http://127.0.0.1:9\nissuers: [{{issuer: {ISSUER}, audience: {AUDIENCE}, jwks_file: {keys}}}]\n"
        "routes: [{path: /orders/*}]\n"
    )
    token.write_bytes(minted())
    main(["explain", "--config", str(config), "--url", url, str(token)])
    assert said in capsys.readouterr().out
