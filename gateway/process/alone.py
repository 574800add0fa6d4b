"""The program as one process: a gateway from its start to its end, and what signals make of it meanwhile."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.observe.metrics.shared_metrics import keep_private
from gateway.process.app import Gateway
from gateway.process.listening import Bound
from gateway.process.memory import let_go, settle_memory
from gateway.process.notify import UNHEARD, Notifier
from gateway.process.reloads import Asked, reloading
from gateway.process.signals import on_drain, on_signals
from gateway.process.title import DRAINED, DRAINS, SERVES, call_process
from gateway.settings.settings import Loaded
from gateway.settings.source import Source

log = logging.getLogger("gateway")


async def run(
    config: Config,
    *,
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    passed: Mapping[str, Bound] = MappingProxyType({}),
    notifier: Notifier = UNHEARD,
    started: Callable[[Gateway], None] | None = None,
    source: Source | None = None,
    loaded: Loaded | None = None,
) -> None:
    """Serves until a signal says stop, then drains; a second one cuts the draining short. CannotStart.

    `passed`: sockets that take the place of configured addresses. `notifier`: hears of it. `source`: what is read anew
    when that is asked for, and `loaded` what it said; None: nothing can be.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    asked = Asked()
    on_signals(lambda: hurry.set() if stop.is_set() else stop.set(), hang_up=asked.ask)
    keep_private()
    gateway = Gateway(config, secrets=secrets, passed=passed, let_go=let_go)

    def drain() -> None:
        if gateway.drain(drained=partial(call_process, DRAINED)):
            call_process(DRAINS)

    # Before it says that it listens: whoever has read that may tell it.
    on_drain(drain)
    call_process(SERVES)
    await gateway.start()
    settle_memory()
    if started is not None:
        started(gateway)
    async with notifier.serving(summary=gateway.summary(), readiness=gateway.readiness):
        async with reloading(
            source, config, gateway.replace, loaded,
            asked=asked, notifier=notifier, summary=gateway.summary, reloaded=gateway.reloaded,
        ) as gateway.reloads:  # fmt: skip
            if gateway.console is not None and gateway.reloads is not None:
                gateway.console.reload_by(gateway.reloads)
            await stop.wait()
            log.info("stopping: draining")
            notifier.stopping()
        await gateway.stop(hurry=hurry)
