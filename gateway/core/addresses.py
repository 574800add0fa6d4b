"""Where things are: addresses to listen on, the upstream, URLs of issuers. Parses and compares, resolves nothing."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: sun_path has 108 bytes on Linux, the last one is NUL (unix(7)).
MAX_UNIX_PATH = 107
MAX_PORT = 65535
#: RFC 1035 section 2.3.4, without the length bytes.
MAX_HOST_NAME = 253

_PORT = re.compile(r"[0-9]{1,5}")
#: RFC 1123 section 2.1; the last label is not a number, or it would be a misspelled IPv4 address.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
#: RFC 3986 section 3.2 without userinfo; enough to keep blanks, commas and slashes out of Host
#: bytes of an authority that is judged once: requests name few, but may name any
_MAX_REMEMBERED = 256
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(?::(?P<port>[0-9]{0,5}))?")
#: RFC 3986 knows no other characters in a URL.
_URL_TEXT = re.compile(r"[!-~]+")
#: permissions of a socket, as chmod(1) takes them; no bits beside those of owner, group and others
_MODE = re.compile(r"0?[0-7]{3}")
#: useradd(8), and names that directories give; or a number
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}|[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener is bound: host and port, or the path of a unix socket."""

    #: empty: every interface; IPv6 without brackets
    host: str
    #: 0: any free port
    port: int
    #: absolute path of a unix socket, or None
    path: str | None = None
    #: permissions of the unix socket; None: what the process's umask leaves
    mode: int | None = None
    #: name or number of the unix socket's group; None: the process's
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the upstream is."""

    #: `http`, `https` or `unix`
    scheme: str
    #: in lower case, IPv6 without brackets; empty for unix
    host: str
    #: 0 for unix
    port: int
    #: absolute path of a unix socket, or None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Url:
    """What the rules ask of an http or https URL."""

    scheme: str
    #: in lower case, IPv6 without brackets
    host: str
    port: int
    path: str
    query: str


def parse_address(text: str) -> Address:
    """An address to listen on: `0.0.0.0:8080`, `[::]:8080`, `localhost:8080`, `:0` or `unix:/path`.

    Behind the path may stand who may connect: `unix:/path?mode=0660&group=www-data`.
    ValueError carries a sentence that fits behind the key.
    """
    if text.startswith("unix:"):
        path, _, parameters = text.removeprefix("unix:").partition("?")
        mode, group = _parse_access(parameters) if "?" in text else (None, None)
        return Address("", 0, parse_unix_path(path), mode, group)
    host, colon, port = text.rpartition(":")
    if not colon or _PORT.fullmatch(port) is None or int(port) > MAX_PORT:
        raise ValueError("must be address:port such as 0.0.0.0:8080 with a port from 0 to 65535, or unix:/path")
    if host == "*":
        raise ValueError(f"must spell every interface as 0.0.0.0:{port}, [::]:{port} or :{port}, not *:{port}")
    return Address(parse_host(host) if host else "", int(port))


def parse_upstream(text: str) -> Origin:
    """The upstream: `http://host:port`, `https://host:port` or `unix:/path`; the port may be left out.

    ValueError carries a sentence that fits behind the key.
    """
    if text.startswith("unix:"):
        return Origin("unix", "", 0, parse_unix_path(text.removeprefix("unix:")))
    if text and "://" not in text:
        raise ValueError("must begin with http://, https:// or unix:/")
    url = parse_url(text)
    if url.path not in {"", "/"} or url.query:
        raise ValueError("must end after the port: the path and query of each request are forwarded as they are")
    return Origin(url.scheme, url.host, url.port)


def parse_url(text: str) -> Url:
    """An absolute http or https URL without user and fragment.

    ValueError carries a sentence that fits behind the key.
    """
    if not text:
        raise ValueError("must not be empty")
    if _URL_TEXT.fullmatch(text) is None:
        raise ValueError("must be a URL without blanks and with nothing but ASCII characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL with a valid host and a port from 1 to 65535") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must be a URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("must not have a user or a password in its URL")
    if "#" in text:
        raise ValueError("must not have a fragment (#) in its URL")
    if not parts.hostname or port == 0 or "%" in parts.netloc or "\\" in text:
        raise ValueError("must be a URL with a valid host and a port from 1 to 65535")
    host = parse_host(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname)
    return Url(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), parts.path, parts.query)


def is_authority(text: bytes) -> bool:
    """Whether a Host field, or what a request names instead, is a host with an optional port."""
    return _is_authority(text) if len(text) <= _MAX_REMEMBERED else _parse_authority(text)


@lru_cache(maxsize=256)
def _is_authority(text: bytes) -> bool:
    return _parse_authority(text)


def _parse_authority(text: bytes) -> bool:
    found = _AUTHORITY.fullmatch(text)
    return found is not None and int(found["port"] or b"0") <= MAX_PORT


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDRs as `trusted_proxies` has them, `unix` left out. ValueError: one is none."""
    return tuple(
        ipaddress.IPv6Network(text) if ":" in text else ipaddress.IPv4Network(text) for text in texts if text != "unix"
    )


