"""One entry of the list of what was revoked: what it is about, until when it counts, and how it is written down."""

import json
import re
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from gateway.core.jsontext import parse_json
from gateway.core.token.handles import index_value

#: `sessionless`: the tokens of a subject that name no session: what a logout of one session cannot tell apart
Kind = Literal["token", "jti", "sid", "subject", "sessionless", "client", "issuer"]
KINDS: Final[tuple[Kind, ...]] = ("token", "jti", "sid", "subject", "sessionless", "client", "issuer")

#: characters of a value, as of a claim in the largest token; and of what people wrote about it
MAX_VALUE: Final = 16 << 10
MAX_NOTE: Final = 256
#: seconds by which clocks differ at most: the largest leeway of an issuer
CLOCKS: Final = 300.0
#: seconds that are added to now where nobody says which tokens are meant: those on their way are
MARGIN: Final = 5.0
#: seconds since the epoch: the year 9999
_MAX_TIME: Final = 253_402_300_799.0
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_MEMBERS: Final = frozenset({"kind", "issuer", "value", "before", "until", "at", "reason", "who", "lifted"})


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Something that was revoked. Times are seconds since the epoch.

    Nothing of it can be part of a cycle: the collector would look at every one of 250,000, and all would wait.
    """

    kind: Kind
    #: the real `iss`; empty for a token
    issuer: str
    #: hexadecimal SHA-256 of what is fixed of a token, else the claim; empty for an issuer
    value: str
    #: when it may be forgotten: no token that it is about can be valid any more
    until: float
    #: tokens issued later are not meant; None: all are
    before: float | None = None
    #: when it was revoked
    at: float = 0.0
    #: for people: why, and by whom
    reason: str = ""
    who: str = ""
    #: it was taken back, and is remembered so that nobody brings it back
    lifted: bool = False

    @property
    def index(self) -> bytes:
        """What it is found by, as in the handles of an identity."""
        return index_value(self.kind, *self.parts)

    @property
    def parts(self) -> tuple[str, ...]:
        """What tells it from others of its kind."""
        if self.kind == "token":
            return (self.value,)
        return (self.issuer,) if self.kind == "issuer" else (self.issuer, self.value)

    def is_about(self, issued_at: float | None) -> bool:
        """Whether a token that has its index value is meant. Without `iat` it was issued before everything."""
        return self.before is None or issued_at is None or issued_at <= self.before

    def __repr__(self) -> str:
        return f"Entry({self.kind}, until {self.until:.0f}{', lifted' if self.lifted else ''})"


def merged(old: Entry | None, new: Entry) -> Entry:
    """What counts of two entries with one index value: all that either is about. `old` itself, if `new` adds nothing.

    Of one that was lifted and one that was not the later counts.
    """
    if old is None:
        return new
    if old.lifted != new.lifted:
        if new.at < old.at:
            return old
        return replace(new, until=max(old.until, new.until)) if new.lifted else new
    before = None if old.before is None or new.before is None else max(old.before, new.before)
    until = max(old.until, new.until)
    return old if (before, until) == (old.before, old.until) else replace(new, before=before, until=until)


def following(old: Entry | None, new: Entry) -> Entry:
    """`new`, as said after `old`, whatever the clocks of those who said it."""
    is_late = old is None or old.lifted == new.lifted or new.at > old.at
    return new if is_late or old is None else replace(new, at=old.at + 0.001)


def until_of(kind: Kind, *, now: float, before: float | None, keep: float, expires_at: float | None = None) -> float:
    """When an entry may be forgotten. `keep`: how long tokens live at most. `expires_at`: of the one token."""
    if kind in ("token", "jti") and expires_at is not None:
        return expires_at + CLOCKS
    # By the issuer's clock, which may be ahead, it was issued later than now.
    return (now + CLOCKS if before is None else before) + keep + CLOCKS


def revoking(
    kind: Kind,
    *,
    issuer: str = "",
    value: str = "",
    now: float,
    keep: float,
    before: float | None = None,
    expires_at: float | None = None,
    reason: str = "",
) -> Entry:
    """What revokes it now. `before` None: where it is no single token, those issued until in 5 s are meant.

    `keep`, `expires_at`: see `until_of`. ValueError as `checked`.
    """
    if before is None and kind not in ("token", "jti"):
        before = now + MARGIN
    if expires_at is not None:
        # One that lives longer than what is kept is refused for that.
        expires_at = min(expires_at, now + keep + CLOCKS)
    until = until_of(kind, now=now, before=before, keep=keep, expires_at=expires_at)
    return checked(Entry(kind, issuer, value, until=until, before=before, at=now, reason=reason))


def lifting(entry: Entry, *, at: float, who: str) -> Entry:
    """What takes an entry back. It is remembered for as long as the entry would have been."""
    return Entry(entry.kind, entry.issuer, entry.value, until=entry.until, at=at, who=who, lifted=True)


def written(entry: Entry) -> bytes:
    """An entry as JSON, without line breaks."""
    members: dict[str, Any] = {"kind": entry.kind, "issuer": entry.issuer, "value": entry.value, "until": entry.until}
    for name in ("before", "at", "reason", "who", "lifted"):
        value = getattr(entry, name)
        if value or (value == 0.0 and name == "before"):
            members[name] = value
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def parse_entry(text: bytes) -> Entry:
    """What `written` made of it. ValueError: it did not; the sentence quotes nothing."""
    members = parse_json(text)
    if not isinstance(members, dict) or not members.keys() <= _MEMBERS:
        raise ValueError("it is no entry")
    kind = members.get("kind")
    if kind not in KINDS:
        raise ValueError("it is of no known kind")
    return checked(
        Entry(
            kind=kind,
            issuer=_text(members, "issuer", MAX_VALUE),
            value=_text(members, "value", MAX_VALUE),
            until=_time(members.get("until"), "until"),
            before=None if members.get("before") is None else _time(members["before"], "before"),
            at=_time(members.get("at", 0.0), "at"),
            reason=_text(members, "reason", MAX_NOTE),
            who=_text(members, "who", MAX_NOTE),
            lifted=members.get("lifted", False) is True,
        )
    )


def checked(entry: Entry) -> Entry:
    """The entry, if it can be about something. ValueError says what is wrong, and quotes nothing."""
    if (entry.kind == "token") == bool(entry.issuer):
        raise ValueError("an issuer belongs to every kind but a token")
    if (entry.kind == "issuer") == bool(entry.value):
        raise ValueError("a value belongs to every kind but an issuer")
    if entry.kind == "token" and (len(entry.value) != 64 or set(entry.value) - set("0123456789abcdef")):
        raise ValueError("a token is named by the 64 digits of its SHA-256")
    if len(entry.issuer) > MAX_VALUE or len(entry.value) > MAX_VALUE:
        raise ValueError(f"a value has at most {MAX_VALUE} characters")
    if len(entry.reason) > MAX_NOTE or len(entry.who) > MAX_NOTE:
        raise ValueError(f"a reason has at most {MAX_NOTE} characters")
    if not (entry.reason + entry.who).isprintable():
        raise ValueError("a reason is one line of text")
    # What others could not read would make all that is revoked unknown to them.
    if not all(0.0 <= time <= _MAX_TIME for time in (entry.until, entry.before or 0.0, entry.at)):
        raise ValueError("a time is between the years 1970 and 9999")
    if not (entry.value + entry.issuer).isascii() and _SURROGATE.search(entry.value + entry.issuer):
        raise ValueError("a value is text in UTF-8")
    return entry


def _text(members: dict[str, Any], name: str, most: int) -> str:
    value = members.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{name} is no text of at most {most} characters")
    return value


def _time(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_TIME:
        raise ValueError(f"{name} is no time")
    return float(value)
