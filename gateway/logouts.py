"""Hears that somebody has logged out at their issuer, and revokes what they have (OpenID Connect Back-Channel Logout).

The waiting half of `core.token.logout`: a request with a logout token to entries of the list of what is revoked.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from gateway.core.config.backchannel_logout import logout_path
from gateway.core.config.file import Config
from gateway.core.config.issuers import distinct_issuers, issuer_name
from gateway.core.errors import BodyTooLarge, InvalidLogout, InvalidToken, MethodNotAllowed, Refusal
from gateway.core.http.facts import Facts
from gateway.core.http.form import is_form, parse_form
from gateway.core.revocation.entry import Entry
from gateway.core.revocation.logout import ends_sessions_only, entries_of
from gateway.core.token.jwt import parse_token
from gateway.core.token.logout import Logout, LogoutRules, check_logout_token, issuer_of
from gateway.events import LogoutHeard
from gateway.messages import OwnResponse
from gateway.ports import Ending, Exchange, Issuers, Observer
from gateway.signature import signer_of

#: bytes of a request
MAX_BODY: Final = 64 * 1024
#: the one field of the form (section 2.5)
FIELD: Final = "logout_token"
#: results beside the reasons of refusals
OK: Final = "ok"
REPEATED: Final = "repeated"
UNMATCHED: Final = "unmatched"

log = logging.getLogger("gateway")

#: writes entries down, and returns when they will not be lost. False: nothing has changed by it. LogoutFailed
Revoke = Callable[[tuple[Entry, ...]], Awaitable[bool]]
#: something about whoever sent a request
Sender = Callable[[Facts], None]


class BackchannelLogouts:
    """The paths at which issuers tell of logouts."""

    def __init__(
        self,
        config: Config,
        *,
        issuers: Issuers,
        revoke: Revoke,
        lacks_sessions: Callable[[str], bool],
        observer: Observer,
        check_sender: Sender | None = None,
        count_bad: Sender | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`config` has `revocation`. `lacks_sessions`: whether no token of the issuer of this name had a sid.

        `check_sender`: refuses a request before it costs something, for what was sent from there before; `count_bad`
        is told of one that was no token of the issuer. `clock`: seconds since the epoch, as the times in tokens.
        """
        self._rules = {
            logout_path(section, name=issuer_name(issuer)).encode("ascii"): LogoutRules.of(issuer, section)
            for issuer in distinct_issuers(config.issuers)
            if (section := issuer.backchannel_logout) is not None
        }
        self._keep = 0.0 if config.revocation is None else float(config.revocation.keep)
        self._issuers = issuers
        self._revoke = revoke
        self._lacks_sessions = lacks_sessions
        self._observer = observer
        self._check_sender = check_sender
        self._count_bad = count_bad
        self._clock = clock
        #: names of issuers of which was said that their logouts end nothing
        self._told: set[str] = set()

    def hears(self, facts: Facts) -> bool:
        """Whether a request is one to a path of these, whatever its query."""
        return facts.target.partition(b"?")[0] in self._rules

    async def handle(self, ending: Ending, exchange: Exchange) -> None:
        """One request that is heard here. InvalidLogout, LogoutFailed, Unavailable, MethodNotAllowed, TooLarge."""
        facts = ending.facts
        assert facts is not None  # read before anybody asked whether it is heard
        rules = self._rules[facts.target.partition(b"?")[0]]
        if facts.method != "POST":
            raise MethodNotAllowed("logouts are posted", allow=("POST",))
        try:
            result = await self._hear(await _read(facts, exchange), facts, rules, ending)
        except Refusal as refusal:
            self._observer.happened(LogoutHeard(rules.issuer.name, refusal.reason))
            raise
        self._observer.happened(LogoutHeard(rules.issuer.name, result))
        log.info("issuer %s: a logout was heard: %s", rules.issuer.name, result)
        ending.status = 200
        # Section 2.8.
        await exchange.respond(OwnResponse(200, b"OK", ((b"Cache-Control", b"no-store"), (b"Content-Length", b"0"))))

    async def _hear(self, raw: bytes, facts: Facts, rules: LogoutRules, ending: Ending) -> str:
        check = None if self._check_sender is None else partial(self._check_sender, facts)
        try:
            token = parse_token(raw)
            logout = check_logout_token(token, rules, now=self._clock())
            issuer = issuer_of(token, rules)
            if check is not None:
                check()
            await signer_of(token, self._issuers, rules=issuer, trail=ending, check_again=check)
        except InvalidToken as refusal:
            # Not for claims that do not fit: an issuer with a client that is not configured here sends good ones too.
            if self._count_bad is not None:
                self._count_bad(facts)
            raise InvalidLogout(f"{refusal.reason}: {refusal.evidence}") from None
        entries = entries_of(
            logout, issuer=issuer.issuer, name=rules.issuer.name, by=rules.by, now=self._clock(), keep=self._keep
        )
        has_changed = await self._revoke(entries)
        if ends_sessions_only(entries) and self._lacks_sessions(rules.issuer.name):
            self._tell_of_sessions(rules.issuer.name, logout)
            return UNMATCHED
        return OK if has_changed else REPEATED

    def _tell_of_sessions(self, name: str, logout: Logout) -> None:
        if name in self._told:
            return
        self._told.add(name)
        advice = "by: auto ends" if logout.subject is not None else "a sub in its logout tokens would end"
        told = "issuer %s: its logouts end sessions, and no access token of it has named one; %s those of the subject"
        log.warning(told, name, advice)


async def _read(facts: Facts, exchange: Exchange) -> bytes:
    """The logout token of a request, as bytes. InvalidLogout, BodyTooLarge, or what the client's body raises."""
    if not is_form(next((value for name, value in facts.headers if name.lower() == b"content-type"), None)):
        raise InvalidLogout("the request is no form")
    if facts.content_length is not None and facts.content_length > MAX_BODY:
        raise BodyTooLarge(f"a body of {facts.content_length} bytes; {MAX_BODY} are accepted of a logout")
    body, form = exchange.body, bytearray()
    while body is not None and (piece := await body.read()):
        form += piece
        if len(form) > MAX_BODY:
            raise BodyTooLarge(f"more than {MAX_BODY} bytes of body, for a logout")
    try:
        fields = parse_form(bytes(form))
    except ValueError as error:
        raise InvalidLogout(str(error)) from None
    if FIELD not in fields:
        raise InvalidLogout(f"the form has no {FIELD}")
    return fields[FIELD].encode()
