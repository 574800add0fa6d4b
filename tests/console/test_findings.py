"""What is wrong is said in sentences: whose it is, with both names where there are two, and what to do."""

from gateway.console.findings import Named, findings
from gateway.console.history import History
from gateway.console.told import CertificateTold, IssuerTold, Refused, Told, UpstreamTold
from gateway.core.errors import (
    BadSignature,
    ClientDisconnected,
    IdToken,
    TokenExpired,
    TokenFromTheFuture,
    TokenMalformed,
    UnknownIssuer,
    UpstreamUnreachable,
    WrongAudience,
)

NOW = 10_000.0
DAY = 24 * 3600.0
ISSUERS = (Named("login", "https://login.example"),)


def found(*told: Told, refusals: tuple[Refused, ...] = (), unready: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    history = History(own=(1.0,), upstream=(1.0,))
    for number, one in enumerate(told or (Told(NOW),)):
        history.add(one, process=number)
    history.add(Told(NOW, refusals=list(refusals)), process=99)
    made = findings(history, list(told), issuers=ISSUERS, now=NOW, unready=unready)
    assert all(one.says.endswith(".") for one in made)
    return [(one.severity, one.where, one.says) for one in made]


def refused(reason: str, **more: object) -> Refused:
    return Refused(at=NOW - 1, status=401, reason=reason, outcome="refused", **more)  # type: ignore[arg-type]


def test_nothing_is_wrong() -> None:
    told = Told(NOW, issuers=[IssuerTold("login", 2, has_keys=True, age=1.0, clock_ahead=0.7)])
    assert found(told) == []


def test_a_token_for_another_api_is_the_clients_and_says_which_audience() -> None:
    one = refused(WrongAudience.reason, client="spa", evidence="aud is 'x'; expected ['y']", method="GET", path="/a")
    assert found(refusals=(one, one)) == [
        (
            "problem",
            "client",
            "Client spa sends tokens that are for another API, 2 times of late for GET /a: aud is 'x'; expected ['y'].",
        )
    ]


def test_an_id_token_is_said_to_be_one_and_from_which_client() -> None:
    told = found(refusals=(refused(IdToken.reason, client="spa", evidence="payload at_hash is present"),))
    assert told[0][2].startswith("Client spa sends an ID token instead of an access token, once of late")
    told = found(refusals=(refused(IdToken.reason, peer="10.0.0.1", evidence="e"),))
    assert told[0][2].startswith("A client at 10.0.0.1 sends an ID token")


def test_an_issuer_under_another_name_is_told_with_both() -> None:
    wrong = "the discovery document names another issuer than the configured one, 'https://sso.example'"
    told = found(Told(NOW, issuers=[IssuerTold("login", error=wrong)]))
    assert told[0][:2] == ("problem", "provider")
    assert "https://login.example" in told[0][2]
    assert "'https://sso.example'" in told[0][2]
    evidence = "iss is 'https://sso.example'; configured: 'https://login.example'"
    told = found(refusals=(refused(UnknownIssuer.reason, evidence=evidence),))
    assert evidence in told[0][2]


def test_a_provider_that_is_down_is_a_warning_while_its_keys_serve_on() -> None:
    down = "http://login.example/jwks: it cannot be reached (ECONNREFUSED)"
    told = found(Told(NOW, issuers=[IssuerTold("login", error=down)]))
    assert (told[0][0], "no token of it can be verified" in told[0][2]) == ("problem", True)
    told = found(Told(NOW, issuers=[IssuerTold("login", 2, has_keys=True, error=down)]))
    assert (told[0][0], "the keys known serve on" in told[0][2]) == ("warning", True)


def test_of_several_processes_the_one_that_is_worst_off_is_told_of() -> None:
    well = Told(NOW, issuers=[IssuerTold("login", 2, has_keys=True)])
    assert len(found(well, Told(NOW, issuers=[IssuerTold("login", error="gone")]), well)) == 1


def test_a_clock_that_is_wrong_is_said_by_how_much_and_in_which_direction() -> None:
    for ahead, words in ((600.0, "10 minutes ahead of"), (-600.0, "10 minutes behind"), (-45.0, "45 s behind")):
        told = found(Told(NOW, issuers=[IssuerTold("login", 2, has_keys=True, clock_ahead=ahead)]))
        assert told[0][:2] == ("problem", "clock")
        assert words in told[0][2]


def test_where_no_date_says_so_tokens_from_the_future_do() -> None:
    one = refused(TokenFromTheFuture.reason, issuer="login", untimely=600.0)
    told = found(refusals=(one, refused(TokenFromTheFuture.reason, issuer="login", untimely=1.0)))
    assert len(told) == 1
    assert told[0][2].startswith(
        "Tokens of issuer login are from the future, the last by 10 minutes: the clock of this"
    )
    known = Told(NOW, issuers=[IssuerTold("login", 2, has_keys=True, clock_ahead=600.0)])
    assert len(found(known, refusals=(one,))) == 1


def test_an_api_that_is_down_is_told_with_what_was_tried_until_it_has_responded_for_a_while() -> None:
    failure = refused(UpstreamUnreachable.reason, upstream="default", evidence="http://127.0.0.1:3000: ECONNREFUSED")
    told = found(Told(NOW - 5, upstreams=[UpstreamTold("default", responded=1)]), refusals=(failure,))
    assert told == [("problem", "api", "The API (upstream default) fails now: http://127.0.0.1:3000: ECONNREFUSED.")]
    history = History(own=(1.0,), upstream=(1.0,))
    history.add(Told(NOW, refusals=[failure]))
    history.add(Told(NOW + 60, upstreams=[UpstreamTold("default", responded=1)]))
    later = findings(history, [], issuers=(), now=NOW + 61)
    assert later[0].severity == "warning"
    assert later[0].says.endswith("; it has responded since.")
    assert findings(history, [], issuers=(), now=NOW + 1000) == []


def test_tokens_that_ended_are_told_of_when_there_are_several() -> None:
    one = refused(TokenExpired.reason, issuer="login", client="app", evidence="expired 5 s ago", untimely=-5.0)
    assert found(refusals=(one,)) == []
    told = found(refusals=(one, one, one))
    assert told[0][0] == "warning"
    assert "of issuer login (https://login.example) that have expired, 3 times of late" in told[0][2]


def test_a_store_a_certificate_and_whatever_else_stands_in_the_way_are_told_of() -> None:
    told = found(
        Told(
            NOW,
            store="it cannot be reached",
            is_stale=True,
            certificates=[CertificateTold("listen", NOW + 3 * DAY), CertificateTold("admin", NOW - 1)],
        ),
        unready=("upstream a: no token",),
    )
    assert [(severity, where) for severity, where, _ in told] == [
        ("problem", "store"),
        ("problem", "store"),
        ("problem", "gateway"),
        ("problem", "gateway"),
        ("warning", "gateway"),
    ]
    assert told[2][2] == "Not ready: upstream a: no token."
    assert "ends in 3 days" in told[-1][2]


def test_what_is_long_ago_is_told_no_more_and_of_many_clients_some() -> None:
    old = Refused(at=NOW - 1000, status=401, reason=WrongAudience.reason, outcome="refused")
    assert found(refusals=(old,)) == []
    many = tuple(refused(WrongAudience.reason, client=f"{number}", evidence="e") for number in range(50))
    assert len(found(refusals=many)) == 10


def test_where_all_issuers_are_wrong_by_the_same_it_is_our_clock() -> None:
    def advice(*ahead: float) -> str:
        told = Told(
            NOW, issuers=[IssuerTold(str(at), 1, has_keys=True, clock_ahead=one) for at, one in enumerate(ahead)]
        )
        history = History(own=(1.0,), upstream=(1.0,))
        return findings(history, [told], issuers=(), now=NOW)[0].advice

    assert "the clock of this machine" in advice(600.0, 601.0)
    assert "on both says which" in advice(600.0)
    assert "on both says which" in advice(600.0, 0.0)


def test_an_api_that_takes_requests_and_says_nothing_is_told_of_while_they_wait() -> None:
    silent = UpstreamTold("default", "http://127.0.0.1:3000", silent=2, silence=42.0)
    says = (
        "The API (upstream default, http://127.0.0.1:3000) takes requests and does not respond: 2 wait for it, the "
        "longest for 42 s."
    )
    assert found(Told(NOW, upstreams=[silent])) == [("problem", "api", says)]
    # Meanwhile it responds to others: it is slow for some.
    assert found(Told(NOW, upstreams=[silent]), Told(NOW, upstreams=[UpstreamTold("default", responded=1)])) == []


def test_clients_that_gave_up_waiting_for_an_api_are_told_of() -> None:
    gone = refused(ClientDisconnected.reason, upstream="default", waited=30.0)
    assert found(refusals=(gone,)) == [
        (
            "problem",
            "api",
            "The API (upstream default) kept a client waiting that went away without a response after 30 s, now.",
        )
    ]
    history = History(own=(1.0,), upstream=(1.0,))
    history.add(Told(NOW, refusals=[gone], upstreams=[UpstreamTold("default", responded=1)]))
    assert [one.severity for one in findings(history, [], issuers=(), now=NOW + 1)] == ["warning"]
    assert findings(history, [], issuers=(), now=NOW + 1000) == []


def test_whatever_else_is_wrong_with_a_token_is_told_with_what_to_do() -> None:
    told = found(refusals=(refused(TokenMalformed.reason, client=None, peer="10.0.0.1", evidence="it has 1 part"),))
    assert told == [
        ("problem", "client", "A client at 10.0.0.1 sends a token that is no JWT, once of late: it has 1 part.")
    ]
    told = found(refusals=(refused(BadSignature.reason, client="app"),))
    assert told == [("warning", "client", "Client app is refused (bad_signature), once of late.")]
