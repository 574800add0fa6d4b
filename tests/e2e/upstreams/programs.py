"""Starts real APIs on loopback: gunicorn with Flask, uvicorn with FastAPI, and Debian's nginx with files."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from process import START_SECONDS, STOP_SECONDS
from proxies import free_port
from upstreams.checks import NOISE

HERE = Path(__file__).parent
#: where nginx may be that is not in everybody's PATH
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
FILES = {
    "index.html": b"<p>home",
    "missing.html": b"<p>missing",
    "a.txt": b"a" * 4000,
    "script.js": b"var x = 1;\n" * 100,
    "big.bin": NOISE,
    "b c/\u00fc.txt": b"umlaut",
    "listed/one": b"1",
    "here/deep/one": b"1",
}


async def _listening(stream: asyncio.StreamReader, pattern: str) -> str:
    """The address that the program says it listens on."""
    said = b""
    async with asyncio.timeout(START_SECONDS):
        while not (found := re.search(pattern, said.decode("utf-8", "replace"))):
            line = await stream.readline()
            assert line, said
            said += line
    return found[1]


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


@asynccontextmanager
async def _program(*command: str, says: str = "") -> AsyncIterator[str]:
    """The program, and what the group of `says` found in its output; it is ended at the end."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HERE, env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = await _listening(process.stdout, says) if says else ""
        # What it says later would fill the pipe.
        draining = asyncio.create_task(_drained(process.stdout))
        yield address
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS / 4):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await draining


@asynccontextmanager
async def gunicorn(_: Path) -> AsyncIterator[str]:
    options = "--bind 127.0.0.1:0 --worker-class gthread --threads 8 --graceful-timeout 1 --no-control-socket"
    command = (sys.executable, "-m", "gunicorn", *options.split(), "flask_api:app")
    async with _program(*command, says=r"Listening at: http://(\S+)") as address:
        yield address


@asynccontextmanager
async def uvicorn(_: Path) -> AsyncIterator[str]:
    options = ("--host", "127.0.0.1", "--port", "0", "--timeout-graceful-shutdown", "1")
    command = (sys.executable, "-m", "uvicorn", *options, "fastapi_api:app")
    async with _program(*command, says=r"running on http://(\S+)") as address:
        yield address


@asynccontextmanager
async def nginx(directory: Path) -> AsyncIterator[str]:
    """`directory`: for its files, and whatever else it writes."""
    for name, content in FILES.items():
        path = directory / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    port = free_port()
    config = directory / "nginx.conf"
    text = (HERE / "nginx.conf").read_text()
    config.write_text(text.replace("DIRECTORY", str(directory)).replace("PORT", port))
    command = shutil.which("nginx", path=SYSTEM_PATH)
    assert command, "nginx is not installed: make test installs it"
    async with _program(command, "-e", "stderr", "-p", str(directory), "-c", str(config)):
        await _connectable(port)
        yield f"127.0.0.1:{port}"


async def _connectable(port: str) -> None:
    """nginx does not say when it listens."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                writer.close()
                return
            await asyncio.sleep(0.02)


PROGRAMS: dict[str, Callable[[Path], AbstractAsyncContextManager[str]]] = {
    "flask": gunicorn,
    "fastapi": uvicorn,
    "nginx": nginx,
}
