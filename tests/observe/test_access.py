"""One line a request, and in it nothing that anybody could replay."""

import asyncio
import contextlib
import io
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from gateway.core.config.log import Log
from gateway.core.config.routes import RouteSection
from gateway.core.errors import InsufficientScope, MissingCredential, Suspect, UnknownIssuer, UpstreamUnreachable
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.routing.route import compile_route
from gateway.core.token.confirmation import Confirmation
from gateway.core.token.identity import Identity
from gateway.core.token.markers import Verdict
from gateway.observe.access import AccessLog, without_token
from gateway.ports import Ending
from tests.memory import identity
from tests.values import changed, ending

ROUTE = compile_route(RouteSection(path="/*", name="orders"))
NOW = datetime(2026, 7, 28, 12, 0, 0, 123456, tzinfo=UTC)
IDENTITY = Identity(
    issuer="mine",
    subject="alice",
    client="app",
    scopes=(),
    claims={},
    expires_at=0.0,
    not_before=None,
    leeway=0.0,
    key="k",
    verdict=Verdict("access", "typ"),
    token_id="0123456789ab",
    headers=((b"X-User-Id", b"alice"),),
)


def facts(target: bytes = b"/a?secret=1", headers: Sequence[HeaderLine] = ()) -> Facts:
    return Facts(
        method="GET",
        target=target,
        version=(1, 1),
        headers=tuple(headers),
        authorization=(b"Bearer secret",),
        host=b"a",
        content_length=None,
        chunked=False,
        scheme="http",
        peer="10.0.0.1",
        trusted=False,
        request_id="rid",
    )


