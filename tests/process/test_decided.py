"""All workers use another configuration, or none; who says nothing is replaced."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.process import decided
from gateway.process.decided import Deciding, Obeying
from gateway.process.replacing import Wanted

WANTED = Wanted(Config(upstream="http://127.0.0.1:1", issuers=(Issuer(issuer="https://a.test", audience="a"),)), {}, {})


class Gateway:
    """What a worker has."""

    def __init__(self, problems: Sequence[str] = ()) -> None:
        self.problems = problems
        self.did: list[str] = []
        self.held: Awaitable[object] | None = None

    async def prepare(self, wanted: Wanted) -> Sequence[str]:
        assert wanted == WANTED
        self.did.append("prepare")
        if self.held is not None:
            await self.held
        return self.problems

    async def commit(self) -> None:
        self.did.append("commit")

    async def abort(self) -> None:
        self.did.append("abort")


class Worker:
    """Both ends of one, with pipes between them."""

    pid = 7
    serves = True
    is_gone = False

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.reader = asyncio.StreamReader()
        self.replaced = 0
        self.hear: Callable[[Worker, bytes], None] = lambda *_: None
        self.obeying = Obeying(gateway, lambda line: self.hear(self, line))
        self.listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while line := await self.reader.readline():
            assert await self.obeying.hears(line, self.reader)

    def tell(self, what: bytes) -> None:
        self.reader.feed_data(what)

    def replace(self) -> None:
        self.replaced += 1
        self.is_gone = True

    async def idle(self) -> None:
        self.reader.feed_eof()
        await self.listening
        if self.obeying._doing is not None:
            await asyncio.wait({self.obeying._doing})
        await self.obeying.stop()


def deciding(*workers: Worker) -> Deciding:
    made = Deciding(lambda: [worker for worker in workers if not worker.is_gone])
    for worker in workers:
        worker.hear = made.hear
    return made


async def test_who_cannot_use_what_all_others_use_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Gateway):
        async def commit(self) -> None:
            raise OSError("a secret")

    gave_up = asyncio.Event()
    obeying = Obeying(Failing(), lambda _: None, give_up=gave_up.set)
    assert await obeying.hears(b"commit 1\n", asyncio.StreamReader())
    async with asyncio.timeout(5.0):
        await gave_up.wait()
    await obeying.stop()
    assert "could not be used: OSError" in caplog.text
    assert "a secret" not in caplog.text


async def test_all_use_it() -> None:
    workers = [Worker(Gateway()), Worker(Gateway())]
    it = deciding(*workers)
    assert await it.prepare(WANTED) == []
    it.commit()
    await it.until_used()
    for worker in workers:
        assert (worker.gateway.did, worker.replaced) == (["prepare", "commit"], 0)
        await worker.idle()


async def test_until_all_use_it_is_waited_for_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Gateway):
        async def commit(self) -> None:
            self.did.append("begins")
            await go_on.wait()
            await super().commit()

    go_on = asyncio.Event()
    workers = [Worker(Gateway()), Worker(Slow()), Worker(Slow())]
    it = deciding(*workers)
    assert await it.prepare(WANTED) == []
    it.commit()
    # A bound that nobody comes near, so that it is what they say that ends it.
    monkeypatch.setattr(decided, "USED_WITHIN", 60.0)
    waiting = asyncio.create_task(it.until_used())
    while workers[2].gateway.did == ["prepare"]:  # noqa: ASYNC110 -- nobody says so
        await asyncio.sleep(0.001)
    assert not waiting.done()
    go_on.set()
    await waiting
    assert [worker.gateway.did[-1] for worker in workers] == ["commit"] * 3
    go_on.clear()
    assert await it.prepare(WANTED) == []
    it.commit()
    monkeypatch.setattr(decided, "USED_WITHIN", 0.01)
    await it.until_used()
    # One that ends does not keep anybody waiting.
    monkeypatch.setattr(decided, "USED_WITHIN", 60.0)
    for worker in workers[1:]:
        it.ended(worker)
    await it.until_used()
    go_on.set()
    for worker in workers:
        await worker.idle()


async def test_who_never_was_told_is_not_waited_for() -> None:
    await deciding().until_used()


async def test_one_that_cannot_keeps_all_from_it() -> None:
    workers = [Worker(Gateway()), Worker(Gateway(["wrong", "very"])), Worker(Gateway(["wrong"]))]
    it = deciding(*workers)
    assert await it.prepare(WANTED) == ["wrong", "very"]
    it.abort()
    for worker in workers:
        await worker.idle()
        assert worker.gateway.did == ["prepare", "abort"]


async def test_one_that_says_nothing_is_replaced_and_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decided, "WITHIN", 0.1)
    silent = Gateway()
    silent.held = asyncio.Event().wait()
    workers = [Worker(Gateway()), Worker(silent)]
    it = deciding(*workers)
    assert await it.prepare(WANTED) == []
    assert workers[1].replaced == 1
    it.commit()
    await workers[0].idle()
    assert workers[0].gateway.did == ["prepare", "commit"]
    workers[1].listening.cancel()
    await workers[1].obeying.stop()


async def test_one_that_starts_is_waited_for_and_one_that_ends_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    starting, dying = Worker(Gateway()), Worker(Gateway())
    starting.serves = False
    it = deciding(starting, dying)
    preparing = asyncio.create_task(it.prepare(WANTED))
    await asyncio.sleep(0.01)
    assert starting.gateway.did == []
    dying.gateway.held = asyncio.Event().wait()
    starting.serves = True
    while dying.gateway.did == []:  # noqa: ASYNC110 -- nobody says so
        await asyncio.sleep(0.001)
    dying.is_gone = True
    it.ended(dying)
    assert await preparing == []
    it.commit()
    await starting.idle()
    assert starting.gateway.did == ["prepare", "commit"]
    dying.listening.cancel()
    await dying.obeying.stop()
    # What comes too late is about nothing any more.
    it.hear(dying, b"~1 []\n")
    it.hear(starting, b"~99 []\n")


async def test_a_bug_of_a_worker_is_a_problem_and_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway()

    async def fails() -> None:
        raise RuntimeError("a secret")

    gateway.held = fails()
    worker = Worker(gateway)
    it = deciding(worker)
    assert await it.prepare(WANTED) == ["internal error"]
    it.abort()
    await worker.idle()
    assert "a secret" not in caplog.text


async def test_what_is_about_something_else_is_left() -> None:
    assert not await Obeying(Gateway(), lambda _: None).hears(b"drain\n", asyncio.StreamReader())
