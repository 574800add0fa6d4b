"""Reads the files that a configuration names: bounded, each with a sentence for what is wrong."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.authorities import trusting
from gateway.core.config.client_authentication import ClientCertificate
from gateway.core.config.section import FileKind, Section
from gateway.core.config.tls import ServerTls
from gateway.core.config.upstreams import UpstreamTls
from gateway.core.jsontext import parse_json
from gateway.core.token.keys import KeySet, parse_key_set
from gateway.core.upstream.assertion import SigningKey, parse_signing_key

#: A configuration file beyond this is something else.
MAX_FILE = 1 << 20

#: The same bound as for a key set that is fetched.
MAX_KEY_SET = 256 << 10

#: A private key is a few hundred bytes.
MAX_SIGNING_KEY = 64 << 10

#: seconds before the end of a certificate from which on it is a warning
SOON_ENDED: Final = 14 * 86_400


def read_key_set(path: str) -> KeySet:
    """The keys in a `jwks_file`. ValueError carries a sentence that fits behind the key."""
    content = read_named(path, MAX_KEY_SET)
    try:
        return parse_key_set(parse_json(content))
    except ValueError as error:
        raise ValueError(f"names a file that cannot be used: {error}") from None


def read_signing_key(path: str) -> SigningKey:
    """The private key that signs assertions. ValueError carries a sentence that fits behind the key."""
    content = read_named(path, MAX_SIGNING_KEY)
    try:
        return parse_signing_key(content)
    except ValueError as error:
        raise ValueError(f"names a file that {error}") from None


def read_trust(path: str) -> ssl.SSLContext:
    """A client context that trusts the authorities in a `ca_file`, and no others.

    ValueError carries a sentence that fits behind the key.
    """
    # Our own reading first: OpenSSL does not say what is wrong with a file.
    read_named(path, MAX_FILE)
    try:
        context = trusting(path)
    except OSError:
        raise ValueError("names a file that holds no PEM certificate") from None
    if not context.cert_store_stats()["x509"]:
        raise ValueError("names a file that holds no PEM certificate")
    return context


def read_certificate(path: str) -> bytes:
    """The first certificate of a PEM file, in DER. ValueError: a sentence to follow what names the file."""
    try:
        return parse_certificate(read_named(path, MAX_FILE))
    except _NoCertificate:
        raise ValueError("names a file that holds no PEM certificate") from None


class _NoCertificate(ValueError):
    """There is none in it."""


def parse_certificate(pem: bytes) -> bytes:
    """The first certificate in a PEM text, in DER. ValueError: there is none."""
    content = pem.decode("ascii", "replace")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    found = content.find(begin)
    try:
        certificate = ssl.PEM_cert_to_DER_cert(content[found : content.index(end, found) + len(end)])
    except ValueError:
        certificate = b""
    if not certificate:
        raise _NoCertificate("holds no PEM certificate")
    return certificate


def check_client_certificate(certificate: str, key: str) -> None:
    """Whether the gateway can show this certificate with this key, both PEM files.

    ValueError carries a sentence that fits behind the key `certificate`.
    """
    read_named(certificate, MAX_FILE)
    try:
        read_named(key, MAX_FILE)
    except ValueError as error:
        raise ValueError(f"needs key, which {error}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _no_passphrase)
    except ssl.SSLError as error:
        relation = "does not fit" if error.reason == "KEY_VALUES_MISMATCH" else "cannot be used with"
        raise ValueError(f"names a file that {relation} key") from None


def certificate_end(path: str) -> float:
    """When the first certificate of a PEM file ends: seconds since the epoch. ValueError as in `read_certificate`."""
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415 -- loaded only where there is TLS

    try:
        return load_der_x509_certificate(read_certificate(path)).not_valid_after_utc.timestamp()
    except ValueError:
        raise ValueError("names a file that holds no PEM certificate") from None


@dataclass(frozen=True, slots=True)
class Odd:
    """What ought to be known of a file that can be used: a sentence that fits behind the key."""

    sentence: str


def check_server_certificate(certificate: str, key: str, *, now: float) -> Odd | None:
    """Whether the gateway can be known to clients by this certificate and key; something odd: not for long.

    ValueError carries a sentence that fits behind the key `certificate`. `now`: seconds since the epoch.
    """
    check_client_certificate(certificate, key)
    left = certificate_end(certificate) - now
    if left <= 0:
        return Odd("names a file whose certificate has expired: clients will not connect")
    if left < SOON_ENDED:
        return Odd(f"names a file whose certificate expires in {left / 86_400:.1f} days")
    return None


def _no_passphrase() -> str:
    raise ValueError("has an encrypted key beside it, and there is nobody to ask for a passphrase")


def read_named(path: str, most: int) -> bytes:
    """The content of a named file of at most `most` bytes. ValueError carries a sentence that fits behind the key."""
    try:
        return read_bounded(path, most)
    except ValueError as error:
        raise ValueError(f"names a file that {error}") from None


def read_bounded(path: str, most: int) -> bytes:
    """The content of a file of at most `most` bytes. ValueError: a sentence to follow `a file that`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise ValueError("does not exist") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        # A NUL, or what no file system can spell.
        raise ValueError("cannot be read: no file can have that name") from None
    if len(content) > most:
        raise ValueError(f"is larger than {most >> 10}KiB")
    return content


def decoded(content: bytes) -> str:
    """UTF-8 as text, without a byte order mark. ValueError: a sentence to follow the name of the file."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 text: byte 0x{content[error.start]:02x} at line {line}") from None


def _check_shown(path: str, section: Section) -> None:
    """A client certificate beside its key; without one there is nothing to check it with."""
    if isinstance(section, UpstreamTls | ClientCertificate) and section.key:
        check_client_certificate(path, section.key)


def _check_known_by(path: str, section: Section) -> Odd | None:
    """The certificate of a listener beside its key."""
    assert isinstance(section, ServerTls)
    return check_server_certificate(path, section.key, now=time.time()) if section.key else None


#: What reads a file that a key names, by its kind; with the section that has the key. ValueError as in each.
READERS: Final[Mapping[FileKind, Callable[[str, Section], object]]] = {
    "key set": lambda path, _: read_key_set(path),
    "authorities": lambda path, _: read_trust(path),
    "signing key": lambda path, _: read_signing_key(path),
    "client certificate": _check_shown,
    "server certificate": _check_known_by,
    # Told of behind its certificate, beside which alone it can be read.
    "key of a certificate": lambda _, __: None,
}
