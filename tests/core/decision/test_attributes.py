"""What Envoy says of a request over gRPC, read as that request; and what is taken out of it."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.file import Config
from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.core.decision.attributes import Attributes, read, removed
from gateway.core.decision.question import DecisionRules
from gateway.core.errors import (
    MethodNotImplemented,
    Refusal,
    TooLarge,
    UnclearSubrequest,
    UndecidableCredential,
    UntrustedProxy,
)
from gateway.core.http.facts import Facts
from tests.signer import issuer

LINES = (
    (b":authority", b"api.test"),
    (b":path", b"/orders/1?x=%2F"),
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b"authorization", b"Bearer a"),
    (b"X_User_Id", b" root "),
    (b"x-request-id", b"r-1"),
)
TOLD = Attributes(
    method="GET", path="/orders/1?x=%2F", host="api.test", scheme="https", protocol="HTTP/2", lines=LINES, size=7
)


def facts_of(told: Attributes, limits: Limits | None = None) -> Facts:
    return read(told, peer="192.0.2.1", trusted=True, limits=limits or Limits(), new_id="new")


def test_every_fact_is_read() -> None:
    facts = facts_of(TOLD)
    assert (facts.method, facts.target, facts.host, facts.scheme) == ("GET", b"/orders/1?x=%2F", b"api.test", "https")
    assert facts.headers == ((b"authorization", b"Bearer a"), (b"X_User_Id", b"root"), (b"x-request-id", b"r-1"))
    assert (facts.authorization, facts.content_length, facts.chunked) == ((b"Bearer a",), 7, False)
    assert (facts.version, facts.peer, facts.trusted, facts.request_id) == ((2, 0), "192.0.2.1", True, "r-1")
    assert facts.is_question
    assert not facts.is_websocket


@pytest.mark.parametrize(
    ("protocol", "version"), [("HTTP/1.0", (1, 0)), ("HTTP/1.1", (1, 1)), ("HTTP/3", (3, 0)), ("", (1, 1))]
)
def test_what_the_client_speaks(protocol: str, version: tuple[int, int]) -> None:
    assert facts_of(replace(TOLD, protocol=protocol)).version == version


def test_of_what_is_not_told_nothing_is_made_up() -> None:
    facts = facts_of(replace(TOLD, lines=(), size=-1))
    assert (facts.headers, facts.authorization, facts.content_length, facts.request_id) == ((), (), None, "new")


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        (b"Bearer a", (b"Bearer a",)),
        (b"Bearer a,Bearer b", (b"Bearer a", b"Bearer b")),
        (b"Bearer a,", (b"Bearer a", b"")),
    ],
)
def test_where_lines_were_joined_a_comma_stands_between_two_credentials(
    value: bytes, read_as: tuple[bytes, ...]
) -> None:
    assert facts_of(replace(TOLD, lines=(), joined=((b"authorization", value),))).authorization == read_as


def test_of_lines_as_they_came_a_comma_is_a_part() -> None:
    told = replace(TOLD, lines=((b"Authorization", b"Bearer a,b"), (b"authorization", b"x")), joined=(LINES[4],))
    assert facts_of(told).authorization == (b"Bearer a,b", b"x")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"method": "get", "lines": ()}, MethodNotImplemented),
        ({"method": "", "lines": ()}, MethodNotImplemented),
        ({"method": "GÉT"}, UnclearSubrequest),  # the line says GET
        ({"host": ""}, UnclearSubrequest),
        ({"host": "a b", "lines": ()}, UnclearSubrequest),
        ({"host": "other.test"}, UnclearSubrequest),
        ({"path": "/admin"}, UnclearSubrequest),
        ({"scheme": "ftp"}, UnclearSubrequest),
        ({"scheme": ""}, UnclearSubrequest),
        ({"lines": (*LINES, (b":path", b"/orders/1?x=%2F"))}, UnclearSubrequest),
        ({"lines": (*LINES, (b"a b", b"x"))}, UnclearSubrequest),
        ({"lines": (*LINES, (b"", b"x"))}, UnclearSubrequest),
        ({"lines": (*LINES, (b"a", b"x\r\ny"))}, UnclearSubrequest),
        ({"lines": (*LINES, (b"a", b"x\x00"))}, UnclearSubrequest),
    ],
)
def test_what_is_not_one_request_is_none(changes: dict[str, Any], refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        facts_of(replace(TOLD, **changes))


@pytest.mark.parametrize("limits", [Limits(header_bytes=Size(60)), Limits(header_count=2)])
def test_a_head_has_the_bounds_of_the_traffic_port(limits: Limits) -> None:
    with pytest.raises(TooLarge):
        facts_of(TOLD, limits)


@pytest.mark.parametrize(
    ("headers", "admitted", "written", "gone"),
    [
        # taken out by the gateway itself, in whatever spelling; what the proxy writes needs no taking out
        (
            ["X_User_Id", "x-user-id", "x.user.id", "Accept"],
            [(b"X-User-Id", b"alice"), (b"Accept", b"v")],
            [(b"X-User-Id", b"alice")],
            [b"x_user_id", b"x.user.id"],
        ),
        (["x-user-id", "x-user-id"], [], [(b"X-User-Id", b"")], [b"x-user-id"]),
        (["authorization", "dpop"], [], [], [b"authorization", b"dpop"]),
        # one that the API gets in place of the client's, and one that it gets as it is
        (["authorization"], [(b"Authorization", b"Bearer own")], [(b"Authorization", b"Bearer own")], []),
        (["Authorization"], [(b"Authorization", b"v")], [], []),
        # what the proxy writes itself
        (["te", "Connection", "upgrade", "content-length", "host", "expect", "transfer-encoding"], [], [], []),
        (["x-forwarded-for", "X-Request-Id"], [(b"X-Forwarded-For", b"a"), (b"X-Request-Id", b"r")], [], []),
    ],
)
def test_what_the_api_would_not_get_is_taken_out(
    headers: list[str], admitted: list[tuple[bytes, bytes]], written: list[tuple[bytes, bytes]], gone: list[bytes]
) -> None:
    asked = facts_of(replace(TOLD, lines=tuple((name.encode(), b"v") for name in headers)))
    assert removed(asked, admitted, written) == gone


def rules(**settings: Any) -> DecisionRules:
    return DecisionRules.of(Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),), **settings))


def asked(told: Attributes, *, trusted: bool = True, **settings: Any) -> Facts:
    return rules(**settings).asked_over_grpc(told, peer="192.0.2.1", trusted=trusted, new_id="new")


def test_a_header_that_can_be_taken_out_is_no_reason_to_refuse() -> None:
    lines = (*LINES, (b"x.user.id", b"root"), (b"x-http-method-override", b"DELETE"))
    assert asked(replace(TOLD, lines=lines)).headers[-1] == (b"x-http-method-override", b"DELETE")


def test_who_asks_is_trusted_or_nobody() -> None:
    with pytest.raises(UntrustedProxy):
        asked(TOLD, trusted=False)


@pytest.mark.parametrize("path", ["", "orders", "*", "/a b", "/é", "http://a/"])
def test_a_target_is_a_path(path: str) -> None:
    with pytest.raises(UnclearSubrequest):
        asked(replace(TOLD, path=path, lines=()))


def test_the_target_of_the_whole_server() -> None:
    assert asked(replace(TOLD, method="OPTIONS", path="*", lines=())).target == b"*"


def test_a_credential_that_cannot_be_taken_out_is_refused() -> None:
    told = replace(TOLD, path="/orders?access_token=t", lines=())
    credentials = ("authorization", CredentialPlace(query="access_token"), CredentialPlace(header="X-Access-Token"))
    with pytest.raises(UndecidableCredential):
        asked(told, credentials=credentials)
    assert asked(told, credentials=credentials, decisions_sources="all").target == b"/orders?access_token=t"
    in_header = replace(TOLD, lines=(*LINES, (b"x-access-token", b"t")))
    assert asked(in_header, credentials=credentials).headers[-1] == (b"x-access-token", b"t")
