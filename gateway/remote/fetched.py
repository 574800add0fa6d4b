"""What comes of asking for a document, and what may be asked for. Imports no client: keys may be in a file."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.core.addresses import is_fetchable, parse_url
from gateway.core.config.issuers import Issuer

if TYPE_CHECKING:
    from yarl import URL

#: seconds, redirects included
FETCH_TIMEOUT: Final = 5.0
#: 256 KiB, as sent and after decompression
MAX_BYTES: Final = 256 * 1024
#: What is shown of an address in a sentence, in characters.
ADDRESS_SHOWN: Final = 200
_USER: Final = re.compile(r"/+.*@", re.DOTALL)
#: What a document may come as. Kubernetes responses 406 unless a key set is asked for by its own type (RFC 7517 section
#: 8.5.1); plain JSON is what everybody else sends it as, and what nobody has labelled is read all the same.
ACCEPT_JSON: Final = "application/json, */*;q=0.1"
ACCEPT_KEY_SET: Final = "application/jwk-set+json, application/json, */*;q=0.1"
#: how the sentence begins for a certificate of nobody who is known; an operator has a `ca_file` to give
NOT_ACCEPTED: Final = "its certificate is not accepted"


class FetchFailed(Exception):
    """No document could be had. The sentence is for operators, and has no line of the response in it."""

    def __init__(self, sentence: str, *, status: int | None = None) -> None:
        """`status`: what the server answered, when there was a response and it is no JSON document."""
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """A decoded JSON document."""

    document: Any
    #: seconds it may be kept, as Cache-Control and Age say; None when they do not
    max_age: int | None
    #: seconds by which the server's clock is ahead of ours, negative: behind; None: it has no Date that could be read
    ahead: float | None = field(default=None, compare=False)


def shown_address(url: "str | URL") -> str:
    """An address fit for a sentence: printable ASCII, without user and query, at most 200 characters."""
    from yarl import URL  # noqa: PLC0415 -- see above

    try:
        text = str(URL(url).with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        # None that could be asked; a user may stand in it all the same, with whatever signs in the password.
        text = re.split(r"[?#]", _USER.sub("//", str(url)), maxsplit=1)[0]
    return text.encode("unicode_escape").decode()[:ADDRESS_SHOWN]


def no_address(text: str, why: str) -> str:
    """Why an address is not asked. `why`: what it must or must not have."""
    if text.startswith(("http://", "https://")):
        return f"{shown_address(text)} is not asked: it {why}"
    return f"{shown_address(text)} is not an http or https address"


def parse_fetchable(text: str, issuer: Issuer) -> "URL":
    """An address that may be asked for `issuer`.

    FetchFailed: no http(s) URL, or plain http where it is not allowed (gateway.core.addresses.is_fetchable).
    """
    try:
        parse_url(text)
    except ValueError as error:
        raise FetchFailed(no_address(text, str(error))) from None
    if not is_fetchable(text, issuer=issuer.issuer, allow_http=issuer.allow_http):
        raise FetchFailed(f"{shown_address(text)} is plain http, which is not allowed")
    from yarl import URL  # noqa: PLC0415 -- see above

    return URL(text)
