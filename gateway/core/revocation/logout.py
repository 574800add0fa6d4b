"""What a logout at an issuer revokes: sessions, subjects, and tokens that do not say of which session they are."""

from typing import Final

from gateway.core.config.backchannel_logout import By
from gateway.core.revocation.entry import MAX_NOTE, Entry, Kind, until_of
from gateway.core.token.logout import Logout

#: what is written beside each entry
REASON: Final = "logged out at the issuer"


def entries_of(logout: Logout, *, issuer: str, name: str, by: By, now: float, keep: float) -> tuple[Entry, ...]:
    """The entries that a logout makes. `issuer`: the real `iss`; `name`: its configured name, for people.

    Without a session all of the subject has ended (section 2.4), whatever `by` says. `now`: seconds since the epoch;
    `keep`: how long tokens live at most, in seconds. Tokens issued after the logout are not meant.
    """
    before = logout.issued_at
    return tuple(
        Entry(
            kind=kind,
            issuer=issuer,
            value=value,
            # Of the logout, and not of now: the same one again is then the same entry.
            until=until_of(kind, now=before, before=before, keep=keep),
            before=before,
            at=now,
            reason=REASON,
            who=f"issuer {name}"[:MAX_NOTE],
        )
        for kind, value in _ended(logout, by)
    )


def _ended(logout: Logout, by: By) -> list[tuple[Kind, str]]:
    subject, sid = logout.subject, logout.sid
    if subject is not None and (sid is None or by == "subject"):
        return [("subject", subject)]
    ended: list[tuple[Kind, str]] = [] if sid is None else [("sid", sid)]
    if subject is not None and by == "auto":
        # Of tokens that name no session nobody can tell whether they are of this one.
        ended.append(("sessionless", subject))
    return ended


def ends_sessions_only(entries: tuple[Entry, ...]) -> bool:
    """Whether tokens that name no session are not meant by any of them."""
    return all(entry.kind == "sid" for entry in entries)
