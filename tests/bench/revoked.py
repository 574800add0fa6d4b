"""A journal full of revocations (docs/revocation.md), none of them about a token of the load."""

import time
from pathlib import Path
from typing import Final

from gateway.core.revocation.entry import Entry, Kind
from gateway.store.journal import Journal
from tests.bench.tokens import ISSUER

#: seconds for which they hold, and which a token may live: longer than those of the load
KEEP: Final = 30 * 24 * 3600
_KINDS: Final[tuple[Kind, ...]] = ("subject", "sessionless", "client", "sid", "jti")


def write_revoked(path: Path, count: int) -> None:
    """Writes so many, of each kind that is looked up for a token, all of the issuer of the load."""
    now = time.time()
    journal, _ = Journal.open(str(path), now=now)
    journal.rewrite(
        [
            Entry(
                _KINDS[number % len(_KINDS)], ISSUER, f"revoked-{number}", until=now + KEEP, before=now + KEEP, at=now
            )
            for number in range(count)
        ]
    )
    journal.close()
