"""How long all store work of one request may take together: what one operation has spent, the next has less."""

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from gateway.ports import Exchange


class Budget:
    """What was spent of it, in seconds. Work that a request begins and that outlives it counts on the same."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent = 0.0


#: None: no request, but work of the gateway's own
_CURRENT: Final[ContextVar[Budget | None]] = ContextVar("store budget", default=None)


def seconds_left(whole: float) -> float:
    """What is left of `whole` seconds for this request; all of it outside of one."""
    budget = _CURRENT.get()
    return whole if budget is None else whole - budget.spent


def spend(seconds: float) -> None:
    """An operation took so long."""
    budget = _CURRENT.get()
    if budget is not None:
        budget.spent += seconds


def within_budget(
    handle: Callable[[Exchange], Coroutine[Any, Any, None]],
) -> Callable[[Exchange], Coroutine[Any, Any, None]]:
    """The same, with a budget of its own for each request."""

    async def handled(exchange: Exchange) -> None:
        _CURRENT.set(Budget())
        await handle(exchange)

    return handled
