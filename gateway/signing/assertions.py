"""The assertions of callers who are here now: each made once, remembered, and made anew before it ends.

What an assertion says is `core.assertion`. Knows nothing of requests, and of tokens only the identity behind them.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.core.config.file import Config, assertion_header_of, upstreams_of
from gateway.core.config.issuers import issuer_name
from gateway.core.config.upstreams import asserted_of
from gateway.core.http.facts import HeaderLine
from gateway.core.token.identity import Identity
from gateway.core.upstream.assertion import Assertion, AssertionRules, SigningKey
from gateway.ports import Signer

Lines = tuple[HeaderLine, ...]

#: as many as tokens are remembered
MAX_ENTRIES = 10_000


class SignedAssertions:
    """The header lines that prove to an upstream who is calling. Least recently used first out."""

    def __init__(
        self,
        config: Config,
        *,
        signer: Signer,
        clock: Callable[[], float] = time.time,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        """`clock`: seconds since the epoch."""
        assert config.assertion is not None  # who needs none makes none
        self._rules = AssertionRules(
            issuer=config.assertion.issuer,
            audience=config.assertion.audience,
            lifetime=float(config.assertion.lifetime),
            claims=config.assertion.claims,
            issuers={issuer_name(issuer): issuer.issuer for issuer in config.issuers},
        )
        self._header = assertion_header_of(config).encode("ascii")
        #: name of an upstream that has it as Authorization to how
        self._shown = {
            name: shown for name, upstream in upstreams_of(config).items() if (shown := asserted_of(upstream))
        }
        self._signer = signer
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[str, str], tuple[Identity, SigningKey, Assertion, Lines]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def lines(self, identity: Identity, *, upstream: str) -> Lines:
        """The headers for this caller and this upstream: remembered, or signed now."""
        key, now = self._signer.current(), self._clock()
        where = (identity.token_id, upstream)
        entry = self._entries.get(where)
        if entry is not None:
            known, signed_by, assertion, lines = entry
            # The identifier finds the entry and proves nothing: it must be this very identity, verified once.
            if known is identity and signed_by is key and assertion.made_at <= now < assertion.renewed_at:
                self._entries.move_to_end(where)
                return lines
        assertion = self._rules.make(identity, upstream=upstream, key=key, now=now)
        lines = self._lines_of(assertion, upstream)
        self._entries[where] = (identity, key, assertion, lines)
        self._entries.move_to_end(where)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return lines

    def _lines_of(self, assertion: Assertion, upstream: str) -> Lines:
        """In the header of its own, and as Bearer where the upstream's `authorization` says so."""
        shown = self._shown.get(upstream)
        if shown is None:
            return ((self._header, assertion.value),)
        as_bearer = (b"Authorization", b"Bearer " + assertion.value)
        return (as_bearer,) if shown == "alone" else ((self._header, assertion.value), as_bearer)
