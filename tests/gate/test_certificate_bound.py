"""A token that is bound to a client certificate, from request to upstream: judged each time, and never in part."""

from base64 import b64encode
from typing import Any, Literal

import pytest

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.routes import RouteSection
from gateway.core.errors import ProofInvalid, ProofMismatch, ProofRequired, Refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.proof.certificate_header import thumbprint_of
from gateway.core.trail import Step
from gateway.ports import Ending
from tests.core.proof.certificates import RFC8705, RFC8705_THUMBPRINT, RFC9440
from tests.core.proof.test_certificate import Shown
from tests.gate import test_introspection
from tests.gate.test_gate import MemoryExchange, World
from tests.memory import facts
from tests.signer import sign, some_claims

HEADER = ClientCertificateHeader(name="Client-Cert", format="rfc9440")
CNF = {"x5t#S256": RFC8705_THUMBPRINT}


def bound(**settings: Any) -> bytes:
    return sign(some_claims(cnf={**CNF, **settings}))


def shown(certificate: bytes = RFC8705) -> Shown:
    return Shown(thumbprint_of(certificate))


def passed_on(certificate: bytes = RFC8705) -> HeaderLine:
    return (b"Client-Cert", b":" + b64encode(certificate) + b":")


async def test_it_passes_with_its_certificate_each_time_and_with_no_other_in_between() -> None:
    world = World()
    token = bound()
    requests: list[tuple[Facts, type[Refusal] | None]] = [
        (facts(token, certificate=shown()), None),
        (facts(token), ProofRequired),
        (facts(token, certificate=shown(RFC9440)), ProofMismatch),
        (facts(token, passed_on()), ProofRequired),
        (facts(token, certificate=shown()), None),
    ]
    for asked, refusal in requests:
        ending = await world.handled(MemoryExchange(asked))
        assert type(ending.refusal) is (refusal or type(None))
        if refusal is not None:
            assert ending.step is Step.BINDING
            assert ending.identity is None
    assert world.recorder.hits == [False, True, True, True, True]
    assert len(world.upstream.sent) == 2


async def test_a_trusted_proxys_header_counts_and_goes_nowhere() -> None:
    world = World(client_certificate_header=HEADER, trusted_proxies=("10.0.0.0/8",))
    token = bound()
    ending = await world.handled(MemoryExchange(facts(token, passed_on(), trusted=True, certificate=shown(RFC9440))))
    assert ending.refusal is None
    assert all(name.lower() != b"client-cert" for sent in world.upstream.sent for name, _ in sent.headers)
    requests: list[tuple[Facts, type[Refusal]]] = [
        (facts(token, trusted=True, certificate=shown()), ProofRequired),
        (facts(token, passed_on(RFC9440), trusted=True, certificate=shown()), ProofMismatch),
        (facts(token, passed_on(), passed_on(), trusted=True), ProofInvalid),
        (facts(token, (b"Client-Cert", b"MII"), trusted=True), ProofInvalid),
        (facts(token, passed_on()), ProofRequired),
    ]
    for asked, refusal in requests:
        ending = await world.handled(MemoryExchange(asked))
        assert (type(ending.refusal), ending.step) == (refusal, Step.BINDING)
    assert len(world.upstream.sent) == 1


async def test_a_token_that_is_bound_to_a_key_as_well_needs_both() -> None:
    world = World()
    for _ in range(2):
        ending = await world.handled(MemoryExchange(facts(bound(jkt="thumbprint"), certificate=shown())))
        assert (type(ending.refusal), ending.step) == (ProofRequired, Step.BINDING)


@pytest.mark.parametrize("mode", ["enforce", "report"])
async def test_a_reported_mismatch_tells_the_upstream_of_nobody(mode: Literal["enforce", "report"]) -> None:
    world = World(routes=(RouteSection(path="/orders", mode=mode),))
    ending = await world.handled(MemoryExchange(facts(bound(), certificate=shown(RFC9440))))
    assert isinstance(ending.refusal or ending.reported, ProofMismatch)
    names = {name for sent in world.upstream.sent for name, _ in sent.headers}
    assert len(world.upstream.sent) == (mode == "report")
    assert names.isdisjoint({b"X-User-Id", b"Authorization"})


async def test_a_bearer_token_asks_for_no_certificate() -> None:
    world = World(client_certificate_header=HEADER, trusted_proxies=("10.0.0.0/8",))
    certificate = shown(RFC9440)
    for asked in (facts(sign(), certificate=certificate), facts(sign(), passed_on(), passed_on(), trusted=True)):
        assert (await world.handled(MemoryExchange(asked))).refusal is None
    assert certificate.asked == 0


async def test_a_token_that_its_issuer_says_is_bound_is() -> None:
    world = test_introspection.World()
    world.say(b"opaque", cnf=CNF)
    for _ in range(2):
        await world.gate.admit(facts(b"opaque", certificate=shown()), Ending())
        with pytest.raises(ProofMismatch):
            await world.gate.admit(facts(b"opaque", certificate=shown(RFC9440)), Ending())
        with pytest.raises(ProofRequired):
            await world.gate.admit(facts(b"opaque"), Ending())


@pytest.mark.parametrize("says", ["both", "the token", "its issuer"])
async def test_a_jwt_that_its_issuer_is_asked_about_is_bound_where_either_says_so(says: str) -> None:
    world = test_introspection.World(tokens="all")
    token = sign() if says == "its issuer" else bound()
    world.say(token, cnf=... if says == "the token" else CNF)
    await world.gate.admit(facts(token, certificate=shown()), Ending())
    with pytest.raises(ProofRequired):
        await world.gate.admit(facts(token), Ending())
