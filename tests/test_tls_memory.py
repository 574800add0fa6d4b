"""What is read of TLS, and what the loop has for it, takes the memory that was meant."""

import asyncio
import contextlib
import ctypes
import ssl
from pathlib import Path

import pytest

from gateway.tls_memory import LOOPS_BUFFER, RECORD, Records, with_memory_of_its_own
from tests.relay.upstream.test_dialing import Authority

#: buffers: far more than a heap has room for that others have used
MANY = 1000


class _Counted(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


def on_their_own() -> int:
    """How many objects have memory of their own."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Counted
    return int(mallinfo2().hblks)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc counts")
def test_only_what_is_made_in_the_first_step_has_memory_of_its_own() -> None:
    """As many as no heap of ours has room for; nobody writes to them, so they cost nothing."""

    async def steps() -> list[bytearray]:
        before = on_their_own()
        first = [bytearray(LOOPS_BUFFER) for _ in range(MANY)]
        assert on_their_own() - before > MANY // 2
        await asyncio.sleep(0)
        before = on_their_own()
        first += [bytearray(LOOPS_BUFFER) for _ in range(MANY)]
        assert on_their_own() == before
        return first

    async def main() -> None:
        assert len(await with_memory_of_its_own(steps())) == 2 * MANY

    asyncio.run(main())


async def test_whoever_has_memory_of_its_own_is_awaited_as_ever() -> None:
    async def given() -> str:
        return "at once"

    async def raising() -> None:
        await asyncio.sleep(0)
        raise LookupError

    heard: list[str] = []
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def cancelled() -> None:
        try:
            await never
        finally:
            heard.append("cancelled")

    async def failed() -> str:
        try:
            await broken
        except LookupError:
            await asyncio.sleep(0)
        return "went on"

    assert await with_memory_of_its_own(given()) == "at once"
    with pytest.raises(LookupError):
        await with_memory_of_its_own(raising())
    waiting = asyncio.ensure_future(with_memory_of_its_own(cancelled()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert heard == ["cancelled"]
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    going_on = asyncio.ensure_future(with_memory_of_its_own(failed()))
    await asyncio.sleep(0)
    broken.set_exception(LookupError())
    assert await going_on == "went on"


def test_a_record_is_read_at_a_time(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("127.0.0.1")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.sslobject_class = Records
    ours.load_cert_chain(certificate, key)
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    us = ours.wrap_bio(to_us, to_them, server_side=True)
    theirs = ssl.create_default_context(cafile=str(authority.file))
    them = theirs.wrap_bio(to_them, to_us, server_hostname="127.0.0.1")
    for side in (them, us, them, us):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    them.write(b"x" * 40_000)
    assert len(us.read(LOOPS_BUFFER)) == RECORD
    place = bytearray(LOOPS_BUFFER)
    us.read(LOOPS_BUFFER, place)  # type: ignore[arg-type,unused-ignore]
    assert place.count(b"x") == RECORD
    assert us.read(100) == b"x" * 100
    assert len(us.read()) == 40_000 - 2 * RECORD - 100
