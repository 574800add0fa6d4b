"""The account of one request: the steps it took, in order, and what each of them saw.

Whoever judges writes it; whoever tells of a request (`explain`, a console, traces) reads it, and judges nothing again.
"""

from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """The steps of a request, in order of admission."""

    REQUEST = "request"
    ROUTE = "route"
    CREDENTIAL = "credential"
    #: the token passed before, and would pass now: nothing up to `headers` is done again
    REMEMBERED = "remembered"
    FORM = "form"
    ISSUER = "issuer"
    CLASS = "class"
    TIME = "time"
    AUDIENCE = "audience"
    SUBJECT = "subject"
    #: does its sender send too many bad ones: asked before what costs something
    BAD_TOKENS = "bad_tokens"
    SIGNATURE = "signature"
    #: what the issuer says of it when it is asked (RFC 7662)
    INTROSPECTION = "introspection"
    #: what the API is told of the caller can be written
    HEADERS = "headers"
    REVOCATION = "revocation"
    BINDING = "binding"
    #: a page of another site may have made the request: asked of credentials that a browser sends by itself
    ORIGIN = "origin"
    RATES = "rates"
    POLICY = "policy"
    #: claims that the token lacks, asked of its issuer
    USERINFO = "userinfo"
    #: what a route asks of the whole request
    CONDITION = "condition"
    #: the proof of possession was not used before
    REPLAY = "replay"
    BODY = "body"
    #: a token for the API, in exchange for this one
    EXCHANGE = "exchange"
    #: admitted; what follows is the API's to say
    UPSTREAM = "upstream"


# On the way of a request: `Step.ROUTE` costs as much as a call does.
ROUTE: Final = Step.ROUTE
CREDENTIAL: Final = Step.CREDENTIAL
REMEMBERED: Final = Step.REMEMBERED
FORM: Final = Step.FORM
ISSUER: Final = Step.ISSUER
CLASS: Final = Step.CLASS
TIME: Final = Step.TIME
AUDIENCE: Final = Step.AUDIENCE
SUBJECT: Final = Step.SUBJECT
BAD_TOKENS: Final = Step.BAD_TOKENS
SIGNATURE: Final = Step.SIGNATURE
INTROSPECTION: Final = Step.INTROSPECTION
HEADERS: Final = Step.HEADERS
REVOCATION: Final = Step.REVOCATION
BINDING: Final = Step.BINDING
ORIGIN: Final = Step.ORIGIN
RATES: Final = Step.RATES
POLICY: Final = Step.POLICY
USERINFO: Final = Step.USERINFO
CONDITION: Final = Step.CONDITION
REPLAY: Final = Step.REPLAY
BODY: Final = Step.BODY
EXCHANGE: Final = Step.EXCHANGE
UPSTREAM: Final = Step.UPSTREAM

_FIRST: Final = Step.REQUEST


class Trail:
    """The steps that a request took. One that is refused stands at the step that refused it."""

    def __init__(self) -> None:
        #: every step that was entered, and behind each what it saw by name, as it was found
        self.account: Final[list[Step | dict[str, object]]] = [_FIRST]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' > '.join(self.steps)})"

    @property
    def steps(self) -> list[Step]:
        """In the order in which they were entered."""
        return [entry for entry in self.account if isinstance(entry, Step)]

    @property
    def step(self) -> Step:
        """Where the request stands."""
        return self.steps[-1]

    def enter(self, step: Step) -> None:
        """Takes the next step: all before it passed, or was not needed."""
        self.account.append(step)

    def saw(self, found: dict[str, object]) -> None:
        """What the step found, by name; whoever shows it cuts it. Never a credential or a claim that no check names."""
        self.account.append(found)

    def values(self, step: Step) -> dict[str, object]:
        """What a step found, by name; empty when it was not entered, or there is nothing to say of it."""
        found: dict[str, object] = {}
        at = _FIRST
        for entry in self.account:
            if isinstance(entry, Step):
                at = entry
            elif at is step:
                found |= entry
        return found
