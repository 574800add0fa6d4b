"""What is left of a request whose response goes on for as long as both sides like: no gate is held by it.

Hours later there may be another configuration, of which many may have come and gone meanwhile.
"""

import logging
import time
from asyncio import CancelledError
from typing import Final

from gateway.core.errors import (
    ClientDisconnected,
    Draining,
    InternalError,
    InvalidToken,
    NoLongerAdmitted,
    Refusal,
)
from gateway.messages import Opened, Response
from gateway.ports import Ending, Exchange, Observer

log = logging.getLogger("gateway")


class Endless:
    """One event stream or tunnel, about to begin. `run` is to be awaited by whoever had the request handled."""

    __slots__ = ("_about", "_observer", "_started")

    def __init__(
        self, ending: Ending, exchange: Exchange, response: Response, observer: Observer, *, started: float
    ) -> None:
        """`ending` says what was admitted, and for how long. `started`: of `time.perf_counter`."""
        #: None once it is over: the exchange knows of it, and nothing of it is to wait for the collector of cycles
        self._about: tuple[Ending, Exchange, Response] | None = (ending, exchange, response)
        self._observer: Final = observer
        self._started: Final = started

    async def run(self) -> None:
        """To its end. Raises nothing but CancelledError; the observer hears how it ended."""
        assert self._about is not None  # it runs once
        ending, exchange, response = self._about
        try:
            try:
                await exchange.relay(
                    response,
                    lines=ending.response_lines,
                    by=Opened(ending.identity, ending.seconds_left, ending.facts),
                )
            except Refusal as refusal:
                ending.refusal = refusal
            except Exception:
                log.exception("a stream ended in a bug of the gateway")
                ending.refusal = InternalError("see the traceback in the log")
            finally:
                response.close()
            if isinstance(ending.refusal, ClientDisconnected):
                _is_gone(ending, exchange)
            elif ending.refusal is not None and not isinstance(
                ending.refusal, InvalidToken | Draining | NoLongerAdmitted
            ):
                # One that was told to end was whole so far; this one broke off.
                exchange.abort()
        except CancelledError:
            _is_gone(ending, exchange)
            raise
        finally:
            ending.measure(exchange, self._started, time.perf_counter())
            self._observer.request_ended(ending)
            self._about = None


def _is_gone(ending: Ending, exchange: Exchange) -> None:
    """Its client left, or was cut off."""
    ending.refusal = exchange.cut_by or ClientDisconnected("the connection ended before the response did")
    ending.status = ending.refusal.status
