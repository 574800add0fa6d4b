"""Which requests are traced, and what the API is told."""

import asyncio
import gc
import re
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from gateway.core.http.facts import Facts
from gateway.core.trail import Step
from gateway.ports import Ending
from gateway.sampled import Part, Sampler, Traced, Unnoted, asking, current, trace_of
from tests.memory import facts

TRACE, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
CALLER = b"00-%b-%b-01" % (TRACE, PARENT)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Each begins and ends as a request that is not traced leaves things."""
    begun(facts(), share=0)
    yield
    begun(facts(), share=0)


def begun(told: Facts, *, share: float, parts: list[Part] | None = None) -> tuple[Ending, Facts]:
    heard = [] if parts is None else parts
    ending = Ending()
    ending.facts = told
    return Sampler(share, ended=heard.append, chance=lambda: 0.5).begin(ending, told, 1.0)


def told(ending: Ending) -> tuple[bytes, bytes, bytes]:
    ((name, value),) = ending.upstream_lines
    assert name == b"traceparent"
    found = re.fullmatch(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])", value)
    assert found is not None
    return found[1], found[2], found[3]


@pytest.mark.parametrize(("share", "traced"), [(0.0, False), (0.5, False), (0.51, True), (1.0, True)])
def test_a_share_of_requests_is_traced_and_every_one_has_a_trace(share: float, *, traced: bool) -> None:
    ending, _ = begun(facts(), share=share)
    assert isinstance(ending, Traced) == traced
    trace_id, span_id, flags = told(ending)
    assert flags == (b"01" if traced else b"00")
    assert (trace_id, span_id) != told(begun(facts(), share=share)[0])[:2]
    if isinstance(ending, Traced):
        assert (ending.trace_id, ending.upstream_span_id, ending.parent_id) == (trace_id, span_id, None)
        assert ending.span_id != span_id
    assert trace_of(ending.upstream_lines) == trace_id.decode()


@pytest.mark.parametrize(
    ("trusted", "flags", "share", "sent"),
    [
        (True, b"01", 0.0, b"01"),
        (True, b"00", 1.0, b"00"),
        (True, b"03", 0.0, b"03"),
        (True, b"02", 1.0, b"02"),
        # anybody may claim it, and it is not for them to say
        (False, b"01", 0.0, b"00"),
        (False, b"00", 1.0, b"01"),
        (False, b"03", 0.0, b"02"),
    ],
)
def test_the_trace_is_kept_and_the_flag_is_believed_of_proxies(
    *, trusted: bool, flags: bytes, share: float, sent: bytes
) -> None:
    line = (b"Traceparent", b"00-%b-%b-%b" % (TRACE, PARENT, flags))
    ending, after = begun(facts(None, line, (b"tracestate", b"a=1"), trusted=trusted), share=share)
    trace_id, span_id, flag = told(ending)
    assert (trace_id, flag) == (TRACE, sent)
    assert span_id != PARENT
    assert isinstance(ending, Traced) == (sent in {b"01", b"03"})
    if isinstance(ending, Traced):
        assert ending.parent_id == PARENT
    assert (b"tracestate", b"a=1") in after.headers


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ((b"traceparent", b"00-forged-01"),),
        ((b"traceparent", b"00-%b-%b-01" % (b"0" * 32, PARENT)),),
        ((b"traceparent", CALLER), (b"TraceParent", CALLER)),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_what_is_no_trace_begins_another_without_what_was_noted_of_it(
    lines: tuple[tuple[bytes, bytes], ...], *, trusted: bool
) -> None:
    told_of = facts(None, *lines, (b"TraceState", b"a=1"), (b"baggage", b"b=2"), trusted=trusted)
    ending, after = begun(told_of, share=0)
    assert told(ending)[0] != TRACE
    assert not isinstance(ending, Traced)
    assert after.headers == (*lines, (b"baggage", b"b=2"))
    assert ending.facts is after


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_trace_that_begins_here_has_the_id_of_the_request_where_that_is_ours(share: float) -> None:
    ours = "0af7651916cd43dd8448eb211c80319c"
    assert told(begun(facts(request_id=ours), share=share)[0])[0] == ours.encode()
    theirs = facts(None, (b"X-Request-ID", b"0" * 32), request_id="0" * 32)
    assert told(begun(theirs, share=share)[0])[0] not in {b"0" * 32, ours.encode()}
    assert len(told(begun(facts(request_id="r1"), share=share)[0])[0]) == 32


def test_steps_have_their_times() -> None:
    ending, _ = begun(facts(), share=1)
    assert isinstance(ending, Traced)
    ending.enter(Step.ROUTE)
    ending.saw({"route": "x"})
    ending.enter(Step.UPSTREAM)
    assert ending.steps == [Step.REQUEST, Step.ROUTE, Step.UPSTREAM]
    assert ending.times == sorted(ending.times)
    assert len(ending.times) == 3
    assert ending.times[0] == 1.0


async def test_who_is_asked_for_a_request_is_a_part_of_it_and_of_no_other() -> None:
    parts: list[Part] = []
    request, _ = begun(facts(), share=1, parts=parts)
    assert current() is request

    async def ask() -> None:
        with asking("keys", "GET", "https://i.example/jwks") as part:
            part.status = 200

    await asyncio.create_task(ask())
    (part,) = parts
    assert (part.request, part.use, part.method, part.status, part.error) == (request, "keys", "GET", 200, None)
    assert part.ended >= part.started
    # The next one on the same connection is not traced.
    begun(facts(), share=0)
    assert current() is None
    await ask()
    assert len(parts) == 1


def test_what_is_begun_after_its_end_is_no_part_of_it() -> None:
    request, _ = begun(facts(), share=1)
    assert isinstance(request, Traced)
    request.end()
    assert current() is None
    assert isinstance(asking("keys", "GET", "https://i.example/jwks"), Unnoted)


def test_what_outlives_it_holds_nothing_of_it() -> None:
    request, _ = begun(facts(), share=1)
    assert isinstance(request, Traced)
    # As its connection's task has it until the next request, and its connection to the API for as long as it lives.
    later = copy_context()
    assert request in gc.get_referents(*later.values())
    request.end()
    assert request not in (*later.values(), *gc.get_referents(*later.values()))


def test_why_nothing_came_is_noted_by_its_class_alone() -> None:
    class Failed(Exception):
        status = 503

    parts: list[Part] = []
    begun(facts(), share=1, parts=parts)
    with pytest.raises(Failed), asking("keys", "GET", "https://i.example/jwks"):
        raise Failed("secret")
    assert [(part.error, part.status) for part in parts] == [("Failed", 503)]


def test_of_what_could_not_be_read_a_share_is_traced_too() -> None:
    assert Sampler(0.6, ended=lambda part: None, chance=lambda: 0.5).takes_unread()
    assert not Sampler(0.5, ended=lambda part: None, chance=lambda: 0.5).takes_unread()
