"""Whether two URLs are one (RFC 3986 sections 6.2.2 and 6.2.3), query and fragment aside (RFC 9449 section 4.3)."""

import re
from typing import Final

#: printable ASCII; who names a user or writes a backslash means to be misread
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(?::(?P<port>[0-9]{0,5}))?"
    r"""(?P<path>(?:/[!"$->@-\[\]-~]*)?)(?:[?#][!-~]*)?""",
    # Without ASCII, a long s is an s, and the Kelvin sign a k.
    re.IGNORECASE | re.ASCII,
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
#: RFC 3986 section 2.3
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class HttpUrl:
    """The parts of a URL that count, each in its normal form."""

    __slots__ = ("authority", "path", "scheme")

    def __init__(self, scheme: str, authority: str, path: str) -> None:
        self.scheme: Final = scheme
        #: host in lower case, and the port where it is not the scheme's own
        self.authority: Final = authority
        self.path: Final = path

    def __repr__(self) -> str:
        return f"HttpUrl({self})"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    def find_difference(self, other: "HttpUrl") -> str | None:
        """The first part that is another one, in words; None: they are one."""
        if self.scheme != other.scheme:
            return "scheme"
        if self.authority != other.authority:
            return "host or port"
        return None if self.path == other.path else "path"


def parse_http_url(text: str) -> HttpUrl:
    """An absolute URL of http or https. ValueError: it is none, or has a user, or an escape that is none."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("it is no URL of http or https")
    scheme, port = found["scheme"].lower(), found["port"]
    own = port in (None, "", _DEFAULT_PORTS[scheme])
    authority = found["host"].lower() + ("" if own else f":{port}")
    return HttpUrl(scheme, authority, _without_dots(_ESCAPE.sub(_normal_escape, found["path"])))


def _normal_escape(found: "re.Match[str]") -> str:
    if found[1] is None:
        raise ValueError("it has an escape that is none")
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4; an empty path is that of the root."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
