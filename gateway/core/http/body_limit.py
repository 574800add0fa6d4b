"""Whether a request announces more than it may carry. What comes without a length is counted as it comes."""

from gateway.core.errors import BodyTooLarge
from gateway.core.http.facts import Facts


def check_length(facts: Facts, *, most: int) -> None:
    """BodyTooLarge: its Content-Length is beyond `most` bytes."""
    if facts.content_length is not None and facts.content_length > most:
        raise BodyTooLarge(f"a body of {facts.content_length} bytes; {most} are accepted")
