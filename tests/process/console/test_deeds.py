"""What is asked of a gateway by its console is done with what serves. Most of it: tests/console/test_api.py."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.console.sources import Impossible
from gateway.core.config.revocation import Revocation
from gateway.process.console.deeds import Deeds
from gateway.store.revocations import CannotRevoke
from tests.process.console.conftest import Opened
from tests.wire import demo_issuer


async def deeds(opened: Opened) -> Deeds:
    console = await opened(revocation=Revocation())
    return Deeds(lambda: console.gateway.gateway.assembly)


async def test_a_token_speaks_for_somebody_only_with_all_scopes(opened: Opened) -> None:
    done = await deeds(opened)
    token = demo_issuer().access_token(alg="ES256", scope="a b")
    for scopes, there in ((["a"], True), (["a", "b"], True), (["a", "c"], False), ([], False)):
        assert bool(await done.do("verify", {"token": token, "scopes": scopes})) is there
    assert await done.do("verify", {"token": "a b", "scopes": ["a"]}) == {}
    assert await done.do("verify", {"token": "\udcff", "scopes": ["a"]}) == {}


async def test_an_issuer_that_was_asked_just_now_is_not_asked_for_ever(opened: Opened) -> None:
    done = await deeds(opened)
    statuses = []
    for _ in range(50):
        try:
            await done.do("refresh", {"issuer": "issuer.test"})
        except Impossible as impossible:
            statuses.append(impossible.status)
    assert set(statuses) == {503}


async def test_what_is_to_be_lifted_is_named_as_it_was_revoked(opened: Opened) -> None:
    done = await deeds(opened)
    for what in ({"subject": "alice"}, {"sid": "s"}, {"client": "c"}, {"jti": "j"}, {"all": True}, {"token": "a.b.c"}):
        assert (await done.do("revoke", {**what, "who": "me"}))["changed"]
        assert (await done.do("lift", {**what, "who": "me"}))["changed"]
    assert (await done.do("list", {}))["entries"] == []


class Full:
    """A list without room."""

    async def add(self, *_: object, source: str) -> bool:
        assert source == "console"
        raise CannotRevoke("the list is full")


async def test_a_list_that_is_full_says_so(opened: Opened) -> None:
    console = await opened(revocation=Revocation())
    full: Any = Full()
    done = Deeds(lambda: replace(console.gateway.gateway.assembly, revocations=full))
    with pytest.raises(Impossible) as caught:
        await done.do("revoke", {"subject": "a"})
    assert caught.value.status == 503


async def test_where_nothing_can_be_revoked_it_says_so(opened: Opened) -> None:
    console = await opened()
    with pytest.raises(Impossible, match="no revocation"):
        await Deeds(lambda: console.gateway.gateway.assembly).do("list", {})
