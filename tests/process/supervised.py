"""A supervisor with real workers, for tests."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.process.signals import STOPPING
from gateway.process.supervisor import Supervisor
from tests.wire import Message, RawClient, config_for, until


class Supervised:
    """A supervisor in this process, its workers, and the addresses it says it listens on."""

    def __init__(self, supervisor: Supervisor, running: "asyncio.Task[int]", log: pytest.LogCaptureFixture) -> None:
        self.supervisor = supervisor
        self.running = running
        self._log = log

    def told(self, pattern: str) -> bool:
        return re.search(pattern, self._log.text) is not None

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.supervisor._workers.values()]

    async def ready(self, count: int = 2) -> None:
        def are_ready() -> bool:
            workers = self.supervisor._workers.values()
            return len(workers) == count and all(worker.readiness and worker.readiness.ready for worker in workers)

        await until(are_ready)

    async def client(self, address: str | None = None) -> RawClient:
        return await RawClient.connect(address or self.supervisor._listeners.traffic.where)

    async def admin(self, path: str) -> Message:
        admin = self.supervisor._listeners.admin
        assert admin is not None
        client = await self.client(admin.where)
        response = await client.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await client.close()
        return response


@asynccontextmanager
async def supervised(
    config: Config, log: pytest.LogCaptureFixture, *, secrets: Mapping[Secret, str] = MappingProxyType({}), **more: Any
) -> AsyncIterator[Supervised]:
    """Workers that are ready; afterwards none is left."""
    log.set_level("INFO")
    supervisor = Supervisor(config, secrets=secrets, **more)
    it = Supervised(supervisor, asyncio.create_task(supervisor.run()), log)
    try:
        await until(lambda: it.told("listens on") or it.running.done())
        await it.ready(config.workers)
        yield it
    finally:
        supervisor.stop()
        supervisor.stop()
        await it.running
        for number in (*STOPPING, signal.SIGHUP, signal.SIGUSR1):
            asyncio.get_running_loop().remove_signal_handler(number)


def config(jwks: str, upstream: str = "http://127.0.0.1:9", **settings: Any) -> Config:
    return config_for(upstream, jwks, **{"workers": 2, **settings})
