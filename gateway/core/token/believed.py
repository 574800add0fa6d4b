"""What an issuer said of a token when it was asked, as a ground of an identity: until when, and when it is renewed."""

from typing import Final


class Believed:
    """What an issuer said of a token when it was asked, and until when that is believed: a ground of an identity."""

    __slots__ = ("asked_at", "renewed_at", "size", "token", "until")

    def __init__(self, token: bytes, *, asked_at: float, until: float, renewed_at: float, size: int = 0) -> None:
        """Times in seconds since the epoch. `renewed_at`: when it is asked about anew, should it be used then.

        `size`: bytes of what was said, of which an identity may have kept all.
        """
        #: to ask about it anew
        self.token: Final = token
        self.size: Final = size
        self.asked_at = asked_at
        self.until = until
        self.renewed_at = renewed_at

    def __repr__(self) -> str:
        return f"Believed(until {self.until:.0f})"
