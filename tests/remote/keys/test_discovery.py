"""Where keys are: discovery, addresses, files."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.core.errors import IssuerUnavailable
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from gateway.ports import Issuers
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import HASTY, MakeRemote, fetch, find, kid, reason, started

HOUR = 3600.0
RFC8414_PATH = "/.well-known/oauth-authorization-server"


# Discovery


async def test_keys_are_found_by_discovery_before_anybody_asks(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote: Issuers = await started(make_remote(), clock)
    (key,) = remote.find_keys("local", alg="ES256", kid=kid(issuer, "ES256"))
    assert remote.has_key("local", key.thumbprint)
    assert not remote.has_key("local", "another")
    assert remote.find_keys("local", alg="RS256", kid=None)[0].kid == kid(issuer)
    assert remote.find_keys("local", alg="RS256", kid=kid(issuer, "ES256")) == ()
    assert remote.find_keys("local", alg="RS256", kid="nobody's") == ()
    assert observer.fetched == [("local", True, clock.wall())]
    assert observer.known == [("local", 2, False)]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_slash_at_the_end_of_the_issuer_is_not_doubled(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, slash: str
) -> None:
    named = f"{issuer.url}/tenant{slash}"
    document = {"issuer": named, "jwks_uri": issuer.url + JWKS_PATH}
    issuer.response(f"/tenant{DISCOVERY_PATH}", json.dumps(document))
    remote = await started(make_remote(issuer=named), clock)
    assert find(remote, kid(issuer))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410, 501])
@pytest.mark.parametrize("inserted", [f"{RFC8414_PATH}/tenant/one", f"{DISCOVERY_PATH}/tenant/one"])
async def test_the_inserted_path_is_tried_where_the_appended_one_is_absent(
    make_remote: MakeRemote, issuer: HostileIssuer, status: int, inserted: str
) -> None:
    for named in (f"{issuer.url}/tenant/one", f"{issuer.url}/tenant/one/"):
        issuer.response(f"/tenant/one{DISCOVERY_PATH}", "", status=status)
        issuer.response(inserted, json.dumps({"issuer": named, "jwks_uri": issuer.url + JWKS_PATH}))
        assert await fetch(make_remote(issuer=named), kid(issuer))


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        ("<html>the app</html>", 200, {}),
        ("", 302, {"Location": "https://login.example/"}),
        ("", 302, {"Location": DISCOVERY_PATH}),
    ],
    ids=["a page", "a login elsewhere", "a redirect to itself"],
)
async def test_the_inserted_path_is_tried_where_a_web_application_responses_for_everything(
    make_remote: MakeRemote, issuer: HostileIssuer, body: str, status: int, headers: dict[str, str]
) -> None:
    issuer.response(DISCOVERY_PATH, body, status=status, headers=headers)
    issuer.response(RFC8414_PATH, json.dumps(issuer.discovery()))
    assert await fetch(make_remote(), kid(issuer))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_the_inserted_path_is_not_tried_where_the_server_cannot_tell_now(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, status: int
) -> None:
    issuer.response(DISCOVERY_PATH, "", status=status)
    remote = await started(make_remote(), clock)
    assert reason(remote) == f"{issuer.url}{DISCOVERY_PATH}: the response has status {status}"
    assert not issuer.hits[RFC8414_PATH]


async def test_every_address_that_was_tried_is_named(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    named = f"{issuer.url}/tenant"
    issuer.response(f"/tenant{DISCOVERY_PATH}", "", status=403)
    remote = await started(make_remote(issuer=named), clock)
    assert reason(remote) == (
        f"{named}{DISCOVERY_PATH}: the response has status 403; "
        f"{issuer.url}{RFC8414_PATH}/tenant: the response has status 404; "
        f"{issuer.url}{DISCOVERY_PATH}/tenant: the response has status 404"
    )


async def test_the_addresses_tried_before_a_document_of_somebody_else_are_named_too(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(DISCOVERY_PATH, "", status=404)
    issuer.response(RFC8414_PATH, "{}")
    remote = await started(make_remote(), clock)
    assert reason(remote) == (
        f"{issuer.url}{DISCOVERY_PATH}: the response has status 404; "
        f"{issuer.url}{RFC8414_PATH}: the discovery document names no issuer"
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"issuer": "https://other.example"}, "names another issuer than the configured one, 'https://other.example'"),
        ({"issuer": "{url}/"}, "they differ by the slash at the end"),
        ({"issuer": "{url}\n\x1b[31m"}, "names another issuer than the configured one, '{url}\\n\\x1b[31m'"),
        ({"issuer": "x" * 10_000}, "names another issuer than the configured one, '" + "x" * 79 + "..."),
        ({"issuer": ["{url}"]}, "names another issuer than the configured one, ['{url}']"),
        ({"issuer": None}, "names no issuer"),
        ({"jwks_uri": None}, "has no jwks_uri"),
        ({"jwks_uri": ["{url}/jwks"]}, "has no jwks_uri"),
        ({"jwks_uri": "/jwks"}, "not an http or https address"),
        ({"jwks_uri": "file:///etc/passwd"}, "not an http or https address"),
        (
            {"jwks_uri": "https://u:p@keys.example/jwks"},
            "https://keys.example/jwks is not asked: it must not have a user",
        ),
        ({"jwks_uri": "http://keys.example/jwks"}, "plain http, which is not allowed"),
        ([], "not an object"),
    ],
)
async def test_a_discovery_document_that_is_not_the_issuers_is_refused(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, document: Any, sentence: str
) -> None:
    if isinstance(document, dict):
        document = issuer.discovery() | document
    issuer.response(DISCOVERY_PATH, json.dumps(document).replace("{url}", issuer.url))
    remote = await started(make_remote(), clock)
    assert sentence.replace("{url}", issuer.url) in reason(remote)
    assert reason(remote).isprintable()
    assert not issuer.hits[JWKS_PATH]


@pytest.mark.parametrize("content_type", ["application/jwk-set+json", "application/json"])
async def test_a_server_that_sends_key_sets_as_one_type_alone_is_asked_for_it(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, content_type: str
) -> None:
    """As Kubernetes does for the first of them: 406 to whoever does not name it."""

    async def response(request: web.Request) -> web.Response:
        if content_type not in request.headers["Accept"].split(", "):
            return web.Response(status=406)
        return web.Response(text=json.dumps(issuer.jwks()), content_type=content_type)

    issuer.response_by(JWKS_PATH, response)
    remote = await started(make_remote(), clock)
    assert find(remote, kid(issuer)), reason(remote)


async def test_a_server_that_refuses_every_type_is_told_of_by_its_status(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(JWKS_PATH, "", status=406)
    remote = await started(make_remote(), clock)
    assert reason(remote) == f"{issuer.url}{JWKS_PATH}: the response has status 406"


async def test_jwks_uri_may_be_on_another_origin(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    keys = HostileIssuer()
    await keys.start()
    issuer.response(DISCOVERY_PATH, json.dumps(issuer.discovery() | {"jwks_uri": keys.url + JWKS_PATH}))
    remote = await started(make_remote(), clock)
    assert find(remote, kid(keys))
    await keys.stop()


async def test_discovery_and_keys_together_take_no_longer_than_twice_the_limit(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    async def slowly_absent(_: web.Request) -> web.Response:
        await asyncio.sleep(0.6)
        return web.Response(status=404)

    for path in (f"/tenant{DISCOVERY_PATH}", f"{RFC8414_PATH}/tenant", f"{DISCOVERY_PATH}/tenant"):
        issuer.response_by(path, slowly_absent)
    remote = await started(make_remote(issuer=f"{issuer.url}/tenant", fetch_timeout=HASTY), clock)
    assert reason(remote) == "discovery and keys took more than 1.6 s"


async def test_discovery_url_says_where_to_ask_and_not_who_is_meant(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    public = "http://localhost:1"
    issuer.response("/inside", json.dumps(issuer.discovery() | {"issuer": public}))
    remote = await started(make_remote(issuer=public, discovery_url=issuer.url + "/inside"), clock)
    assert find(remote, kid(issuer))
    issuer.response("/inside", json.dumps(issuer.discovery()))
    remote = make_remote(issuer=public, discovery_url=issuer.url + "/inside")
    with pytest.raises(IssuerUnavailable, match="another issuer"):
        await fetch(remote)


async def test_discovery_url_has_no_second_place_to_look(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(discovery_url=issuer.url + "/absent"), clock)
    assert "status 404" in reason(remote)
    assert dict(issuer.hits) == {"/absent": 1}


async def test_jwks_url_needs_no_discovery_and_no_address_as_issuer(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(issuer="a name", jwks_url=issuer.url + JWKS_PATH, allow_http=True), clock)
    assert find(remote, kid(issuer))
    assert dict(issuer.hits) == {JWKS_PATH: 1}


async def test_an_issuer_that_is_no_address_cannot_be_discovered(
    make_remote: MakeRemote, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(issuer="a name", allow_http=True), clock)
    assert reason(remote) == "a name is not an http or https address"


async def test_where_the_keys_are_is_remembered_and_asked_for_anew_when_it_is_old(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(DISCOVERY_PATH, headers={"Cache-Control": "max-age=1800"})
    await started(make_remote(), clock)
    await clock.advance(4 * HOUR)
    assert issuer.hits[JWKS_PATH] == 31  # every 8 minutes
    assert issuer.hits[DISCOVERY_PATH] == 8  # at the refresh that follows 30 minutes


async def test_keys_that_moved_are_followed_at_once(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    issuer.response(DISCOVERY_PATH, headers={"Cache-Control": "max-age=3600"})
    remote = await started(make_remote(), clock)
    issuer.rotate(keep=False)
    issuer.response(JWKS_PATH, "gone", status=404)
    issuer.response("/moved", json.dumps(issuer.jwks()))
    issuer.response(DISCOVERY_PATH, json.dumps(issuer.discovery() | {"jwks_uri": issuer.url + "/moved"}))
    assert await fetch(remote, kid(issuer))
    assert [ok for _, ok, _ in observer.fetched] == [True, True]


async def test_an_outage_of_discovery_alone_is_no_outage_of_keys(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    issuer.response(DISCOVERY_PATH, "", status=503)
    issuer.rotate(keep=False)
    await clock.advance(HOUR)
    assert find(remote, kid(issuer))
    assert all(ok for _, ok, _ in observer.fetched)


async def test_discovery_that_turns_into_another_issuers_is_a_failure(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    issuer.response(DISCOVERY_PATH, json.dumps(issuer.discovery() | {"issuer": "https://other.example"}))
    await clock.advance(HOUR)
    assert "another issuer" in reason(remote)
    assert find(remote, kid(issuer))


# Files


async def test_a_key_file_is_read_and_read_again_when_it_changes(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, tmp_path: Path
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(issuer.jwks()))
    remote = await started(make_remote(issuer="a name", jwks_file=str(path)), clock)
    assert find(remote, kid(issuer))
    issuer.rotate(keep=False)
    replacement = tmp_path / "new.json"
    replacement.write_text(json.dumps(issuer.jwks()))
    replacement.replace(path)
    await clock.advance(60)
    assert find(remote, kid(issuer))
    assert len(find(remote, None)) == 1
    issuer.rotate(keep=False)
    path.write_text(json.dumps(issuer.jwks()))
    assert await fetch(remote, kid(issuer))
    assert not issuer.hits


async def test_a_key_file_is_read_again_as_often_as_configured(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, tmp_path: Path
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(issuer.jwks()))
    remote = await started(make_remote(jwks_file=str(path), jwks_refresh=30), clock)
    issuer.rotate(keep=False)
    path.write_text(json.dumps(issuer.jwks()))
    await clock.advance(30)
    assert find(remote, kid(issuer))


BROKEN_FILES = {
    "cannot be read": None,
    "the text is not JSON": b"{",
    "larger than 256 KiB": b" " * 300_000,
    "no usable key": b'{"keys": []}',
}


@pytest.mark.parametrize("sentence", BROKEN_FILES)
async def test_a_key_file_that_is_missing_or_broken_is_a_failure_that_ends_with_the_repair(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, tmp_path: Path, sentence: str
) -> None:
    path = tmp_path / "jwks.json"
    if (content := BROKEN_FILES[sentence]) is not None:
        path.write_bytes(content)
    remote = await started(make_remote(jwks_file=str(path)), clock)
    assert sentence in reason(remote)
    path.write_text(json.dumps(issuer.jwks()))
    await clock.advance(2)
    assert find(remote, kid(issuer))
