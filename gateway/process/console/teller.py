"""What a process that serves tells the console, and does for it: one of these a gateway, alone or a worker."""

import time
from collections.abc import Callable
from typing import Any, Final

from gateway.assembly import Assembly
from gateway.console.recorder import Recorder
from gateway.console.sources import Deed, Impossible
from gateway.console.told import (
    MAX_NAMED,
    NAME_SHOWN,
    SENTENCE_SHOWN,
    CertificateTold,
    IssuerTold,
    Told,
    UpstreamTold,
    cut,
)
from gateway.core.config.file import upstreams_of
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.ports import Ending
from gateway.process.console.deeds import Deeds
from gateway.process.secure import HasEnd
from gateway.relay.client.server import Server
from gateway.relay.upstream.upstreams import HttpUpstreams

#: seconds after which a request that waits for its response is told of
SILENT: Final = 10.0


class GatewayTeller:
    """Of one gateway. After `attach` it tells."""

    def __init__(self, metrics: Metrics, access: AccessLog) -> None:
        self._recorder = Recorder(metrics, access.line_of, clock=time.time)
        self._assembly: Callable[[], Assembly] | None = None
        self._server: Server | None = None
        self._secure: HasEnd | None = None
        self._deeds: Deeds | None = None

    def refused(self, ending: Ending) -> None:
        """A request was refused, or would have been."""
        self._recorder.refused(ending)

    def attach(self, assembly: Callable[[], Assembly], server: Server, secure: HasEnd | None) -> None:
        """From now on it tells of this gateway, whichever assembly serves in it."""
        self._assembly, self._server, self._secure = assembly, server, secure
        self._deeds = Deeds(assembly)

    async def do(self, deed: Deed, asked: dict[str, Any]) -> dict[str, Any]:
        """What the console asks. Impossible."""
        if self._deeds is None:
            raise Impossible("The gateway is only about to start.", status=503)
        return await self._deeds.do(deed, asked)

    def take(self) -> Told:
        """All that there is to tell since the last time."""
        told, responded = self._recorder.take()
        if self._assembly is None or self._server is None:
            return told
        assembly = self._assembly()
        told.issuers = _issuers(assembly)
        told.upstreams = _upstreams(assembly, responded)
        told.connections = len(self._server.open)
        told.streams = self._server.listener.streams.count
        shared = assembly.store.shared
        told.store = None if shared is None else cut(assembly.store.reason, SENTENCE_SHOWN)
        if assembly.revocations is not None:
            told.revoked = assembly.revocations.count
            told.is_stale = assembly.revocations.is_stale
        if self._secure is not None:
            told.certificates = [CertificateTold("listen", self._secure.ends_at)]
        return told


def _issuers(assembly: Assembly) -> list[IssuerTold]:
    return [
        IssuerTold(
            name=one.name,
            keys=one.keys,
            has_keys=one.has_keys,
            age=one.age,
            due_in=one.due_in,
            error=cut(one.reason, SENTENCE_SHOWN),
            is_kept=one.kept_for is not None,
            clock_ahead=one.clock_ahead,
        )
        for one in assembly.issuers.status()[:MAX_NAMED]
    ]


def _upstreams(assembly: Assembly, responded: dict[str, int]) -> list[UpstreamTold]:
    lacking = {} if assembly.tokens is None else {one.name: one.reason for one in assembly.tokens.status()}
    found = []
    for name, section in list(upstreams_of(assembly.config).items())[:MAX_NAMED]:
        idle = busy = 0
        silences: list[float] = []
        if isinstance(assembly.upstream, HttpUpstreams):
            pool = assembly.upstream.by_name[name].connections.pool
            idle, busy = pool.counts()
            silences = [silence for one in pool.connections if (silence := one.silence()) > SILENT]
        found.append(
            UpstreamTold(
                name=cut(name, NAME_SHOWN) or "",
                url=cut(section.url, NAME_SHOWN) or "",
                responded=responded.get(name, 0),
                idle=idle,
                busy=busy,
                silent=len(silences),
                silence=max(silences, default=0.0),
                error=cut(lacking.get(name), SENTENCE_SHOWN),
            )
        )
    return found
