"""What an issuer said of a token when it was asked, as a ground of an identity: until when, and when it is renewed."""

from typing import Final

from gateway.core.token.introspected import IntrospectionResponse

#: the part of its life after which a response is asked for anew, when the token is used
RENEWED_AFTER: Final = 0.8


class Believed:
    """What an issuer said of a token when it was asked, and until when that is believed: a ground of an identity."""

    __slots__ = ("asked_at", "is_end", "renewed_at", "size", "token", "until")

    def __init__(
        self, token: bytes, *, asked_at: float, until: float, renewed_at: float, size: int = 0, is_end: bool = False
    ) -> None:
        """Times in seconds since the epoch. `renewed_at`: when it is asked about anew, should it be used then.

        `size`: bytes of what was said, of which an identity may have kept all. `is_end`: nothing says when the token
        ends, and `until` stands in for it.
        """
        #: to ask about it anew
        self.token: Final = token
        self.size: Final = size
        self.is_end: Final = is_end
        self.asked_at = asked_at
        self.until = until
        self.renewed_at = renewed_at

    def __repr__(self) -> str:
        return f"Believed(until {self.until:.0f})"


def believe(token: bytes, response: IntrospectionResponse, *, is_end: bool = False) -> Believed:
    """The ground that a response is. `is_end`: as in `Believed`."""
    asked, until = response.asked_at, response.until
    renewed = asked + RENEWED_AFTER * (until - asked)
    return Believed(token, asked_at=asked, until=until, renewed_at=renewed, size=response.size, is_end=is_end)
