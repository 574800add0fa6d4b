"""The section `rates`, at the top and of a route, and `bad_tokens`: how often somebody may."""

from typing import Annotated, Final, Literal

from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc

#: what a rate counts by that only a token says
PER_CALLER: Final = frozenset({"subject", "client", "issuer"})
PER_ADDRESS: Final = "address"


def _nobody_elses(path: str) -> str:
    """A name that no other rate has."""
    return f"unreadable-{''.join(character if character.isalnum() else '-' for character in path)}"


class Rate(Section, frozen=True, kw_only=True):
    """How many requests are let through: `limit` in each `window`, and never more than `burst` at once."""

    name: Annotated[
        str,
        _doc("what clients, the log and metrics call it; of all rates in the file no other", stand_in=_nobody_elses),
    ]
    per: Annotated[
        Literal["subject", "client", "issuer", "address", "route"],
        _doc(
            "whose requests are counted together; subject, client, issuer: as the token says, each within its issuer",
            stand_in="route",
        ),
    ]
    limit: Annotated[int, _doc("requests in each window", stand_in=1)]
    window: Annotated[Seconds, _doc("whole seconds, from 1s to 24h")] = default(Seconds(60))
    burst: Annotated[int | None, _doc("requests at once after a pause, at most limit; null: limit")] = None


class BadTokensSection(Section, frozen=True, kw_only=True):
    """How many bad tokens a client address may send before nothing is done for it that costs something."""

    limit: Annotated[int, _doc("bad tokens in each window, of one client address (IPv6: of one /64)")] = 30
    window: Annotated[Seconds, _doc("from 1s to 24h")] = default(Seconds(60))
    direct: Annotated[
        bool, _doc("clients connect without a proxy, so that the address of the connection counts, for rates as well")
    ] = False
