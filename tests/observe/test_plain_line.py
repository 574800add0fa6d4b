"""The short way to a line of the access log writes what the long one does, byte for byte, or nothing."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.config.log import Log
from gateway.core.config.routes import RouteSection
from gateway.core.http.facts import Facts
from gateway.core.routing.route import compile_route
from gateway.core.token.confirmation import Confirmation
from gateway.core.token.identity import Identity
from gateway.core.token.markers import Verdict
from gateway.observe.access import AccessLog
from gateway.observe.plain_line import LONGEST, PIECE, plain_line
from gateway.ports import Ending
from tests.values import ending

NOW = datetime(2026, 7, 28, 12, 0, 0, 123456, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
#: as claims may be: of anything, and half of them plain, so that lines of all ways are written
TEXT = st.just("plain") | st.text(
    st.characters(codec="utf-8") | st.sampled_from('"\\\x7f\x00\n/<'), min_size=1, max_size=20
)
#: as paths may be
TARGET = st.just(b"/orders") | st.lists(st.sampled_from([b"/", b"a", b"Z9", b"~!$&'()*+,;=:@", b"%41", b"?x=1", b'"', b"\\", b"<", b"#", b"\x7f", b"\xc3", b" ", b"e" * PIECE]), max_size=8).map(b"".join)  # fmt: skip


def _facts(**fields: Any) -> Facts:
    known: dict[str, Any] = {
        "method": "GET",
        "target": b"/orders",
        "version": (1, 1),
        "headers": (),
        "authorization": (b"Bearer secret",),
        "host": b"a",
        "content_length": None,
        "chunked": False,
        "scheme": "http",
        "peer": "10.0.0.1",
        "trusted": False,
        "request_id": "0123456789abcdef0123456789abcdef",
    }
    return Facts(**known | fields)


def _identity(**fields: Any) -> Identity:
    known: dict[str, Any] = {
        "issuer": "mine",
        "subject": "alice",
        "client": "app",
        "scopes": (),
        "claims": {},
        "expires_at": 0.0,
        "not_before": None,
        "leeway": 0.0,
        "key": "k",
        "verdict": Verdict("access", "header typ is at+jwt"),
        "token_id": "0123456789ab",
        "headers": (),
    }
    return Identity(**known | fields)


def _ending(facts: Facts, identity: Identity, **fields: Any) -> Ending:
    known: dict[str, Any] = {
        "route": compile_route(RouteSection(path="/*", name="orders")),
        "status": 200,
        "duration": 0.0123456,
        "upstream_duration": 0.01,
        "bytes_in": 0,
        "bytes_out": 129,
    }
    return ending(**known | fields, facts=facts, identity=identity)


def _short(made: Ending) -> bytes | None:
    assert made.facts is not None
    assert made.identity is not None
    return plain_line(
        made,
        made.identity,
        now="2026-07-28T12:00:00.123Z",
        path=made.facts.path,
        subject=made.identity.hashed_subject,
        request_id=made.facts.request_id,
        trace_id=None,
    )


def _logged(made: Ending, **log: Any) -> str:
    stream = io.StringIO()
    AccessLog(Log(**log), stream, clock=NOW.timestamp).request_ended(made)
    return stream.getvalue()


def _written(fields: dict[str, Any]) -> str:
    return (
        json.dumps({name: value for name, value in fields.items() if value is not None}, separators=(",", ":")) + "\n"
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else int(seconds * 1e6 + 0.5) / 1000


@settings(max_examples=100)
@given(
    client=TEXT,
    tenant=st.none() | TEXT,
    issuer=TEXT,
    evidence=TEXT,
    route=st.none() | TEXT,
    target=TARGET,
    method=st.sampled_from(["GET", "POST", "PURGE", 'X"']),
    durations=st.tuples(st.floats(0, LONGEST * 2), st.none() | st.floats(0, 10)),
    counts=st.tuples(st.integers(0, 2**70), st.integers(0, 2**40)),
    subject=st.sampled_from(["hashed", "off", "plain"]),
    request_id=st.sampled_from(["rid", "0123456789abcdef0123456789abcdef"]),
    trace=st.booleans(),
)
def test_a_line_is_what_json_makes_of_its_fields(
    *, client: str, tenant: str | None, issuer: str, evidence: str, route: str | None, target: bytes, method: str,
    durations: tuple[float, float | None], counts: tuple[int, int], subject: str, request_id: str, trace: bool,
) -> None:  # fmt: skip
    headers = ((b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode()),) if trace else ()
    facts = _facts(target=target, method=method, request_id=request_id, headers=headers)
    identity = _identity(client=client, tenant=tenant, issuer=issuer, verdict=Verdict("access", evidence))
    named = None if route is None else compile_route(RouteSection(path="/*", name=route))
    made = _ending(
        facts, identity, route=named, duration=durations[0], upstream_duration=durations[1], bytes_in=counts[0], bytes_out=counts[1]
    )  # fmt: skip
    fields = {
        "ts": "2026-07-28T12:00:00.123Z",
        "client": "10.0.0.1",
        "method": method,
        "path": facts.path,
        "status": 200,
        "route": route,
        "outcome": "admitted",
        "evidence": evidence,
        "issuer": issuer,
        "tenant": tenant,
        "client_id": client,
        "sub": {"hashed": identity.hashed_subject, "off": None, "plain": "alice"}[subject],
        "token": "0123456789ab",
        "duration_ms": _milliseconds(durations[0]),
        "upstream_ms": _milliseconds(durations[1]),
        "bytes_in": counts[0],
        "bytes_out": counts[1],
        "request_id": request_id,
        "trace_id": TRACE if trace else None,
    }
    assert _logged(made, subject=subject) == _written(fields)


@pytest.mark.parametrize(("subject", "shown"), [("plain", "alice"), ("hashed", "2bd806c97f0e00af"), ("off", None)])
def test_a_line_of_the_usual_kind_names_the_subject_as_configured(subject: str, shown: str | None) -> None:
    made = _ending(_facts(), _identity())
    assert _short(made) is not None
    assert json.loads(_logged(made, subject=subject)).get("sub") == shown


@given(st.floats(0, LONGEST, exclude_max=True), st.none() | st.floats(0, LONGEST, exclude_max=True))
def test_every_duration_is_written_as_json_has_it(duration: float, upstream: float | None) -> None:
    found = _short(_ending(_facts(), _identity(), duration=duration, upstream_duration=upstream))
    assert found is not None
    told = f'"duration_ms":{_milliseconds(duration)!r},'
    assert (
        told + (f'"upstream_ms":{_milliseconds(upstream)!r},"' if upstream is not None else '"bytes') in found.decode()
    )


def test_a_usual_request_is_written_the_short_way() -> None:
    found = _short(_ending(_facts(), _identity()))
    assert found is not None
    assert found.decode() == _logged(_ending(_facts(), _identity()))


def test_a_caller_who_goes_from_route_to_route_is_logged_on_each() -> None:
    caller = _identity()
    for name in ("orders", "orders", None, "items", "orders", "ü", "orders"):
        route = None if name is None else compile_route(RouteSection(path="/*", name=name))
        logged = json.loads(_logged(_ending(_facts(), caller, route=route)))
        assert logged.get("route") == name
        assert (logged["client_id"], logged["issuer"]) == ("app", "mine")


@pytest.mark.parametrize(
    ("facts", "identity", "fields"),
    [
        ({"method": "PURGE"}, {}, {}),
        ({"place": "query access_token"}, {}, {}),
        ({}, {"confirmation": Confirmation({"jkt": "abc"})}, {}),
        ({}, {"client": "ü"}, {}),
        ({}, {"client": "a\x7f"}, {}),
        ({}, {"tenant": "\ud800"}, {}),
        ({}, {"verdict": Verdict("access", "a" * PIECE)}, {}),
        ({}, {}, {"duration": LONGEST}),
        ({}, {}, {"duration": -1.0}),
        ({}, {}, {"upstream_duration": float("nan")}),
    ],
)
def test_what_is_unusual_is_not(facts: dict[str, Any], identity: dict[str, Any], fields: dict[str, Any]) -> None:
    assert _short(_ending(_facts(**facts), _identity(**identity), **fields)) is None
