"""A token that did not come in Authorization, for everybody behind the gate: the same token, and told from where."""

from typing import Any

import pytest

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import CrossSiteRequest, MultipleCredentials, ProofRequired, Refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.routing.admission import Admission
from gateway.core.token.credential import find_credential
from gateway.core.trail import Step
from gateway.gate import Gate
from gateway.observe.observers import Unheard
from gateway.ports import Ending
from tests.memory import MemoryIssuers, Nowhere, facts
from tests.signer import NOW, issuer, sign, some_claims

CREDENTIALS = (
    "authorization",
    CredentialPlace(header="X-Access-Token"),
    CredentialPlace(query="access_token"),
    CredentialPlace(cookie="__Host-token"),
)


class Tokens:
    """Tokens for upstreams, made of whatever the request brought."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    async def lines(self, facts: Facts, ending: Ending) -> tuple[HeaderLine, ...]:
        self.seen.append(find_credential(facts.authorization, token_bytes=10_000).token)
        return ()

    def unwelcome(self, facts: Facts, admission: Admission) -> None:
        raise AssertionError


def gate(*, tokens: Tokens | None = None, **settings: Any) -> Gate:
    whole: dict[str, Any] = {"credentials": CREDENTIALS, **settings}
    return Gate(
        Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),), **whole),
        issuers=MemoryIssuers(),
        upstream=Nowhere(),
        observer=Unheard(),
        tokens=tokens,
        clock=lambda: NOW,
    )


def placed(token: bytes) -> list[Facts]:
    return [
        facts(None, (b"X-Access-Token", token)),
        facts(None, target=b"/orders?access_token=" + token),
        facts(None, (b"Cookie", b"__Host-token=" + token)),
    ]


async def test_a_token_is_exchanged_wherever_it_stood() -> None:
    tokens, token = Tokens(), sign()
    judging = gate(tokens=tokens)
    for request in placed(token):
        admission = await judging.admit(request, Ending())
        assert admission.identity is not None
        assert admission.target == b"/orders"
        assert token not in b"".join(value for _, value in admission.headers)
    assert tokens.seen == [token] * 3


@pytest.mark.parametrize("dpop", [None, DPoPSection()])
async def test_a_bound_token_is_nobodys_to_use_in_another_place(dpop: DPoPSection | None) -> None:
    token = sign(some_claims(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))
    judging = gate(dpop=dpop)
    for request in placed(token):
        ending = Ending()
        with pytest.raises(ProofRequired):
            await judging.admit(request, ending)
        assert ending.step is Step.BINDING


async def refusal_of(request: Facts, **settings: Any) -> tuple[type[Refusal], Step]:
    ending = Ending()
    with pytest.raises(Refusal) as caught:
        await gate(**settings).admit(request, ending)
    return type(caught.value), ending.step


async def test_refusals_of_places_stand_at_their_steps() -> None:
    both = facts(sign(), (b"X-Access-Token", sign()))
    assert await refusal_of(both) == (MultipleCredentials, Step.CREDENTIAL)
    ridden = facts(None, (b"Cookie", b"__Host-token=" + sign()), method="POST")
    assert await refusal_of(ridden) == (CrossSiteRequest, Step.ORIGIN)
    routes = (RouteSection(path="/orders", scopes=("nobody has it",)),)
    # Who may send it is asked before what it may do.
    assert await refusal_of(ridden, routes=routes) == (CrossSiteRequest, Step.ORIGIN)


async def test_the_facts_of_a_request_that_ended_are_without_its_token() -> None:
    for request in placed(sign()):
        ending = Ending()
        await gate().admit(request, ending)
        assert ending.facts is not None
        assert sign()[:40] not in ending.facts.target + b"".join(value for _, value in ending.facts.headers)
        assert ending.facts.place in {"X-Access-Token", "query access_token", "cookie __Host-token"}
