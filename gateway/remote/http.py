"""One bounded GET of a JSON document: decides what may be asked, for how long, and how much is read of the response.

Knows nothing of what the document means. Every failure of aiohttp, TLS and the network leaves here as FetchFailed.
"""

import asyncio
import errno
import functools
import re
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from multidict import CIMultiDictProxy
from yarl import URL

from gateway.authorities import trusting
from gateway.core.config.issuers import Issuer
from gateway.core.jsontext import parse_json
from gateway.core.upstream.own_lines import bearer_value
from gateway.libraries.asking import aiohttp
from gateway.remote.authentication import ReadSecret
from gateway.remote.fetched import (
    ACCEPT_JSON,
    ACCEPT_KEY_SET,
    FETCH_TIMEOUT,
    MAX_BYTES,
    NOT_ACCEPTED,
    Fetched,
    FetchFailed,
    parse_fetchable,
    shown_address,
)
from gateway.sampled import asking

MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"Accept-Encoding": "gzip, deflate", "User-Agent": "bearer-gateway"}
#: RFC 9111 section 5.2.2.1; the quoted form and blanks are accepted, `s-maxage` is not meant
_MAX_AGE: Final = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?([0-9]{1,12})', re.IGNORECASE)
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


#: body, max-age, and how far the server's clock is ahead
_Response = tuple[bytes, int | None, float | None]


@dataclass(frozen=True, slots=True)
class _Way:
    """How an address is asked."""

    #: headers with the gateway's own credential, for that address and no other
    shown: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = None


_DIRECTLY: Final = _Way()


async def fetch_json(
    address: str,
    issuer: Issuer,
    *,
    accept: str = ACCEPT_JSON,
    limit: float = FETCH_TIMEOUT,
    renewal: float | None = None,
    read: ReadSecret | None = None,
) -> Fetched:
    """The JSON document at `address`, asked anew on a connection of its own, within `limit` seconds.

    `accept`: the types it may come as (RFC 9110 section 12.5.1). `renewal`: seconds of silence after which a further
    connection is tried beside, since one that hangs does not hear of it when the other side is back. `read`: what a
    secret is now, for an issuer that is shown one (`fetch.authorization`).
    FetchFailed: anything but a 200 with strict JSON of at most 256 KiB, after at most 3 redirects within the origin.
    By `fetch.proxy` where there is one. Proxy variables are not honoured: with them aiohttp also reads ~/.netrc, and
    keys would come by a way that the configuration does not name.
    """
    url = parse_fetchable(address, issuer)
    shown = shown_address(url)
    way = _way_to(url, issuer, read)
    use = "keys" if accept == ACCEPT_KEY_SET else "discovery"
    try:
        with asking(use, "GET", shown) as part:
            async with asyncio.timeout(limit):
                get = functools.partial(_get, url, accept, way, tls=_tls_to(url, issuer))
                body, max_age, ahead = await _first_of(get, renewal)
            part.status = 200
    except FetchFailed as failure:
        raise FetchFailed(f"{shown}: {failure}", status=failure.status) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchFailed(f"{shown}: {failure_sentence(error, limit)}") from None
    try:
        return Fetched(parse_json(body), max_age, ahead)
    except ValueError as error:
        raise FetchFailed(f"{shown}: {error}", status=200) from None


def _way_to(url: URL, issuer: Issuer, read: ReadSecret | None) -> _Way:
    """What is shown there, and by which proxy. The credential is for one origin, and for no proxy."""
    fetch = issuer.fetch
    if fetch is None:
        return _DIRECTLY
    shown: dict[str, str] = {}
    if fetch.authorization is not None and fetch.origin is not None and fetch.proxy is None and read is not None:
        origin = URL(fetch.origin)
        if (url.scheme, url.host, url.port) == (origin.scheme, origin.host, origin.port):
            try:
                shown["Authorization"] = bearer_value(read(fetch.authorization)).decode("ascii")
            except ValueError as error:
                raise FetchFailed(f"the token in fetch.authorization {error}") from None
    return _Way(shown, fetch.proxy)


