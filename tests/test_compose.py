"""One composition for serving and explaining; what was made is gone when it is closed, and another can take its place."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey

from gateway.assembly import Assembly, Current
from gateway.compose import build, signing_keys
from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.fetch import Fetch
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import UpstreamSection, UpstreamTls
from gateway.core.errors import UnknownKey
from tests.issuer import HostileIssuer, RecordingObserver
from tests.wire import config_for, get, starting


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_text('{"keys": []}')
    return str(path)


def assembly(jwks: str, **settings: Any) -> Assembly:
    return build(config_for("http://127.0.0.1:9", jwks, **settings), observer=RecordingObserver())


async def test_what_was_built_and_started_leaves_no_task(jwks: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    made = assembly(jwks, assertion=AssertionSection(issuer="g", key=KeyFile(file=str(key))))
    await made.start()
    assert len(asyncio.all_tasks()) > 3
    await made.close()
    await made.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_the_keys_of_assertions_are_there_where_they_are_configured(jwks: str) -> None:
    plain, signing = assembly(jwks), assembly(jwks, assertion=AssertionSection(issuer="g"))
    try:
        assert plain.signer is None
        assert signing.signer is not None
        assert len(json.loads(signing.signer.published())["keys"]) == 1
    finally:
        await plain.close()
        await signing.close()


async def test_a_file_that_was_spoilt_meanwhile_is_told_under_its_key_and_nothing_is_left(jwks: str) -> None:
    missing = KeyFile(file="/nonexistent")
    with pytest.raises(ValueError, match=r"^assertion\.key\.file names a file that does not exist$"):
        assembly(jwks, assertion=AssertionSection(issuer="g", key=missing))
    upstreams = {"default": UpstreamSection(url="https://a.test", tls=UpstreamTls(ca_file="/nonexistent"))}
    with pytest.raises(ValueError, match=r"^upstreams\.default\.tls\."):
        build(config_for(None, jwks, upstreams=upstreams), observer=RecordingObserver())
    assert len(asyncio.all_tasks()) == 1


def test_without_assertions_there_are_no_keys_to_sign_with() -> None:
    assert signing_keys(Config(issuers=())) is None


async def test_another_assembly_serves_from_the_next_request_on(tmp_path: Path, jwks: str) -> None:
    async with starting(tmp_path) as start:
        gateway = await start(routes=(RouteSection(path="/a"),), unmatched="refuse")
        client = await gateway.client()
        assert (await client.ask(get("/b"))).status == 404
        before = gateway.gateway.assembly
        config = msgspec.structs.replace(before.config, routes=(RouteSection(path="/b"),))
        after = build(config, observer=RecordingObserver())
        await after.start()
        gateway.gateway._current.replace(after)
        try:
            assert (await client.ask(get("/b"))).body == b"ok"
            assert (await client.ask(get("/a"))).status == 404
        finally:
            gateway.gateway._current.replace(before)
            await after.close()


async def test_each_listener_asks_for_its_own_part(jwks: str) -> None:
    one, other = assembly(jwks), assembly(jwks)
    current = Current(one)
    try:
        for made in (one, other):
            current.replace(made)
            assert current.traffic.handle == made.gate.handle
            assert current.questions.handle == made.decisions.handle
    finally:
        await one.close()
        await other.close()


async def test_an_issuer_is_shown_the_token_that_its_file_has_now(jwks: str, tmp_path: Path) -> None:
    issuer, path = HostileIssuer(), tmp_path / "token"
    await issuer.start()
    issuer.response("/openid/v1/jwks", json.dumps(issuer.jwks()))
    token = Secret(file=str(path))
    cluster = Issuer(
        issuer=issuer.url,
        audience="orders",
        name="local",
        preset="kubernetes",
        ca_file=ssl.get_default_verify_paths().cafile,
        fetch=Fetch(origin=issuer.url, authorization=token),
    )
    config = config_for("http://127.0.0.1:9", jwks, issuers=(cluster,))
    made = build(config, observer=RecordingObserver(), secrets={token: "one"})
    try:
        assert await made.issuers.fetch_keys("local", alg="RS256", kid=None)
        assert issuer.authorization == "Bearer one"
        path.write_text("two\n")
        # As every ten seconds.
        made.secrets._take(made.secrets._read())
        with pytest.raises(UnknownKey):
            await made.issuers.fetch_keys("local", alg="RS256", kid="new")
        assert issuer.authorization == "Bearer two"
    finally:
        await made.close()
        await issuer.stop()


async def test_no_token_is_kept_beyond_the_second_in_which_it_came(jwks: str) -> None:
    made = assembly(jwks)
    try:
        digests = made.gate.verifier.digests
        digests.presume((b"Bearer token",))
        digests.presume((b"Bearer token",))
        made.look(0.0)
        assert repr(digests) == "RecentDigests(0 tokens, in use)"
    finally:
        await made.close()
