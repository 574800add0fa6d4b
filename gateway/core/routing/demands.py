"""What a route asks of a token beyond who is calling: whom it is for, and how and when its user has logged in.

Judged on every request, since a login grows old while its token is remembered. What the token says of it is
`token.details`; RFC 9470 says how a client learns what is asked.
"""

from dataclasses import dataclass

from gateway.core.config.routes import RouteSection, route_audiences
from gateway.core.errors import InsufficientAuthentication, Refusal, WrongAudience
from gateway.core.shown import shown
from gateway.core.token.identity import Identity


@dataclass(frozen=True, slots=True)
class Demands:
    """What one route asks for; empty or None: nothing."""

    #: name of the route
    route: str
    #: at least one of these
    audience: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()
    #: seconds
    max_age: int | None = None

    def check(self, identity: Identity, *, now: float) -> None:
        """WrongAudience, InsufficientAuthentication. `now`: seconds since the epoch."""
        if self.audience and set(self.audience).isdisjoint(identity.audience):
            named = f"the token is for {shown(identity.audience)}" if identity.audience else "the token names none"
            raise WrongAudience(f"route {self.route} is for {shown(self.audience)}; {named}")
        if self.acr and set(self.acr).isdisjoint(identity.acr):
            has = f"the token has {shown(identity.acr)}" if identity.acr else "the token has none"
            raise self._step_up(f"asks for acr {shown(self.acr)}; {has}")
        if self.max_age is not None:
            self._check_age(identity, self.max_age, now=now)

    def in_words(self) -> tuple[str, ...]:
        """What was asked for and is met."""
        return (
            *((f"for {shown(self.audience)}",) if self.audience else ()),
            *((f"acr {shown(self.acr)}",) if self.acr else ()),
            *((f"a login of at most {self.max_age} s ago",) if self.max_age is not None else ()),
        )

    def _check_age(self, identity: Identity, max_age: int, *, now: float) -> None:
        asks = f"asks for a login of at most {max_age} s ago"
        at = identity.auth_time
        if at is None:
            unfit = "" if identity.details is None else identity.details.unfit
            why = f"auth_time is not a time: {unfit}" if unfit else "the token has no auth_time"
            raise self._step_up(f"{asks}; {why}")
        # In whole seconds, as providers count: else a new login within the last one would be the old one once more.
        if int(now - at) > max_age + identity.leeway:
            raise self._step_up(f"{asks}; it was {now - at:.0f} s ago, and the leeway is {identity.leeway:.0f} s")
        # What never grows old says nothing.
        if at > now + identity.leeway:
            raise self._step_up(f"{asks}; auth_time is in {at - now:.0f} s")

    def _step_up(self, evidence: str) -> Refusal:
        # RFC 9470 section 3: all that is asked for, so that one more login will do.
        return InsufficientAuthentication(f"route {self.route} {evidence}", acr_values=self.acr, max_age=self.max_age)


def demands_of(route: RouteSection, *, name: str) -> Demands | None:
    """What a route of the file asks for; None: nothing. `name`: of the route."""
    audience = route_audiences(route)
    if not audience and not route.acr and route.max_age is None:
        return None
    return Demands(name, audience, route.acr, None if route.max_age is None else int(route.max_age))
