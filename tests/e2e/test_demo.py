"""`make demo` as a person would try it: paste what it prints, then Ctrl-C."""

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def test_every_line_it_prints_responds_with_what_it_says_and_ctrl_c_ends_it() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    # Somebody has the API's port: this test, unless another program has.
    taken = socket.socket()
    with suppress(OSError):
        taken.bind(("127.0.0.1", 3000))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "demo",
        cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        cases: list[tuple[str, str]] = []
        sentence = ""
        above = b""
        async with asyncio.timeout(20):
            while len(cases) < 5:
                line = (await process.stdout.readline()).decode()
                assert line, "it ended too early"
                above += line.encode()
                if line.startswith("# "):
                    sentence = line.strip()
                elif line.startswith("curl "):
                    cases.append((sentence, line.strip()))
        assert re.search(rb"The usual ports? .*3000 .* in use by another program", above)
        for sentence, command in cases:
            expected = re.search(r": (\d{3})(?: (\w+))?$", sentence)
            assert expected
            response = await _pasted(command)
            assert response.startswith(f"HTTP/1.1 {expected[1]} "), sentence
            if expected[2]:
                assert f'"reason": "{expected[2]}"' in response
            else:
                assert '["X-User-Id", "alice"]' in response
                assert '["X-Token-Issuer", "demo"]' in response
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            output, errors = await process.communicate()
    finally:
        taken.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert output.decode().endswith("The demo has ended.\n")
    assert output.count(b'"outcome":') == len(cases)
    assert errors == b""


async def _pasted(command: str) -> str:
    shell = await asyncio.create_subprocess_exec("bash", "-c", command, stdout=asyncio.subprocess.PIPE)
    output, _ = await shell.communicate()
    return output.decode()
