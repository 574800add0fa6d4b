"""A service manager that does nothing but hear what it is told (sd_notify(3))."""

import socket

from tests.wire import until


class Hearing:
    """What a service manager has heard."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """All messages so far."""
        while True:
            try:
                self.heard.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    async def until(self, line: str) -> None:
        await until(lambda: any(line in message.split("\n") for message in self.listen()))

    def close(self) -> None:
        self._socket.close()
