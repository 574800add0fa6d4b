"""For how long somebody who is asked wants to be left alone (RFC 9110 section 10.2.3, RFC 6585 section 4)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

#: seconds: where a 429 does not say, and the longest that is believed
USUAL: Final = 5.0
LONGEST: Final = 3600.0

_SECONDS: Final = re.compile(r"[0-9]{1,9}")


def silence_of(status: int, headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds for which nothing is asked after this response; None: it asks for no silence.

    `headers`: names in lower case. `now`: seconds since the epoch.
    """
    told = _retry_after(headers.get("retry-after", "").strip(), now)
    if status == 429:
        return USUAL if told is None else told
    return told if status >= 500 else None


def _retry_after(text: str, now: float) -> float | None:
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # A year, or an hour, of any length.
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.fromtimestamp(now, UTC)
    return min(max(seconds.total_seconds(), 0.0), LONGEST)
