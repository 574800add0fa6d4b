"""What a token says beyond who is calling: kept only where something asks for it.

Whom it is for, and how and when its user has logged in (OpenID Connect Core 1.0 section 2, RFC 9068 section 2.2.1).
What is asked of it is `routing.demands`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.claims import ABSENT, find_claim
from gateway.core.config.condition import read_condition
from gateway.core.config.file import Config
from gateway.core.config.routes import route_audiences
from gateway.core.token.jwt import MAX_TIME, no_time
from gateway.core.token.payload import Payload, payload_of
from gateway.core.token.rules import Candidate


class Details:
    """What of a token only some configurations ask for."""

    __slots__ = ("acr", "audience", "auth_time", "payload", "unfit")

    def __init__(
        self,
        *,
        audience: tuple[str, ...] = (),
        acr: tuple[str, ...] = (),
        auth_time: float | None = None,
        unfit: str = "",
        payload: Payload | None = None,
    ) -> None:
        #: whom the token is for; empty: nobody says
        self.audience: Final = audience
        #: how the user has logged in: any of these may be asked for
        self.acr: Final = acr
        #: when, in seconds since the epoch; None: the token has it not, or not as a time
        self.auth_time: Final = auth_time
        #: why what stands there is no time; empty: nothing does, or it is one
        self.unfit: Final = unfit
        #: claims that conditions name; None: none does
        self.payload: Final = payload

    def __repr__(self) -> str:
        return f"Details({len(self.audience)} audiences, {len(self.acr)} acr, logged in at {self.auth_time})"


@dataclass(frozen=True, slots=True)
class Kept:
    """Which details are kept: the configuration, compiled."""

    audience: bool
    login: bool
    payload: bool
    #: of the payload those that conditions name; None: all of it
    claims: frozenset[str] | None

    @classmethod
    def of(cls, config: Config) -> "Kept | None":
        """None: nothing asks for any."""
        conditions = [read_condition(route.condition) for route in config.routes if route.condition is not None]
        named = [one.claims for one in conditions]
        kept = cls(
            audience=bool(config.resources)
            or any(map(route_audiences, config.routes))
            or any("identity.audience" in condition.members for condition in conditions),
            login=any(route.acr or route.max_age is not None for route in config.routes),
            payload=any(condition.names_token for condition in conditions),
            claims=None if None in named else frozenset().union(*(claims for claims in named if claims is not None)),
        )
        return kept if kept.audience or kept.login or kept.payload else None

    def details_of(self, claims: Mapping[str, Any], candidate: Candidate) -> Details:
        """Those of a token that passed: its claims, or what its issuer says of it."""
        auth_time, unfit = _time_of(claims.get("auth_time")) if self.login else (None, "")
        return Details(
            audience=candidate.audience if self.audience else (),
            acr=_words_of(claims, candidate.rules.acr_claims) if self.login else (),
            auth_time=auth_time,
            unfit=unfit,
            payload=payload_of(claims, self.claims) if self.payload else None,
        )


def _time_of(value: object) -> tuple[float | None, str]:
    """A time in seconds since the epoch, or why it is none: nothing where nothing is there."""
    if value is None:
        return None, ""
    # RFC 7519 section 2, NumericDate; a boolean is an int in Python and no number in JSON.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        return None, no_time(value)
    return float(value), ""


def _words_of(claims: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """A string is one word, whatever it has in it; of an array each string is."""
    found: dict[str, None] = {}
    for name in names:
        value = find_claim(claims, name)
        if value is not ABSENT:
            found.update(
                {word: None for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)}
            )
    return tuple(found)
