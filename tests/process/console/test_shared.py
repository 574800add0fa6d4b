"""The console of a supervisor: what workers tell is added up, and what is asked is asked of one of them, for two seconds."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from gateway.console.sources import Impossible
from gateway.core.config.console import ConsoleSection
from gateway.core.config.revocation import Revocation
from gateway.core.errors import WrongAudience
from gateway.process.app import Gateway
from gateway.process.console.shared import MAX_LINE, ConsoleShared, Consulted
from gateway.process.console.teller import GatewayTeller
from tests.process.console.asking import Asking
from tests.process.console.conftest import Opened
from tests.wire import demo_issuer, get


class Worker:
    """A gateway in this process, as if it were a worker behind a socket."""

    def __init__(self, gateway: Gateway, pid: int) -> None:
        assert isinstance(gateway.teller, GatewayTeller)
        self.pid = pid
        self.is_gone = False
        self.lines: list[bytes] = []
        self.supervisor: ConsoleShared | None = None
        self.consulted = Consulted(gateway.teller, self._written)

    def _written(self, line: bytes) -> None:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        self.lines.append(line)
        if self.supervisor is not None:
            assert self.supervisor.hear(self, line)

    def tell(self, what: bytes) -> None:
        assert self.consulted.hear(what)


class Shared:
    def __init__(self, asking: Asking, console: ConsoleShared, worker: Worker, gateway: Asking) -> None:
        self.asking = asking
        self.console = console
        self.worker = worker
        self.gateway = gateway


@pytest_asyncio.fixture
async def shared(opened: Opened, tmp_path: Path) -> AsyncIterator[Shared]:
    own = await opened(revocation=Revocation())
    gateway = own.gateway.gateway
    socket = str(tmp_path / "shared.sock")
    config = replace(gateway.assembly.config, workers=2, console=ConsoleSection(address="127.0.0.1:0", socket=socket))
    worker = Worker(gateway, 7)
    console = ConsoleShared(
        lambda: config,
        workers=lambda: [worker],
        readiness=gateway.readiness,
        is_draining=lambda: False,
        addresses={"listen": gateway.address},
        secrets={},
    )
    worker.supervisor = console
    await console.start()
    worker.consulted.tell(pause=0.0)
    yield Shared(await Asking.of(own.gateway, socket), console, worker, own)
    await console.stop()


async def test_what_a_worker_tells_is_shown(shared: Shared) -> None:
    token = demo_issuer().access_token(alg="ES256", aud="other")
    client = await shared.gateway.gateway.client()
    await client.ask(get())
    await client.ask(f"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    # The gateway has a console of its own here, which takes its part of what there is to tell.
    shared.worker.consulted.tell(pause=0.0)
    status = (await shared.asking.ask("/api/status")).body
    assert (status["ready"], status["workers"]) == (True, 2)
    assert set(status["listeners"]) == {"listen", "console"}
    assert [one["name"] for one in status["issuers"]] == ["issuer.test"]
    assert token.encode() not in b"".join(shared.worker.lines)


async def test_what_is_asked_is_done_by_a_worker(shared: Shared) -> None:
    token = demo_issuer().access_token(alg="ES256", aud="other")
    explained = (await shared.asking.ask("/api/explain", {"token": token})).body
    assert explained["reason"] == WrongAudience.reason
    assert (await shared.asking.ask("/api/revocations", {"subject": "alice"})).body["changed"]
    (entry,) = (await shared.asking.ask("/api/revocations")).body["entries"]
    assert entry["value"] == "alice"
    assert (await shared.asking.ask("/api/revocations", {"id": entry["id"]}, method="DELETE")).status == 200
    told = await shared.asking.ask("/api/issuers/issuer.test/refresh", {})
    assert told.body == {"about": "issuer.test", "ok": True, "error": None}
    assert (await shared.asking.ask("/api/explain", {"unknown": 1})).status == 400
    assert (await shared.asking.ask("/api/reload", {})).status == 501


async def test_a_worker_that_does_not_respond_is_waited_for_no_longer_than_that(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.process.console.shared.PATIENCE", 0.05)
    monkeypatch.setattr(shared.worker, "tell", lambda what: None)
    assert (await shared.asking.ask("/api/explain", {"token": "a"})).status == 504
    assert (await shared.asking.ask("/api/status")).status == 200
    shared.worker.is_gone = True
    told = await shared.asking.ask("/api/explain", {"token": "a"})
    assert (told.status, told.body["error"]) == (503, "No worker serves now: try again.")


async def test_what_would_be_too_long_for_a_line_is_not_sent(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await shared.asking.ask("/api/explain", json.dumps({"token": "\u20ac" * 20000}, ensure_ascii=False).encode())
    assert told.status in {400, 200, 413}
    with pytest.raises(Impossible) as caught:
        await shared.console.ask("explain", {"token": "x" * (MAX_LINE + 1)})
    assert caught.value.status == 413

    async def endless(*_: Any) -> dict[str, Any]:
        return {"a": "x" * (MAX_LINE + 1)}

    monkeypatch.setattr(GatewayTeller, "do", endless)
    with pytest.raises(Impossible, match="too long"):
        await shared.console.ask("explain", {})


async def test_a_bug_is_told_without_what_was_asked(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> dict[str, Any]:
        raise RuntimeError("a token")

    monkeypatch.setattr(GatewayTeller, "do", fail)
    told = await shared.asking.ask("/api/explain", {"token": "a"})
    assert (told.status, told.body) == (500, {"error": "The gateway failed (RuntimeError)."})


async def test_a_worker_does_some_at_a_time(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def wait(*_: Any) -> dict[str, Any]:
        await begun.wait()
        return {}

    monkeypatch.setattr(GatewayTeller, "do", wait)
    asking = [asyncio.ensure_future(shared.console.ask("list", {})) for _ in range(9)]
    with pytest.raises(Impossible) as caught:
        await asking[8]
    assert caught.value.status == 503
    begun.set()
    assert await asyncio.gather(*asking[:8]) == [{}] * 8


async def test_a_worker_that_is_gone_is_shown_no_more_and_lines_of_others_are_left_alone(shared: Shared) -> None:
    assert (await shared.asking.ask("/api/status")).body["issuers"] != []
    shared.console.gone(shared.worker)
    assert (await shared.asking.ask("/api/status")).body["issuers"] == []
    assert not shared.console.hear(shared.worker, b'{"ready":true}\n')
    assert not shared.worker.consulted.hear(b"drain\n")
    assert shared.console.hear(shared.worker, b'#r 999 {"ok":{}}\n')


async def test_a_worker_tells_once_a_second_however_often_it_reports(shared: Shared) -> None:
    before = len(shared.worker.lines)
    for _ in range(5):
        shared.worker.consulted.tell(pause=60.0)
    assert len(shared.worker.lines) == before
