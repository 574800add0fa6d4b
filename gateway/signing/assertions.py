"""The assertions of callers who are here now: each made once, remembered, and made anew before it ends.

What an assertion says is `core.assertion`. Knows nothing of requests, and of tokens only the identity behind them.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.core.config.file import Config, assertion_header_of
from gateway.core.config.issuers import issuer_name
from gateway.core.http.facts import HeaderLine
from gateway.core.token.identity import Identity
from gateway.core.upstream.assertion import Assertion, AssertionRules, SigningKey
from gateway.ports import Signer

#: as many as tokens are remembered
MAX_ENTRIES = 10_000


class SignedAssertions:
    """The header line that proves to an upstream who is calling. Least recently used first out."""

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
        self._signer = signer
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[str, str], tuple[Identity, SigningKey, Assertion]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def line(self, identity: Identity, *, upstream: str) -> HeaderLine:
        """The header for this caller and this upstream: remembered, or signed now."""
        key, now = self._signer.current(), self._clock()
        where = (identity.token_id, upstream)
        entry = self._entries.get(where)
        if entry is not None:
            known, signed_by, assertion = entry
            # The identifier finds the entry and proves nothing: it must be this very identity, verified once.
            if known is identity and signed_by is key and assertion.made_at <= now < assertion.renewed_at:
                self._entries.move_to_end(where)
                return self._header, assertion.value
        assertion = self._rules.make(identity, upstream=upstream, key=key, now=now)
        self._entries[where] = (identity, key, assertion)
        self._entries.move_to_end(where)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return self._header, assertion.value
