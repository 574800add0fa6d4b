"""What a path names is the caller's, also where the token is remembered and where its issuer has to be asked."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.errors import ClaimMismatch, PathMismatch, Refusal
from gateway.core.trail import Step
from gateway.gate import Gate
from gateway.ports import Ending
from tests.memory import MemoryIssuers, Nowhere, Recorder, facts
from tests.signer import AUDIENCE, NOW, issuer, sign, some_claims
from tests.test_completer import MemoryUserInfo

OWN = RouteSection(path="/users/{id}/*", where={"id": "sub"}, name="own")


def gate(*routes: RouteSection, says: Any = None, **settings: Any) -> Gate:
    config = Config(upstream="http://h", issuers=(issuer(**settings),), routes=routes)
    userinfo = None if says is None else MemoryUserInfo(says, [NOW])
    return Gate(config, issuers=MemoryIssuers(), upstream=Nowhere(), observer=Recorder(), userinfo=userinfo, clock=lambda: NOW)  # fmt: skip


async def admitted(made: Gate, target: str, token: bytes | None = None) -> tuple[Refusal | None, Ending]:
    ending = Ending()
    try:
        await made.admit(facts((token or None) if token is not None else sign(), target=target.encode()), ending)
    except Refusal as refusal:
        return refusal, ending
    return None, ending


async def test_a_path_is_judged_anew_for_a_token_that_is_remembered() -> None:
    made = gate(OWN)
    for _ in range(2):
        assert (await admitted(made, "/users/alice/orders"))[0] is None
        refusal, ending = await admitted(made, "/users/bob/orders")
        assert isinstance(refusal, PathMismatch)
        assert (refusal.status, refusal.reason, ending.step) == (403, "path_mismatch", Step.POLICY)
        assert ending.identity is not None


async def test_a_route_that_only_reports_counts_it() -> None:
    made = gate(RouteSection(path="/users/{id}", where={"id": "sub"}, mode="report"))
    refusal, ending = await admitted(made, "/users/bob")
    assert refusal is None
    assert isinstance(ending.reported, PathMismatch)


async def test_where_a_token_is_optional_nobody_passes_and_whoever_shows_one_is_judged() -> None:
    made = gate(RouteSection(path="/users/{id}", where={"id": "sub"}, access="optional"))
    assert (await admitted(made, "/users/bob", b""))[0] is None
    assert isinstance((await admitted(made, "/users/bob"))[0], PathMismatch)


@pytest.mark.parametrize(("target", "reason"), [("/orgs/acme", None), ("/orgs/other", "path_mismatch")])
async def test_a_claim_that_the_token_lacks_is_asked_of_its_issuer(target: str, reason: str | None) -> None:
    route = RouteSection(path="/orgs/{org}", where={"org": "org"})
    made = gate(route, says={"org": "acme"}, userinfo=UserInfoSection(claims=("org",)))
    for _ in range(2):
        refusal, _ = await admitted(made, target)
        assert (None if refusal is None else refusal.reason) == reason
    # The token's own word needs nobody.
    refusal, ending = await admitted(made, "/orgs/mine", sign(some_claims(org="mine")))
    assert refusal is None
    assert Step.USERINFO not in ending.steps


async def test_a_claim_that_neither_has_is_a_mismatch() -> None:
    made = gate(
        RouteSection(path="/orgs/{org}", where={"org": "org"}), says={}, userinfo=UserInfoSection(claims=("org",))
    )
    refusal, ending = await admitted(made, "/orgs/acme")
    assert isinstance(refusal, PathMismatch)
    assert ending.step is Step.USERINFO


async def test_a_route_may_ask_for_one_more_audience_beside_the_issuers() -> None:
    admin = "https://api.example.com/admin"
    made = gate(RouteSection(path="/admin/*", claims={"aud": admin}))
    assert isinstance((await admitted(made, "/admin/1"))[0], ClaimMismatch)
    assert (await admitted(made, "/admin/1", sign(some_claims(aud=[AUDIENCE, admin]))))[0] is None
