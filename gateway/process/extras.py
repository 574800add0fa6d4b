"""What comes with an extra and is imported only where it is configured: traces, and the listener over gRPC."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.assembly import Assembly, Current
from gateway.core.config.file import Config, grpc_decisions_of
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.observe.observers import Observers
from gateway.ports import Ending
from gateway.sampled import Sampler

if TYPE_CHECKING:
    from gateway.decisions.grpc_server import CheckServer
    from gateway.observe.tracing.traces import Traces


class Extras:
    """Those of a gateway in this process. After `observing` you must call `close`, after `listen` `stop_listening`."""

    def __init__(self, assembly: Callable[[], Assembly]) -> None:
        """`assembly`: the one that serves now."""
        self._assembly = assembly
        self._traces: Traces | None = None
        self._grpc: CheckServer | None = None
        #: where Envoy asks over gRPC; empty: nowhere
        self.grpc_address = ""

    def observing(
        self, config: Config, metrics: Metrics, access: AccessLog, *, refused: Callable[[Ending], None] | None = None
    ) -> tuple[Observers, Sampler | None]:
        """Who hears of requests, and which are traced. ValueError: a file was spoilt after it was checked.

        `refused`: as `Observers` has it.
        """
        if config.tracing is None:
            return Observers(metrics, access, refused=refused), None
        from gateway.observe.tracing.made import traces_of  # noqa: PLC0415 -- it is there only with its extra

        self._traces = traces_of(
            config.tracing,
            config=lambda: self._assembly().config,
            read=lambda secret: self._assembly().secrets.read(secret),  # noqa: PLW0108 -- there is none yet
            happened=metrics.happened,
            environ=os.environ,
        )
        return Observers(metrics, access, self._traces, refused=refused), self._traces.sampler

    async def listen(self, config: Config, current: Current, *, is_ready: Callable[[], bool]) -> None:
        """Listens where Envoy asks over gRPC, if it does. CannotStart."""
        asked = grpc_decisions_of(config)
        if asked is None:
            return
        from gateway.process.grpc_listener import start_grpc  # noqa: PLC0415 -- it is there only with its extra

        # A door has another handler after a reload: it is asked for it with each call.
        self._grpc = await start_grpc(asked, lambda call: current.calls.handle(call), is_ready=is_ready)  # noqa: PLW0108
        self.grpc_address = self._grpc.address

    async def stop_listening(self, *, seconds: float, hurry: asyncio.Event) -> None:
        """Takes no new calls, and gives those under way so long, unless `hurry` is set. May be called twice."""
        if self._grpc is None:
            return
        stopping = asyncio.ensure_future(self._grpc.stop(seconds=seconds))
        hurrying = asyncio.ensure_future(hurry.wait())
        await asyncio.wait((stopping, hurrying), return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        if not stopping.done():
            await self._grpc.stop(seconds=0.0)
        await asyncio.gather(stopping, hurrying, return_exceptions=True)

    async def close(self, *, seconds: float) -> None:
        """Sends the spans that are left, within so many seconds and never more than two."""
        if self._traces is not None:
            await self._traces.close(seconds=seconds)