async def _first_of(get: Callable[[], Coroutine[Any, Any, _Response]], renewal: float | None) -> _Response:
    """What the first of these says that ends, well or not; another is begun whenever `renewal` seconds have passed."""
    asking: set[asyncio.Task[_Response]] = set()
    try:
        while True:
            asking.add(asyncio.create_task(get()))
            done, _ = await asyncio.wait(asking, timeout=renewal, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return done.pop().result()
    finally:
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def _get(url: URL, accept: str, way: _Way, *, tls: ssl.SSLContext | bool) -> _Response:
    """Body, max-age and clock of the 200 that `url`, or what it redirects to, responds with."""
    origin = (url.scheme, url.host, url.port)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": accept, **_HEADERS},
    ) as session:
        shown = way.shown
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False, headers=shown, proxy=way.proxy) as response:
                if response.status not in _REDIRECTS:
                    return await _read(response), _max_age(response.headers), _ahead(response.headers)
                location, status = response.headers.get("Location"), response.status
            url = _redirected(url, location)
            if (url.scheme, url.host, url.port) != origin:
                raise FetchFailed("a redirect to another origin, which is not followed", status=status)
            # It was meant for this address, and not for wherever that leads.
            shown = {}
    raise FetchFailed(f"more than {MAX_REDIRECTS} redirects", status=status)


def _redirected(url: URL, location: str | None) -> URL:
    try:
        # A user in it would be sent as Authorization.
        return url.join(URL(location or "")).with_user(None)
    except ValueError:
        raise FetchFailed("a redirect to something that is no address") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise FetchFailed(f"the response has status {response.status}", status=response.status)
    return await read_bounded(response)


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, decompressed. FetchFailed: it is larger than 256 KiB."""
    body = bytearray()
    # Content-Length is not asked: what counts is what arrives, decompressed piece by piece.
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BYTES:
            raise FetchFailed(f"the response is larger than {MAX_BYTES // 1024} KiB")
    return bytes(body)


def _max_age(headers: CIMultiDictProxy[str]) -> int | None:
    """Seconds a response stays fresh: max-age less Age (RFC 9111 section 4.2). Of several the smallest."""
    found = [int(digits) for digits in _MAX_AGE.findall(",".join(headers.getall("Cache-Control", ())))]
    if not found:
        return None
    return max(0, min(found) - _age(headers))


def _age(headers: CIMultiDictProxy[str]) -> int:
    age = headers.get("Age", "").strip()
    return int(age) if _DIGITS.fullmatch(age) else 0


def _ahead(headers: CIMultiDictProxy[str]) -> float | None:
    """Seconds from our clock to the server's: its Date, and how long a cache has had it since (RFC 9110 6.6.1)."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
        made = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        # A year, or an hour, of any length.
        return None
    return made + _age(headers) - time.time()


@functools.cache
def _system_authorities() -> ssl.SSLContext:
    return ssl.create_default_context()


def _tls_to(url: URL, issuer: Issuer) -> ssl.SSLContext | bool:
    """What it is asked with by https; True: nobody is, since a redirect leads to no other scheme.

    The system's authorities are 140 certificates: 40 ms and a megabyte, for nothing where an issuer is on loopback.
    """
    proxy = None if issuer.fetch is None else issuer.fetch.proxy
    if issuer.ca_file is None and url.scheme == "http" and (proxy is None or proxy.startswith("http://")):
        return True
    return tls_context(issuer.ca_file)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """A client context; with `ca_file`, read anew since it may have been renewed, only those authorities count.

    Without one it is shared, and not to be changed. FetchFailed: the file cannot be read.
    """
    if ca_file is None:
        return _system_authorities()
    return trust(ca_file)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """A client context that trusts the authorities in a file, or the system's. FetchFailed: it cannot be read."""
    try:
        return trusting(ca_file)
    except (OSError, ValueError):
        raise FetchFailed("the ca_file cannot be read") from None


def failure_sentence(error: Exception, limit: float) -> str:
    """What went wrong, in words of ours. `limit`: seconds that there were."""
    match error:
        case TimeoutError():
            sentence = f"no complete response within {limit:g} s"
        case aiohttp.ClientConnectorCertificateError():
            cause = error.certificate_error
            why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else type(cause).__name__
            sentence = f"{NOT_ACCEPTED} ({why})"
        case aiohttp.ClientSSLError():
            sentence = "TLS failed"
        case aiohttp.ClientHttpProxyError():
            sentence = f"the proxy does not lead there (status {error.status})"
        case aiohttp.ClientProxyConnectionError():
            sentence = f"the proxy cannot be reached ({errno.errorcode.get(error.errno or 0, 'no address responds')})"
        case aiohttp.ClientConnectorDNSError():
            sentence = "its host name cannot be resolved"
        case aiohttp.ClientConnectorError():
            sentence = f"it cannot be reached ({errno.errorcode.get(error.errno or 0, 'no address responds')})"
        case aiohttp.ClientError() | OSError():
            sentence = "the response broke off or is not well-formed HTTP"
        case _:
            sentence = f"it cannot be asked ({type(error).__name__})"
    return sentence