class Written(io.StringIO):
    """Standard output that knows what was written at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


def record(ending: Ending, **log: Any) -> dict[str, Any]:
    stream = io.StringIO()
    AccessLog(Log(**log), stream, clock=NOW.timestamp).request_ended(ending)
    found: dict[str, Any] = json.loads(stream.getvalue())
    return found


def test_a_record_of_an_admitted_request_has_every_field() -> None:
    made = ending(
        facts=facts(),
        route=ROUTE,
        status=200,
        identity=IDENTITY,
        duration=0.0123456,
        upstream_duration=0.01,
        bytes_in=3,
        bytes_out=4,
    )
    assert record(made) == {
        "ts": "2026-07-28T12:00:00.123Z",
        "client": facts().peer,
        "method": "GET",
        "path": "/a",
        "status": 200,
        "route": "orders",
        "outcome": "admitted",
        "evidence": IDENTITY.verdict.evidence,
        "issuer": "mine",
        "client_id": "app",
        "sub": "2bd806c97f0e00af",
        "token": "0123456789ab",
        "duration_ms": 12.346,
        "upstream_ms": 10.0,
        "bytes_in": 3,
        "bytes_out": 4,
        "request_id": "rid",
    }


def test_a_record_of_a_request_with_a_proof_has_the_beginning_of_its_thumbprint() -> None:
    for methods, shown in (
        ({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, "0ZcOCORZ"),
        ({"x5t#S256": "abc"}, None),
        ({}, None),
    ):
        confirmation = Confirmation(methods)
        assert record(ending(facts=facts(), identity=identity(confirmation=confirmation))).get("jkt") == shown


def test_a_record_of_a_refused_token_names_only_what_is_known_of_it() -> None:
    refusal = UnknownIssuer("somebody")
    refusal.suspect = Suspect("ba9876543210", "kid-1", None)
    found = record(ending(facts=facts(), status=401, refusal=refusal))
    assert (found["outcome"], found["reason"], found["evidence"]) == ("refused", "unknown_issuer", "somebody")
    assert (found["token"], found["kid"]) == ("ba9876543210", "kid-1")
    assert {"sub", "client_id", "issuer"}.isdisjoint(found)


def test_a_record_has_the_tenant_of_whoever_called_or_was_refused() -> None:
    found = record(ending(facts=facts(), status=200, identity=changed(IDENTITY, tenant="a")))
    assert (found["issuer"], found["tenant"]) == ("mine", "a")
    refusal = UnknownIssuer("somebody")
    refusal.suspect = Suspect("ba9876543210", None, "mine", "b")
    found = record(ending(facts=facts(), status=401, refusal=refusal))
    assert (found["issuer"], found["tenant"]) == ("mine", "b")


def test_a_request_that_could_not_be_parsed_has_a_record_too() -> None:
    found = record(ending(status=400, refusal=MissingCredential()))
    assert {"method", "path", "route", "request_id", "evidence"}.isdisjoint(found)


@pytest.mark.parametrize(("subject", "shown"), [("plain", "alice"), ("hashed", "2bd806c97f0e00af"), ("off", None)])
def test_the_subject_is_shown_as_configured(subject: str, shown: str | None) -> None:
    assert record(ending(facts=facts(), identity=IDENTITY), subject=subject).get("sub") == shown


@pytest.mark.parametrize(
    ("target", "shown"),
    [(b"/a?token=x", "/a"), (b"/?", "/"), (b"*", "*"), (b"/a\xff", "/a\\xff"), (b"/" + b"a" * 5000, "/" + "a" * 1023)],
)
def test_a_path_is_shown_without_its_query_and_not_at_any_length(target: bytes, shown: str) -> None:
    assert record(ending(facts=facts(target)))["path"] == shown


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([TRACE], "0af7651916cd43dd8448eb211c80319c"),
        ([TRACE + b"-more"], "0af7651916cd43dd8448eb211c80319c"),
        ([TRACE, TRACE], None),
        ([b"x"], None),
        ([], None),
        ([TRACE.upper()], None),
    ],
)
def test_the_trace_is_named_when_traceparent_is_sound(values: list[bytes], shown: str | None) -> None:
    assert record(ending(facts=facts(headers=[(b"TraceParent", value) for value in values]))).get("trace_id") == shown


@pytest.mark.parametrize(("access", "lines"), [("all", 2), ("refused", 1), ("none", 0)])
def test_what_is_written_is_configured(access: Literal["all", "refused", "none"], lines: int) -> None:
    stream = io.StringIO()
    log = AccessLog(Log(access=access), stream)
    log.request_ended(ending(facts=facts(), status=200))
    log.request_ended(ending(facts=facts(), status=401, refusal=MissingCredential()))
    assert len(stream.getvalue().splitlines()) == lines
    assert "secret" not in stream.getvalue()


@pytest.mark.parametrize("evidence", ["a\r\n\u2028\x00\x1b[31m\u00fc", "a\r\n\x00\x1b[31m", "a"])
def test_a_line_is_one_line_of_ascii_json_whatever_stands_in_it(evidence: str) -> None:
    stream = io.StringIO()
    refusal = UnknownIssuer(evidence)
    AccessLog(Log(), stream).request_ended(ending(facts=facts(b'/"\\\x7f'), status=401, refusal=refusal))
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["evidence"] == refusal.evidence


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "no space"), ValueError("closed")])
def test_serving_goes_on_when_nobody_reads_the_log(error: Exception) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    log = AccessLog(Log(), Broken())
    log.request_ended(ending(facts=facts(), status=200))
    log.request_ended(ending(facts=facts(), status=200))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/orders/1", "/orders/1"),
        ("/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln/x", "/(token)/x"),
        ("/files/c2lnbmF0dXJlLW9mLWEtdG9rZW4", "/files/(token)"),
        ("/files/123e4567-e89b-12d3-a456-426614174000", "/files/123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_what_a_client_wrote_is_logged_without_its_token(text: str, left: str) -> None:
    assert without_token(text, "Bearer aaaa.bbbb.c2lnbmF0dXJlLW9mLWEtdG9rZW4") == left


def test_a_record_of_a_reported_request_has_the_reason_and_whose_token_it_was() -> None:
    reported = InsufficientScope("route orders asks for write", scope=("write",))
    made = ending(facts=facts(), route=ROUTE, status=200, identity=IDENTITY, reported=reported)
    found = record(made)
    assert (found["outcome"], found["reason"], found["status"]) == ("reported", "insufficient_scope", 200)
    assert (found["evidence"], found["route"], found["client_id"]) == (reported.evidence, "orders", "app")


def test_a_record_of_a_reported_token_names_only_what_is_known_of_it() -> None:
    reported = UnknownIssuer("somebody")
    reported.suspect = Suspect("ba9876543210", "kid-1", None)
    found = record(ending(facts=facts(), route=ROUTE, status=200, reported=reported))
    assert (found["outcome"], found["token"], found["kid"]) == ("reported", "ba9876543210", "kid-1")
    assert {"sub", "client_id", "issuer"}.isdisjoint(found)


def test_of_what_is_refused_reported_requests_are_a_part() -> None:
    stream = io.StringIO()
    log = AccessLog(Log(access="refused"), stream)
    log.request_ended(ending(facts=facts(), status=200, reported=MissingCredential()))
    log.request_ended(ending(facts=facts(), status=200))
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("length", [4_000, 30_000])
def test_a_long_path_beside_a_long_credential_costs_little(length: int) -> None:
    started = time.process_time()
    without_token("/" + ("baaaaaaaaaaaaaaa" * 64), "Bearer " + "a" * length)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("more", ["", " " * 5_000])
@pytest.mark.parametrize("start", range(30))
def test_every_piece_of_a_credential_is_seen(start: int, more: str) -> None:
    credentials = "Bearer 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN" + more
    piece = credentials[7 + start : 7 + start + 16]
    assert without_token(f"/x/{piece}", credentials) == "/x/(token)"
    assert without_token(f"/x/{'.' * (start % 7)}{piece}-0", credentials) == "/x/(token)"


SECRET = "c2lnbmF0dXJlLW9mLWEtdG9rZW4"


def test_no_field_that_a_client_wrote_has_a_piece_of_its_token() -> None:
    refusal = UnknownIssuer(f"issuer {SECRET}")
    refusal.suspect = Suspect("ba9876543210", SECRET, None)
    asked = changed(
        facts(f"/a/{SECRET}?b".encode(), [(b"X-Request-ID", SECRET.encode())]),
        authorization=(f"Bearer a.{SECRET}".encode(),),
        request_id=SECRET,
    )
    found = record(ending(facts=asked, status=401, refusal=refusal))
    assert (found["path"], found["kid"], found["request_id"]) == ("/a/(token)", "(token)", "(token)")
    assert found["evidence"] == "issuer (token)"
    assert SECRET[:16] not in json.dumps(found)


def test_an_id_that_the_gateway_made_is_shown_as_it_is() -> None:
    made = "0123456789abcdef" * 2
    assert record(ending(facts=changed(facts(), request_id=made)))["request_id"] == made


def test_half_a_surrogate_pair_in_a_verified_claim_is_no_reason_to_fail() -> None:
    assert record(ending(identity=changed(IDENTITY, client="a\ud800")))["client_id"] == "a\ud800"


async def test_lines_of_one_turn_of_the_loop_are_written_at_once() -> None:
    stream = Written()
    log = AccessLog(Log(), stream)
    for status in (200, 201, 202):
        log.request_ended(ending(status=status))
    assert stream.writes == []
    await asyncio.sleep(0)
    (written,) = stream.writes
    assert [json.loads(line)["status"] for line in written.splitlines()] == [200, 201, 202]
    log.request_ended(ending(status=203))
    await asyncio.sleep(0)
    assert len(stream.writes) == 2


async def test_no_more_than_a_batch_is_gathered_and_no_line_is_cut() -> None:
    stream = Written()
    log = AccessLog(Log(), stream, batch=1000)
    for status in range(100, 150):
        log.request_ended(ending(status=status))
    log.request_ended(ending(facts=facts(b"/" + b"a" * 1020), status=150))
    log.flush()
    assert max(len(written) for written in stream.writes[:-1]) <= 1000
    assert all(written.endswith("\n") for written in stream.writes)
    assert [json.loads(line)["status"] for line in stream.getvalue().splitlines()] == list(range(100, 151))
    await asyncio.sleep(0)
    assert len(stream.getvalue().splitlines()) == 51


async def test_what_was_gathered_is_written_when_it_is_told_to() -> None:
    stream = Written()
    log = AccessLog(Log(), stream)
    log.request_ended(ending(status=200))
    log.flush()
    log.flush()
    assert len(stream.writes) == 1


async def test_a_pipe_that_takes_nothing_for_a_while_loses_no_line() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as reading:
        taken = asyncio.get_running_loop().run_in_executor(None, reading.read)
        log = AccessLog(Log(), stream)
        for status in range(3000):
            log.request_ended(ending(facts=facts(b"/" + b"a" * 200), status=status))
        log.flush()
        stream.close()
        assert [json.loads(line)["status"] for line in (await taken).splitlines()] == list(range(3000))


def logged(endings: Sequence[Ending], chance: float = 0.5, **log: Any) -> list[int]:
    """The status of each that is logged."""
    stream = io.StringIO()
    access = AccessLog(Log(**log), stream, chance=lambda: chance)
    for one in endings:
        access.request_ended(one)
    return [json.loads(line)["status"] for line in stream.getvalue().splitlines()]


def routed(log: Literal["all", "refused", "none"] | None) -> list[Ending]:
    """An admission and a refusal on a route, and a refusal before there was one."""
    route = compile_route(RouteSection(path="/*", log=log))
    return [
        ending(route=route, status=200),
        ending(route=route, status=401, refusal=MissingCredential()),
        ending(status=400, refusal=MissingCredential()),
    ]


@pytest.mark.parametrize(
    ("of_route", "of_all", "shown"),
    [
        (None, "all", [200, 401, 400]),
        (None, "refused", [401, 400]),
        (None, "none", []),
        ("all", "none", [200, 401]),
        ("all", "refused", [200, 401, 400]),
        ("refused", "all", [401, 400]),
        ("refused", "none", [401]),
        ("none", "all", [400]),
        ("none", "refused", [400]),
    ],
)
def test_a_route_has_a_say_of_its_own(of_route: Any, of_all: Any, shown: list[int]) -> None:
    assert logged(routed(of_route), access=of_all) == shown


def test_of_admitted_requests_a_share_is_logged_and_of_refused_ones_all() -> None:
    endings = [
        ending(status=200),
        ending(status=200, reported=MissingCredential()),
        ending(status=401, refusal=MissingCredential()),
        ending(status=502, refusal=UpstreamUnreachable()),
    ]
    assert logged(endings, chance=0.0, sample=0.01) == [200, 200, 401, 502]
    assert logged(endings, chance=0.009, sample=0.01) == [200, 200, 401, 502]
    assert logged(endings, chance=0.01, sample=0.01) == [200, 401, 502]
    assert logged(endings, chance=0.0, sample=0.0) == [200, 401, 502]
    assert logged(endings, chance=0.999, sample=1.0) == [200, 200, 401, 502]


def test_the_share_is_a_share() -> None:
    stream = io.StringIO()
    access = AccessLog(Log(sample=0.25), stream)
    for _ in range(4000):
        access.request_ended(ending(status=200))
    assert 800 < len(stream.getvalue().splitlines()) < 1200


async def test_where_lines_may_be_dropped_a_pipe_that_nobody_reads_holds_nobody_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader, writer = os.pipe()
    heard: list[int] = []
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as reading:
        log = AccessLog(Log(blocked="drop"), stream, dropped=heard.append)
        for status in range(20_000):
            log.request_ended(ending(status=status))
        log.flush()
        lost = sum(heard)
        assert 0 < lost < 20_000
        log.look(100.0)
        log.look(101.0)
        assert [record.getMessage() for record in caplog.records] == [
            f"{lost} lines of the access log were dropped: standard output is not read"
        ]
        taken = asyncio.get_running_loop().run_in_executor(None, reading.read)
        await asyncio.to_thread(log.close)
        stream.close()
        shown = [json.loads(line)["status"] for line in (await taken).splitlines()]
    assert len(shown) == 20_000 - lost
    assert shown == sorted(shown)
    assert len(caplog.records) == 1


async def test_whoever_reads_again_after_a_while_gets_what_was_kept_without_further_requests() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb", buffering=0) as reading:
        log = AccessLog(Log(blocked="drop"), stream)
        for status in range(3000):
            log.request_ended(ending(status=status))
        log.flush()
        found = b""
        while b'"status":2999' not in found:
            found += reading.read(65536) or b""
            log.look(0.0)
        assert found.count(b"\n") == 3000
        log.close()


async def test_the_end_waits_for_nobody_who_never_reads(caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = os.pipe()
    heard: list[int] = []
    with os.fdopen(writer, "w") as stream, os.fdopen(reader):
        log = AccessLog(Log(blocked="drop"), stream, dropped=heard.append)
        for status in range(3000):
            log.request_ended(ending(status=status))
        await asyncio.to_thread(log.close)
        log.request_ended(ending(status=1))
        log.close()
    assert 0 < sum(heard) < 3000
    assert f"{sum(heard)} lines of the access log were dropped" in caplog.text


@pytest.mark.parametrize("blocked", ["wait", "drop"])
async def test_a_reader_that_is_gone_ends_the_log_and_nothing_else(blocked: Literal["wait", "drop"]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w") as stream:
        log = AccessLog(Log(blocked=blocked), stream)
        for _ in range(3):
            log.request_ended(ending(status=200))
            log.flush()
            log.look(0.0)
        log.close()


def test_where_requests_are_traced_the_trace_is_the_one_that_the_api_is_told() -> None:
    theirs, ours = b"4bf92f3577b34da6a3ce929d0e0e4736", b"0af7651916cd43dd8448eb211c80319c"
    made = ending(facts=facts(headers=[(b"traceparent", b"ff-%b-00f067aa0ba902b7-01" % theirs)]))
    assert record(made)["trace_id"] == theirs.decode()
    made.upstream_lines = ((b"traceparent", b"00-%b-00f067aa0ba902b7-00" % ours),)
    assert record(made)["trace_id"] == ours.decode()
