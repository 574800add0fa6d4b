"""The thumbprint of a client certificate out of the header in which a proxy passes it on.

Whatever bytes there are give a thumbprint or a refusal. What is read was written by a trusted proxy, and parts of it by
whoever asked for the certificate: its names may hold any character that means something here.
"""

import re
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, TypeVar

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.errors import ProofInvalid, ProofRequired

#: bytes of a header that are read; a chain of certificates is shorter
MAX_BYTES: Final = 32 * 1024
#: certificates that proxies can have added, one each
MAX_ELEMENTS: Final = 32
#: pairs in all of them
_MAX_PAIRS: Final = 16 * MAX_ELEMENTS

#: A value is quoted whole or not at all. In quotes a backslash takes the meaning from what follows it (RFC 4514 names
#: come with it; Envoy adds it to quotes).
#: Possessive: blanks that belong to the value or stand behind it would be tried both ways, each of them.
_PAIR: Final = re.compile(rb'[ \t]*+([A-Za-z]++)=("(?:[^"\\]|\\.)*+"|[^",;]*+)[ \t]*+([,;]|$)', re.DOTALL)
_HASH: Final = re.compile(rb"[0-9A-Fa-f]{64}")
#: what the certificate's holder may have chosen: Envoy does not always quote it
_CHOSEN: Final = frozenset({b"subject", b"uri", b"dns"})
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_PEM: Final = re.compile(rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*", re.ASCII)
_BLANKS: Final = re.compile(rb"\s+")
#: X.690 section 8.1: a SEQUENCE, whose length stands in one byte, or in as many as the byte says
_SEQUENCE: Final = 0x30
_LONG: Final = 0x80
_MAX_LENGTH_BYTES: Final = 3

Element = str | int | None
T = TypeVar("T")


def thumbprint_of(certificate: bytes) -> str:
    """RFC 8705 section 3.1: of a certificate in DER, as `x5t#S256` has it."""
    return _written(sha256(certificate).digest())


def thumbprint_in(value: bytes, rules: ClientCertificateHeader) -> str:
    """The thumbprint of the client's certificate. ProofInvalid: nobody can tell. ProofRequired: there is none."""
    if not value:
        # What some proxies send for a client without one.
        raise ProofRequired("the header for the client certificate is empty")
    if len(value) > MAX_BYTES:
        raise ProofInvalid(f"the header for the client certificate has {len(value)} bytes; {MAX_BYTES} are read")
    return _READERS[rules.format](value, rules.element)


def _read_xfcc(value: bytes, element: Element) -> str:
    """Envoy's X-Forwarded-Client-Cert: elements with commas between them, pairs with semicolons."""
    if value.lstrip(b" \t").startswith((b"{", b"[")):
        raise ProofInvalid("the header for the client certificate is in the JSON form of xfcc, which is not read")
    elements: list[list[tuple[bytes, bytes]]] = [[]]
    at = 0
    for _ in range(_MAX_PAIRS):
        found = _PAIR.match(value, at)
        if found is None:
            raise ProofInvalid("the header for the client certificate is not well-formed xfcc")
        elements[-1].append((found[1].lower(), found[2]))
        at = found.end()
        if found[3] == b",":
            elements.append([])
        elif not found[3]:
            break
    else:
        raise ProofInvalid("the header for the client certificate has more pairs than are read")
    return _hash_of(_chosen(elements, element))


def _hash_of(pairs: list[tuple[bytes, bytes]]) -> str:
    """`Hash` of an element: the certificate's SHA-256. ProofInvalid: it does not stand where only a proxy writes."""
    names = [name for name, _ in pairs]
    if names.count(b"hash") != 1:
        raise ProofInvalid(f"xfcc has Hash {names.count(b'hash')} times; it must stand there once")
    place = names.index(b"hash")
    if not _CHOSEN.isdisjoint(names[:place]):
        raise ProofInvalid("xfcc has Hash behind a name that its client may have chosen")
    digits = pairs[place][1]
    if digits.startswith(b'"'):
        digits = digits[1:-1]
    if _HASH.fullmatch(digits) is None:
        raise ProofInvalid("xfcc has a Hash that is not 64 hex digits")
    return _written(bytes.fromhex(digits.decode("ascii")))


def _read_rfc9440(value: bytes, _: Element) -> str:
    """RFC 9440 section 2.2, a byte sequence of RFC 8941: base64 between colons."""
    if len(value) < 2 or not (value.startswith(b":") and value.endswith(b":")):
        raise ProofInvalid("the header for the client certificate is not one byte sequence of RFC 8941, :base64:")
    return _thumbprint(value[1:-1])


def _read_pem(value: bytes, _: Element) -> str:
    """PEM (RFC 7468 section 5), percent-encoded; a plus is one. ProofInvalid: it is not one certificate."""
    found = _PEM.fullmatch(_ESCAPE.sub(_unescaped, value))
    if found is None:
        raise ProofInvalid("the header for the client certificate is not one certificate in percent-encoded PEM")
    return _thumbprint(_BLANKS.sub(b"", found[1]))


def _unescaped(found: "re.Match[bytes]") -> bytes:
    # A lone % stays, and fits nowhere.
    return found[0] if found[1] is None else bytes.fromhex(found[1].decode("ascii"))


def _read_base64_der(value: bytes, element: Element) -> str:
    """Base64 of the DER, and nothing around it; of a chain with commas between its certificates the one that counts."""
    return _thumbprint(_chosen([part.strip(b" \t") for part in value.split(b",", MAX_ELEMENTS)], element))


def _chosen(elements: list[T], element: Element) -> T:
    """The element that is the client's. ProofInvalid: several, and nobody says which. ProofRequired: there is none."""
    if len(elements) > MAX_ELEMENTS:
        raise ProofInvalid(f"the header for the client certificate has more than {MAX_ELEMENTS} elements")
    if element is None:
        if len(elements) > 1:
            raise ProofInvalid(
                f"the header for the client certificate has {len(elements)} elements, and "
                "client_certificate_header.element does not say which counts"
            )
        return elements[0]
    number = 1 if element == "first" else -1 if element == "last" else int(element)
    place = number - 1 if number > 0 else len(elements) + number
    if not 0 <= place < len(elements):
        raise ProofRequired(
            f"the header for the client certificate has {len(elements)} elements, and number {number} counts"
        )
    return elements[place]


def _thumbprint(text: bytes) -> str:
    """That of a certificate in base64 (RFC 4648 section 4); its padding may be missing (RFC 8941 section 4.2.7)."""
    if _BASE64.fullmatch(text) is None:
        raise ProofInvalid("the header for the client certificate is not in base64")
    try:
        certificate = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except Error:
        raise ProofInvalid("the header for the client certificate is not in base64") from None
    if not _is_sequence(certificate):
        raise ProofInvalid("the header for the client certificate has something other than one certificate in DER")
    return thumbprint_of(certificate)


def _is_sequence(data: bytes) -> bool:
    """Whether these bytes are one SEQUENCE of DER from the first to the last: with a byte more it is another hash."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return False
    length, head = data[1], 2
    if length >= _LONG:
        count = length - _LONG
        if not 1 <= count <= _MAX_LENGTH_BYTES:
            return False
        head += count
        length = int.from_bytes(data[2:head], "big")
    return len(data) == head + length


def _written(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


_READERS: Final[Mapping[str, Callable[[bytes, Element], str]]] = {
    "xfcc": _read_xfcc,
    "rfc9440": _read_rfc9440,
    "pem": _read_pem,
    "base64_der": _read_base64_der,
}
