"""Endpoints of the discovery document, against real sockets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.config.issuers import Issuer
from gateway.remote.fetched import FETCH_TIMEOUT, FetchFailed
from gateway.remote.metadata import PAUSE, Metadata, NoEndpoint
from tests.issuer import HostileIssuer, SimulatedClock

PATH = "/.well-known/openid-configuration"
Make = Callable[..., Metadata]


@pytest.fixture
def make(issuer: HostileIssuer, clock: SimulatedClock) -> Make:
    def make(**settings: Any) -> Metadata:
        return Metadata(Issuer(issuer=issuer.url, audience="a", **settings), monotonic=clock.monotonic)

    return make


def publish(issuer: HostileIssuer, **members: Any) -> None:
    issuer.response(PATH, json.dumps({"issuer": issuer.url, **members}), headers={"Cache-Control": "max-age=300"})


async def test_an_endpoint_is_found_and_kept(issuer: HostileIssuer, make: Make, clock: SimulatedClock) -> None:
    publish(issuer, introspection_endpoint=f"{issuer.url}/introspect")
    metadata = make()
    found = await asyncio.gather(*(metadata.endpoint("introspection_endpoint") for _ in range(10)))
    assert set(found) == {f"{issuer.url}/introspect"}
    assert issuer.hits[PATH] == 1
    publish(issuer, introspection_endpoint=f"{issuer.url}/moved")
    clock.skip(299)
    assert await metadata.endpoint("introspection_endpoint") == f"{issuer.url}/introspect"
    clock.skip(1)
    assert await metadata.endpoint("introspection_endpoint") == f"{issuer.url}/moved"


async def test_a_client_with_a_certificate_asks_where_it_is_told_to(issuer: HostileIssuer, make: Make) -> None:
    aliases = {"introspection_endpoint": f"{issuer.url}/mtls"}
    publish(issuer, introspection_endpoint=f"{issuer.url}/introspect", mtls_endpoint_aliases=aliases)
    metadata = make()
    assert await metadata.endpoint("introspection_endpoint", mtls=True) == f"{issuer.url}/mtls"
    assert await metadata.endpoint("introspection_endpoint") == f"{issuer.url}/introspect"


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({}, "has no introspection_endpoint"),
        ({"introspection_endpoint": ["x"]}, "has no introspection_endpoint"),
        ({"introspection_endpoint": "http://elsewhere.example/"}, "plain http"),
        ({"introspection_endpoint": "file:///etc/passwd"}, "is not an http or https address"),
        ({"introspection_endpoint": "https://a/", "mtls_endpoint_aliases": {"introspection_endpoint": 1}}, "has no"),
    ],
)
async def test_what_it_does_not_name_as_it_should_is_told(
    issuer: HostileIssuer, make: Make, members: dict[str, Any], sentence: str
) -> None:
    publish(issuer, **members)
    with pytest.raises(NoEndpoint, match=sentence):
        await make().endpoint("introspection_endpoint", mtls=True)


async def test_a_document_of_another_issuer_is_not_believed(issuer: HostileIssuer, make: Make) -> None:
    issuer.response(PATH, json.dumps({"issuer": "https://evil.example", "introspection_endpoint": "https://evil/"}))
    with pytest.raises(FetchFailed, match="names another issuer"):
        await make().endpoint("introspection_endpoint")


async def test_while_it_cannot_be_had_it_is_asked_for_once_a_second_and_the_old_one_serves(
    issuer: HostileIssuer, make: Make, clock: SimulatedClock
) -> None:
    metadata = make()
    issuer.response(PATH, "{}", status=503)
    for _ in range(3):
        with pytest.raises(FetchFailed, match="status 503"):
            await metadata.endpoint("introspection_endpoint")
    assert issuer.hits[PATH] == 1
    publish(issuer, introspection_endpoint=f"{issuer.url}/introspect")
    clock.skip(PAUSE)
    assert await metadata.endpoint("introspection_endpoint") == f"{issuer.url}/introspect"
    issuer.response(PATH, "{}", status=503)
    clock.skip(3600)
    assert await metadata.endpoint("introspection_endpoint") == f"{issuer.url}/introspect"
    assert issuer.hits[PATH] == 3


async def test_nobody_waits_for_a_document_that_hangs_while_there_is_an_old_one(
    issuer: HostileIssuer, make: Make, clock: SimulatedClock
) -> None:
    publish(issuer, introspection_endpoint=f"{issuer.url}/introspect")
    metadata = make()
    await metadata.endpoint("introspection_endpoint")
    issuer.hold(PATH)
    clock.skip(300)
    async with asyncio.timeout(FETCH_TIMEOUT / 2):
        for _ in range(9):
            assert await metadata.endpoint("introspection_endpoint") == f"{issuer.url}/introspect"
    assert issuer.hits[PATH] == 2
    await metadata.stop()


async def test_other_places_are_tried_where_there_is_none(issuer: HostileIssuer, make: Make) -> None:
    issuer.response(PATH, "{}", status=404)
    elsewhere = "/.well-known/oauth-authorization-server"
    issuer.response(elsewhere, json.dumps({"issuer": issuer.url, "token_endpoint": f"{issuer.url}/token"}))
    assert await make().endpoint("token_endpoint") == f"{issuer.url}/token"
    issuer.response(elsewhere, "{}", status=404)
    with pytest.raises(FetchFailed, match="status 404"):
        await make().endpoint("token_endpoint")


async def test_stopping_ends_a_fetch(issuer: HostileIssuer, make: Make) -> None:
    metadata = make()
    await metadata.stop()
    released = issuer.hold(PATH)
    waiting = asyncio.create_task(metadata.endpoint("token_endpoint"))
    await issuer.asked(PATH)
    await metadata.stop()
    with pytest.raises(FetchFailed):
        await waiting
    released.set()