def parse_ip(text: str) -> IpAddress:
    """An address without brackets; its zone is left out, and one mapped into IPv6 is the one it maps. ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Whether a host (IPv6 without brackets) is surely this machine: localhost, 127.0.0.0/8, ::1. Resolves nothing."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether a host to listen on stands for every interface."""
    return host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def same_address(one: Address, other: Address) -> bool:
    """Whether two listeners would stand in each other's way."""
    if one.path is not None or other.path is not None:
        return one.path == other.path
    hosts = {one.host, other.host}
    return one.port == other.port != 0 and (len(hosts) == 1 or any(map(is_wildcard, hosts)))


def is_fetchable(url: str, *, issuer: str, allow_http: bool) -> bool:
    """Whether discovery, keys and the like may be asked of `url` on behalf of `issuer`. Never raises.

    https always; http with `allow_http`, or when both the URL and the issuer are on loopback.
    """
    try:
        target = parse_url(url)
        if target.scheme == "https" or allow_http:
            return True
        return is_loopback(target.host) and is_loopback(parse_url(issuer).host)
    except ValueError:
        return False


def parse_unix_path(path: str) -> str:
    """The absolute path of a unix socket, as it stands behind unix:. ValueError carries a sentence behind the key."""
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError("must be unix: and the absolute path of a socket, such as unix:/run/gateway.sock")
    if len(path.encode("utf-8", "surrogatepass")) > MAX_UNIX_PATH:
        raise ValueError(f"must not have a socket path longer than {MAX_UNIX_PATH} bytes")
    return path


def _parse_access(parameters: str) -> tuple[int | None, str | None]:
    """Mode and group of a unix socket, of which each may be left out; with a group alone the mode is 0660."""
    found: dict[str, str] = {}
    for parameter in parameters.split("&"):
        name, _, value = parameter.partition("=")
        if name not in {"mode", "group"}:
            raise ValueError("must have nothing but mode and group behind the ? of a socket path")
        if name in found:
            raise ValueError(f"must not have {name} twice behind its socket path")
        found[name] = value
    mode, group = found.get("mode"), found.get("group")
    if mode is not None and _MODE.fullmatch(mode) is None:
        raise ValueError("must have a mode of three octal digits, such as mode=0660")
    if group is not None and _GROUP.fullmatch(group) is None:
        raise ValueError("must have the name or the number of a group, such as group=www-data")
    # Whoever names a group wants it to connect, which takes the right to write (unix(7)): a umask rarely leaves that.
    return (int(mode, 8) if mode else 0o660 if group else None), group


def parse_host(host: str) -> str:
    """An IPv4 address, an IPv6 address in brackets or a host name, in lower case and without brackets.

    ValueError carries a sentence that fits behind the key.
    """
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError("must have an IPv6 address between its brackets") from None
    if ":" in host:
        raise ValueError("must have its IPv6 address in brackets, such as [::1]")
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdecimal():
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError("must have a valid IPv4 address") from None
    if len(host) > MAX_HOST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("must have a valid host name")
    return host.lower()
