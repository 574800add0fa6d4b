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

    __slots__ = ("_ending", "_exchange", "_observer", "_response", "_started")

    def __init__(
        self, ending: Ending, exchange: Exchange, response: Response, observer: Observer, *, started: float
    ) -> None:
        """`ending` says what was admitted, and for how long. `started`: of `time.perf_counter`."""
        self._ending: Final = ending
        self._exchange: Final = exchange
        self._response: Final = response
        self._observer: Final = observer
        self._started: Final = started

    async def run(self) -> None:
        """To its end. Raises nothing but CancelledError; the observer hears how it ended."""
        ending, exchange = self._ending, self._exchange
        try:
            try:
                await exchange.relay(
                    self._response,
                    lines=ending.response_lines,
                    by=Opened(ending.identity, ending.seconds_left, ending.facts),
                )
            except Refusal as refusal:
                ending.refusal = refusal
            except Exception:
                log.exception("a stream ended in a bug of the gateway")
                ending.refusal = InternalError("see the traceback in the log")
            finally:
                self._response.close()
            if isinstance(ending.refusal, ClientDisconnected):
                self._is_gone()
            elif ending.refusal is not None and not isinstance(
                ending.refusal, InvalidToken | Draining | NoLongerAdmitted
            ):
                # One that was told to end was whole so far; this one broke off.
                exchange.abort()
        except CancelledError:
            self._is_gone()
            raise
        finally:
            ending.measure(exchange, self._started, time.perf_counter())
            self._observer.request_ended(ending)

    def _is_gone(self) -> None:
        ending = self._ending
        ending.refusal = self._exchange.cut_by or ClientDisconnected("the connection ended before the response did")
        ending.status = ending.refusal.status
