"""What is kept of a refusal has no token in it, and of many alike few are kept; counts are those of the metrics."""

import io

from gateway.console.recorder import MAX_ALIKE, Recorder
from gateway.core.config.log import Log
from gateway.core.errors import (
    ClientDisconnected,
    InternalError,
    Suspect,
    TokenFromTheFuture,
    UpstreamUnreachable,
    WrongAudience,
)
from gateway.core.http.facts import Facts
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.ports import Ending

TOKEN = b"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def recorder() -> tuple[Recorder, Metrics]:
    metrics = Metrics(("login",))
    return Recorder(metrics, AccessLog(Log(), io.StringIO()).line_of, clock=lambda: 1000.0), metrics


def refused(refusal: Exception, target: bytes = b"/orders/1") -> Ending:
    ending = Ending(status=401, refusal=refusal)  # type: ignore[arg-type]
    ending.facts = Facts(
        method="GET",
        target=target,
        version=(1, 1),
        headers=(),
        authorization=(b"Bearer " + TOKEN,),
        host=b"a",
        content_length=None,
        chunked=False,
        scheme="http",
        peer="10.0.0.1",
        trusted=False,
        request_id="rid",
    )
    return ending


def test_a_refusal_is_kept_with_what_is_known_of_its_token_and_nothing_of_that() -> None:
    kept, _ = recorder()
    refusal = WrongAudience("aud is 'other'")
    refusal.suspect = Suspect("0123456789ab", "kid", "login", None, "spa")
    kept.refused(refused(refusal, b"/orders/" + TOKEN + b"?access_token=" + TOKEN))
    told, _ = kept.take()
    one = told.refusals[0]
    assert (one.reason, one.status, one.outcome, one.evidence) == (
        WrongAudience.reason,
        401,
        "refused",
        "aud is 'other'",
    )
    assert (one.issuer, one.client, one.token, one.at) == ("login", "spa", "0123456789ab", 1000.0)
    assert one.path == "/orders/(token)"
    assert TOKEN.decode() not in repr(told)
    assert kept.take()[0].refusals == []


def test_of_many_alike_few_are_kept_so_that_the_others_are_seen() -> None:
    kept, _ = recorder()
    for _ in range(1000):
        kept.refused(refused(WrongAudience("a")))
    kept.refused(refused(InternalError("b")))
    told, _ = kept.take()
    assert len(told.refusals) == MAX_ALIKE + 1
    assert told.more == 1000 - MAX_ALIKE
    assert told.refusals[-1].outcome == "failed"
    kept.refused(refused(WrongAudience("a")))
    assert (len(kept.take()[0].refusals), repr(kept)) == (1, "<Recorder of 0 refusals, and 0 more>")


def test_a_request_that_could_not_be_read_is_one_as_well() -> None:
    kept, _ = recorder()
    kept.refused(Ending(status=401, refusal=WrongAudience("a")))
    assert kept.take()[0].refusals[0].path is None


def test_what_is_from_the_future_says_by_how_much() -> None:
    kept, _ = recorder()
    kept.refused(refused(TokenFromTheFuture("issued in 600 s", seconds=600.0)))
    kept.refused(refused(UpstreamUnreachable("http://api: refused")))
    assert [one.untimely for one in kept.take()[0].refusals] == [600.0, None]


def test_counts_and_times_are_those_of_the_metrics_since_the_last_time() -> None:
    kept, metrics = recorder()
    ending = Ending(status=200)
    ending.own_duration, ending.upstream_duration = 0.0003, 0.003
    for _ in range(3):
        metrics.request_ended(ending)
    told, responded = kept.take()
    assert [(one.outcome, one.status, one.count) for one in told.counts] == [("admitted", 2, 3)]
    assert (sum(told.own), sum(told.upstream), responded) == (3, 3, {"-": 3})
    metrics.request_ended(ending)
    told, responded = kept.take()
    assert [one.count for one in told.counts] == [1]
    assert (sum(told.own), sum(told.upstream), responded) == (1, 1, {"-": 1})
    told, responded = kept.take()
    assert (told.counts, sum(told.own), responded) == ([], 0, {})


def test_a_client_that_gave_up_waiting_for_the_api_counts_against_that() -> None:
    def waited(seconds: float, upstream: float | None = None) -> float | None:
        kept, _ = recorder()
        gone = refused(ClientDisconnected("gone"))
        gone.waited, gone.upstream_duration = seconds, upstream
        kept.refused(gone)
        return kept.take()[0].refusals[0].waited

    assert waited(30.0) == 30.0
    assert waited(0.1) is None
    # It had responded, and the client went away within the body.
    assert waited(30.0, 30.0) is None
