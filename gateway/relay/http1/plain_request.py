"""Heads of requests as nearly all are written, read without llhttp: a look-up in place of a call for every line.

What is read here, llhttp would read to the byte as it is read here; whatever it might not is left to it. Lines that say
the same for many clients are read once.
"""

from io import BytesIO
from typing import Final

from gateway.core.http.field_line import FieldLine
from gateway.core.memory import NameMemo
from gateway.relay.http1.request_head import RequestHead

#: lines that are remembered, and bytes of the longest
MAX_LINES: Final = 1024
MAX_LINE: Final = 256
#: Bytes of memory for lines of its last head that a connection keeps; what a line takes, but for itself twice. A
#: browser's take no more; and they are nobody else's any more, once the memory was emptied.
MAX_KEPT: Final = 7 * 1024
_LINE_COSTS: Final = 256
#: credentials that are kept for a second, and bytes of the longest
MAX_CREDENTIALS: Final = 512
MAX_CREDENTIAL: Final = 2048
#: Names of lines that tell what program a client is, what it can read, and which host it means: none is a secret, or
#: tells one client from all others. Only these are kept; in particular no credential, cookie, address or id.
REPEATED: Final = frozenset(
    {
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"connection",
        b"content-length",
        b"content-type",
        b"dnt",
        b"host",
        b"origin",
        b"pragma",
        b"priority",
        b"sec-ch-ua",
        b"sec-ch-ua-arch",
        b"sec-ch-ua-bitness",
        b"sec-ch-ua-mobile",
        b"sec-ch-ua-model",
        b"sec-ch-ua-platform",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"sec-fetch-user",
        b"sec-gpc",
        b"te",
        b"upgrade-insecure-requests",
        b"user-agent",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-requested-with",
    }
)
_METHODS: Final = {name.encode(): name for name in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")}
_VERSION: Final = b"HTTP/1.1\r\n"
_HTTP_1_1: Final = (1, 1)
#: of a length: no number of so many is too large
_DIGITS: Final = 18
_PERSISTENT: Final = frozenset({b"keep-alive", b"Keep-Alive"})
#: each byte of printable ASCII as it is, and any other as one of them
_TEXT: Final = bytes(byte if 0x20 <= byte <= 0x7E else 0x3F for byte in range(256))
#: the same without blanks, and without the mark of a fragment
_VISIBLE: Final = bytes(byte if 0x21 <= byte <= 0x7E and byte != 0x23 else 0x3F for byte in range(256))
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

#: what a line's name says of how it is to be read. Plain numbers: one is looked up for each line that is not known.
_PLAIN: Final = 0
_LENGTH: Final = 1
_CONNECTION: Final = 2
#: by llhttp, and so the whole head
_OTHERWISE: Final = 3
_SPECIAL: Final = {
    b"connection": _CONNECTION,
    b"content-length": _LENGTH,
    b"proxy-connection": _OTHERWISE,
    b"transfer-encoding": _OTHERWISE,
    b"upgrade": _OTHERWISE,
}


class _Name:
    """A header name as it was written, how lines of this name are read, and whether they may be remembered."""

    __slots__ = ("is_repeated", "kind", "written")

    def __init__(self, written: bytes) -> None:
        self.written: Final = written
        lower = written.lower()
        self.kind: Final = _SPECIAL.get(lower, _PLAIN) if written and _TOKEN.issuperset(written) else _OTHERWISE
        self.is_repeated: Final = lower in REPEATED


class LineMemory:
    """Lines that were read, of all connections of a listener: bounded, and emptied when it is full."""

    __slots__ = ("credentials", "emptied", "is_on", "lines", "names")

    def __init__(self, *, is_on: bool = True) -> None:
        """`is_on`: False keeps nothing, and changes nothing but what a request costs."""
        self.is_on = is_on
        self.lines: Final[dict[bytes, FieldLine]] = {}
        self.names: Final[NameMemo[_Name]] = NameMemo(_Name)
        #: Authorization lines that came since the last `forget`, each for the one connection that knows its place
        self.credentials: Final[list[FieldLine]] = []
        #: how often it was emptied for good
        self.emptied = 0

    def __repr__(self) -> str:
        return f"<LineMemory {'on' if self.is_on else 'off'}, {len(self.lines)} lines>"

    def forget(self) -> None:
        """To be called once a second: no credential is kept for longer."""
        self.credentials.clear()

    def empty(self) -> None:
        """Another configuration is in use: nothing is left of what was made of lines under the last, by nobody."""
        self.lines.clear()
        self.names.clear()
        self.credentials.clear()
        self.emptied += 1

    def read(self, row: bytes) -> FieldLine | None:
        """A line with its end. None: it is not plain, or it is none."""
        colon = row.find(b":")
        name = self.names[row[: max(colon, 0)]]
        if name.kind == _OTHERWISE or not row.endswith(b"\r\n"):
            return None
        keeps = name.is_repeated and self.is_on and len(row) <= MAX_LINE
        if keeps and (known := self.lines.get(row)) is not None:
            return known
        is_usual = row[colon + 1] == 0x20
        # Compiled, a slice must not end before it begins: what has no blank may have nothing behind the colon.
        value = row[colon + 2 : -2] if is_usual else row[colon + 1 : -2]
        if not is_usual or (value and (value[0] == 0x20 or value[-1] == 0x20)):
            value = value.strip(b" ")
            is_usual = is_usual and len(row) == colon + len(value) + 4
        if value.translate(_TEXT) != value:
            return None
        announces = -1
        if name.kind == _CONNECTION:
            if not is_usual or value not in _PERSISTENT:
                return None
        elif name.kind == _LENGTH:
            if not is_usual or not value.isdigit() or len(value) > _DIGITS:
                return None
            announces = int(value)
        line = FieldLine(name.written, value, row if is_usual else b"", announces, is_shared=keeps and is_usual)
        if line.is_shared:
            lines = self.lines
            if len(lines) >= MAX_LINES:
                lines.clear()
            lines[row] = line
        return line


class PlainReader:
    """The plain heads of one connection."""

    __slots__ = ("_credential", "_emptied", "_last", "_memory")

    def __init__(self, memory: LineMemory) -> None:
        self._memory: Final = memory
        self._emptied = memory.emptied
        #: of the last head the lines that the memory had, each at its place: nothing of the client's own
        self._last: tuple[FieldLine | None, ...] = ()
        #: where its last credential stands among those that came within the second, if it still does
        self._credential = 0

    def read(self, head: bytes) -> RequestHead | None:
        """A head, from its request line to its empty line. None: it is not plain, or it is more than one."""
        rows = BytesIO(head).readlines()
        asked = rows[0].split(b" ")
        end = len(rows) - 1
        if len(asked) != 3 or asked[2] != _VERSION or rows[end] != b"\r\n":
            return None
        method, target = _METHODS.get(asked[0]), asked[1]
        if method is None or not target.startswith(b"/") or target.translate(_VISIBLE) != target:
            return None
        memory = self._memory
        if self._emptied != memory.emptied:
            self._emptied = memory.emptied
            self._last = ()
        last = self._last
        count = len(last)
        lines: list[FieldLine] = []
        length = -1
        is_new = False
        for index in range(1, end):
            row = rows[index]
            line = last[index - 1] if index <= count else None
            if line is None or line.wire != row:
                line = memory.read(row) if len(row) <= MAX_LINE else self._read_long(row)
                if line is None:
                    return None
                is_new = is_new or line.is_shared
            if line.announces >= 0:
                if length >= 0:
                    return None
                length = line.announces
            lines.append(line)
        if is_new:
            self._last = _kept(lines)
        return RequestHead(method=method, target=target, version=_HTTP_1_1, lines=tuple(lines), length=max(0, length))

    def _read_long(self, row: bytes) -> FieldLine | None:
        """A line that is too long to be remembered, but for a second if it has a credential."""
        memory, at = self._memory, self._credential
        credentials = memory.credentials
        if at < len(credentials) and (known := credentials[at]).wire == row:
            return known
        line = memory.read(row)
        if line is None or line.name.lower() != b"authorization" or not memory.is_on:
            return line
        if len(credentials) < MAX_CREDENTIALS and line.wire == row and len(row) <= MAX_CREDENTIAL:
            self._credential = len(credentials)
            credentials.append(line)
        return line


def _kept(lines: list[FieldLine]) -> tuple[FieldLine | None, ...]:
    """Of the lines of a head the first ones that the memory had, each at its place."""
    room = MAX_KEPT
    kept: list[FieldLine | None] = []
    for line in lines:
        if line.is_shared:
            room -= _LINE_COSTS + 2 * len(line.wire)
            if room < 0:
                break
        kept.append(line if line.is_shared else None)
    return tuple(kept)
