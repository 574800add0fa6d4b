"""Whoever resets a connection at once is nobody: what it sent is not served, as one of a unix socket least of all."""

import socket
import struct
from pathlib import Path

from tests.relay.test_faults import LOOPS, Run, a_gateway
from tests.wire import get, post

#: SO_LINGER (socket(7)): on, for no time at all
RESET = struct.pack("ii", 1, 0)


@LOOPS
def test_what_a_client_sent_before_it_reset_the_connection_is_not_served(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path, trusted_proxies=("unix",)) as gateway:
            client = await gateway.client()
            assert (await client.ask(get())).status == 200
            host, port = gateway.gateway.address.split(":")
            for _ in range(3):
                # Without a turn of the loop in between: when the gateway looks, it has come and gone.
                with socket.create_connection((host, int(port))) as gone:
                    gone.sendall(post(b"x", "X-Forwarded-For: 203.0.113.9", target="/gone"))
                    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                assert (await client.ask(get())).status == 200
            assert (await (await gateway.client()).ask(get())).status == 200
            await gateway.connections(2)
            assert {request.start for request in gateway.upstream.requests} == {b"GET / HTTP/1.1"}
            assert "unix" not in gateway.stdout.getvalue()
            assert gateway.errors() == []

    run(main())
