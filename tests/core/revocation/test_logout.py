"""What a logout revokes, for every form of logout token and every `by`."""

import pytest

from gateway.core.config.backchannel_logout import By
from gateway.core.revocation.entry import CLOCKS, checked
from gateway.core.revocation.logout import REASON, ends_sessions_only, entries_of
from gateway.core.revocation.revoked import Revoked
from gateway.core.token.handles import handles_of
from gateway.core.token.logout import Logout
from tests.signer import ISSUER, NOW

#: what the token names, `by`, and what ends
TABLE: list[tuple[str, By, list[tuple[str, str]]]] = [
    ("both", "auto", [("sid", "s-1"), ("sessionless", "alice")]),
    ("both", "sid", [("sid", "s-1")]),
    ("both", "subject", [("subject", "alice")]),
    ("sub", "auto", [("subject", "alice")]),
    ("sub", "sid", [("subject", "alice")]),
    ("sub", "subject", [("subject", "alice")]),
    ("sid", "auto", [("sid", "s-1")]),
    ("sid", "sid", [("sid", "s-1")]),
    ("sid", "subject", [("sid", "s-1")]),
]


def logout_of(named: str) -> Logout:
    return Logout(
        "alice" if named in ("both", "sub") else None, "s-1" if named in ("both", "sid") else None, issued_at=NOW - 2
    )


@pytest.mark.parametrize(("named", "by", "ended"), TABLE)
def test_what_ends(named: str, by: By, ended: list[tuple[str, str]]) -> None:
    entries = entries_of(logout_of(named), issuer=ISSUER, name="local", by=by, now=NOW, keep=600)
    assert [(entry.kind, entry.value) for entry in entries] == ended
    for entry in entries:
        assert checked(entry) is entry
        assert (entry.issuer, entry.before, entry.at, entry.until) == (ISSUER, NOW - 2, NOW, NOW - 2 + 600 + CLOCKS)
        assert (entry.reason, entry.who) == (REASON, "issuer local")
    assert ends_sessions_only(entries) == (ended == [("sid", "s-1")])


@pytest.mark.parametrize(
    ("sub", "sid", "issued", "auto", "by_sid", "by_subject"),
    [
        ("alice", "s-1", -60, True, True, True),
        ("alice", "s-2", -60, False, False, True),
        ("alice", None, -60, True, False, True),
        ("bob", "s-1", -60, True, True, False),
        ("bob", None, -60, False, False, False),
        # In the same second as the logout, and after it: a new login.
        ("alice", "s-1", -2, True, True, True),
        ("alice", "s-1", -1, False, False, False),
        ("alice", None, 0, False, False, False),
    ],
)
def test_which_tokens_it_ends(
    sub: str, sid: str | None, issued: int, *, auto: bool, by_sid: bool, by_subject: bool
) -> None:
    claims = {"iat": NOW + issued, **({} if sid is None else {"sid": sid})}
    handles = handles_of(claims, issuer=ISSUER, subject=sub, client="app", digest=bytes(32))
    expected: dict[By, bool] = {"auto": auto, "sid": by_sid, "subject": by_subject}
    for by, ends in expected.items():
        revoked = Revoked()
        for entry in entries_of(logout_of("both"), issuer=ISSUER, name="local", by=by, now=NOW, keep=600):
            revoked.add(entry)
        assert (revoked.find(handles) is not None) is ends
