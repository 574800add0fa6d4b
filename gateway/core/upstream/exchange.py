"""Tokens for the API: what a token endpoint is asked for them, and what it means by its response.

RFC 6749 section 4.4 (client credentials), RFC 8693 (token exchange), Microsoft Entra's on-behalf-of. Who asks, when,
and what is kept where is `remote`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable
from gateway.core.jsontext import parse_json
from gateway.core.upstream.own_lines import bearer_value

#: bytes of a token that still fits into the head of a request
MAX_TOKEN: Final = 16 << 10
#: Seconds before its end in which a token is not used any more: it has to arrive, and clocks differ. Of a short life it
#: is a tenth.
MARGIN: Final = 10.0
#: seconds that client credentials without `expires_in` are taken to live
UNSAID_LIFETIME: Final = 60.0
#: seconds: ten years; what lives longer is a slip of the pen
_MAX_LIFETIME: Final = 10 * 365 * 24 * 3600.0

#: RFC 8693 section 3
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 -- a name
_USABLE_TYPES: Final = frozenset({_ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"})
#: RFC 6750, and RFC 8693 section 2.2.1 for what is no access token by name; without case (RFC 6749 section 5.1)
_USUAL_TYPES: Final = frozenset({"bearer", "n_a"})

#: What is said of this caller's token, and not of the gateway. `invalid_request` is how a bad subject token is told
#: (RFC 8693 section 2.2.2); `interaction_required` is Entra's: the user has to do something first.
_REFUSED: Final = frozenset(
    {
        "invalid_request",
        "invalid_grant",
        "invalid_token",
        "access_denied",
        "invalid_target",
        "invalid_scope",
        "interaction_required",
    }
)
#: An error as the RFCs spell theirs: nothing else is repeated, since who knows what else stands there.
_ERROR: Final = re.compile(r"[a-z][a-z_]{0,39}")
#: how many of Entra's numbers are told
_MOST_NUMBERS: Final = 3
_DIGITS: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Granted:
    """A token for the API."""

    #: the whole value of Authorization
    authorization: bytes = field(repr=False)
    #: seconds from when it was asked for to when it is not used any more; None: nobody says, or it is of a strange type
    lasts: float | None


def client_credentials_form(section: ClientCredentials) -> dict[str, str]:
    """The members of a request for the gateway's own token (RFC 6749 section 4.4.2), its authentication left out."""
    return {"grant_type": "client_credentials", **_wanted(section)}


def exchange_form(section: TokenExchange, token: bytes) -> dict[str, str]:
    """The members of a request for a token in exchange for `token`, those of the gateway's authentication left out."""
    subject = token.decode("ascii")
    if section.kind == "on_behalf_of":
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "requested_token_use": "on_behalf_of",
            "assertion": subject,
            **_wanted(section),
        }
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": _ACCESS_TOKEN,
        "subject_token": subject,
        "subject_token_type": _ACCESS_TOKEN,
        **_wanted(section),
    }


def _wanted(section: ClientCredentials | TokenExchange) -> dict[str, str]:
    """For which API the token is to be, as far as it is configured."""
    wanted = {"audience": section.audience, "resource": section.resource, "scope": section.scope}
    return {name: value for name, value in wanted.items() if value is not None}


def kept_key(*, issuer: str, token: bytes, upstream: str, section: TokenExchange) -> bytes:
    """What a result is kept by: who issued the token, the token, and everything that was asked for.

    Two that differ in anything differ here; it goes to nobody but under a keyed hash.
    """
    asked = [issuer, upstream, section.token_endpoint, section.client_id, *exchange_form(section, token).items()]
    return json.dumps(asked).encode("ascii")


def kept_value(granted: Granted, *, until: float) -> bytes:
    """A token as it is kept. `until`: seconds since the epoch."""
    return b"%.3f %b" % (until, granted.authorization)


def parse_kept(value: bytes, *, now: float, longest: float) -> tuple[bytes, float] | None:
    """What `kept_value` wrote: Authorization and its end; None: it is over, or nothing that we wrote.

    `longest`: seconds from `now`; nothing is kept for longer, whoever wrote it.
    """
    end, _, authorization = value.partition(b" ")
    try:
        until = min(float(end), now + longest)
        if authorization != bearer_value(authorization.removeprefix(b"Bearer ").decode("ascii")):
            return None
    except ValueError:
        return None
    return (authorization, until) if now < until else None


def judge_exchange(status: int, body: bytes) -> Granted:
    """The token that a response grants in exchange for another.

    ExchangeRefused: not for this token. ExchangeUnavailable: it makes no sense, or blames the gateway.
    """
    if status == 200:
        granted, _ = _granted(body)
        return granted
    error, told = _error_of(body)
    if 400 <= status < 500 and status != 429 and error in _REFUSED:
        raise ExchangeRefused(f"the token endpoint says {told}")
    raise _unavailable(status, told)


def judge_client_credentials(status: int, body: bytes) -> Granted:
    """The gateway's own token, as a response grants it; it always ends. ExchangeUnavailable: it grants none."""
    if status != 200:
        raise _unavailable(status, _error_of(body)[1])
    granted, is_usual = _granted(body)
    if not is_usual:
        raise ExchangeUnavailable("the token endpoint gave a token of another type than Bearer (token_type)")
    return Granted(granted.authorization, UNSAID_LIFETIME if granted.lasts is None else granted.lasts)


def _unavailable(status: int, told: str) -> ExchangeUnavailable:
    return ExchangeUnavailable(f"the token endpoint says {told}, with status {status}")


def _granted(body: bytes) -> tuple[Granted, bool]:
    """The token of a response that grants one, and whether it is of a type that may be kept."""
    document = _document(body)
    if document is None:
        raise ExchangeUnavailable("the token endpoint did not respond with a JSON object")
    token = document.get("access_token")
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise ExchangeUnavailable("the token endpoint gave no access_token that could be one")
    try:
        authorization = bearer_value(token)
    except ValueError:
        raise ExchangeUnavailable("the token endpoint gave an access_token that no header can carry") from None
    issued = document.get("issued_token_type", _ACCESS_TOKEN)
    # RFC 8693 section 2.2.1: a refresh or an ID token stands under access_token as well.
    if not isinstance(issued, str) or issued not in _USABLE_TYPES:
        raise ExchangeUnavailable("the token endpoint issued a token that is no access token (issued_token_type)")
    kind = document.get("token_type")
    is_usual = isinstance(kind, str) and kind.lower() in _USUAL_TYPES
    return Granted(authorization, _lasting(document.get("expires_in")) if is_usual else None), is_usual


def _lasting(expires_in: object) -> float | None:
    """Seconds for which a token may be kept that lives for `expires_in`; None: not at all."""
    if isinstance(expires_in, str) and _DIGITS.fullmatch(expires_in):
        # Entra's older endpoint writes text.
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float) or expires_in <= 0:
        return None
    seconds = min(float(expires_in), _MAX_LIFETIME)
    return seconds - min(MARGIN, seconds / 10)


def _document(body: bytes) -> Mapping[str, Any] | None:
    try:
        document = parse_json(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _error_of(body: bytes) -> tuple[str | None, str]:
    """The error of a response (RFC 6749 section 5.2), and how it is told: never in words of others."""
    document = _document(body) or {}
    error = document.get("error")
    if not isinstance(error, str) or _ERROR.fullmatch(error) is None:
        return None, "nothing that could be understood"
    numbers = document.get("error_codes")
    known = [str(code) for code in numbers if type(code) is int] if isinstance(numbers, list) else []
    return error, f"{error} ({', '.join(known[:_MOST_NUMBERS])})" if known else error
