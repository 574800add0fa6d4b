"""TLS toward clients, as the files of `tls` have it now: looked at again and again, and replaced as a whole."""

import logging
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from gateway.core.config.file import Config
from gateway.core.config.tls import ListenerTls
from gateway.process.listening import CannotStart
from gateway.settings.files import MAX_FILE, certificate_end, check_client_certificate, read_named, read_trust
from gateway.tls_memory import Records

#: seconds between two looks at the files
INTERVAL: Final = 10.0
#: seconds for which a session of TLS 1.2 may go on later where clients show certificates: OpenSSL does not look again
#: whether they are good, and remembers sessions by context
SESSIONS: Final = 300.0
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

log = logging.getLogger("gateway")

#: of a file: when it or its mode was changed, its size, which it is; None: there is none
_Stamp = tuple[int, int, int] | None


class HasEnd(Protocol):
    """TLS toward clients, as far as the console tells of it."""

    @property
    def ends_at(self) -> float:
        """When its certificate does, in seconds since the epoch."""


class FollowedFiles:
    """How TLS begins on a listener. Files that are replaced count from the next look on, if they can be used."""

    def __init__(self, tls: ListenerTls) -> None:
        """ValueError: a file cannot be used; the sentence begins with its key."""
        self._tls = tls
        self._wrong = ""
        self._looked_at: float | None = None
        #: when a context was last made, of the looks
        self._made_at: float | None = None
        self._stamps: tuple[_Stamp, ...] | None = self._stamp()
        self._digests = _digests(tls)
        #: for the next connection; and when its certificate ends, in seconds since the epoch
        self.context, self.ends_at = server_context(tls)

    def __repr__(self) -> str:
        return f"<FollowedFiles of {self._tls.certificate}{', which cannot be used now' if self._wrong else ''}>"

    def become(self, other: "FollowedFiles") -> bool:
        """Goes on as another one, of other files or demands; whether clients may be known by other authorities then."""
        ours, theirs = self._tls, other._tls  # noqa: SLF001 -- one of its own kind
        is_another = (ours.client_certificates, self._digests.get("client_ca")) != (
            theirs.client_certificates,
            other._digests.get("client_ca"),  # noqa: SLF001 -- one of its own kind
        )
        self._tls, self._wrong, self._made_at = theirs, "", None
        self._stamps, self._digests = other._stamps, other._digests  # noqa: SLF001 -- one of its own kind
        self.context, self.ends_at = other.context, other.ends_at
        return is_another

    @property
    def asks(self) -> bool:
        """Clients are asked for certificates."""
        return self._tls.asks

    def look(self, now: float) -> frozenset[str]:
        """The keys of the files that are others now. What cannot be used is told once, and leaves those of before.

        `now`: seconds of the clock; between two looks at the files some time passes, however often this is called.
        """
        if self._looked_at is not None and now - self._looked_at < INTERVAL:
            return frozenset()
        self._looked_at = now
        # Before they are read: what is written meanwhile is seen by the next look.
        stamps = self._stamp()
        is_old = self._is_old(now)
        if stamps == self._stamps and not is_old:
            return frozenset()
        try:
            digests = _digests(self._tls)
            changed = frozenset(key for key, digest in digests.items() if self._digests[key] != digest)
            if changed or is_old:
                self.context, self.ends_at = server_context(self._tls)
                self._made_at = now
        except ValueError as error:
            # One of the files may have been written, and the other be about to: looked at until they can be used.
            self._stamps = None
            if str(error) != self._wrong:
                self._wrong = str(error)
                log.warning("%s; what was read before stays in use", error)
            return frozenset()
        self._stamps = stamps
        self._wrong = ""
        if changed:
            self._digests.update(digests)
            log.info("new files of tls are in use: %s", ", ".join(sorted(changed)))
        return changed

    def _is_old(self, now: float) -> bool:
        """Whether sessions of the context would go on for too long."""
        if self._made_at is None:
            self._made_at = now
        return self._tls.asks and now - self._made_at >= SESSIONS

    def _stamp(self) -> tuple[_Stamp, ...]:
        return tuple(map(_stamp_of, _paths(self._tls).values()))


def _paths(tls: ListenerTls) -> dict[str, str]:
    paths = {"certificate": tls.certificate, "key": tls.key}
    return paths if tls.client_ca is None else {**paths, "client_ca": tls.client_ca}


def _stamp_of(path: str) -> _Stamp:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


def _digests(tls: ListenerTls) -> dict[str, bytes]:
    """Of what the files hold, by key. ValueError: one cannot be read."""
    found: dict[str, bytes] = {}
    for key, path in _paths(tls).items():
        try:
            found[key] = sha256(read_named(path, MAX_FILE)).digest()
        except ValueError as error:
            raise ValueError(f"tls.{key} {error}") from None
    return found


def server_context(tls: ListenerTls) -> tuple[ssl.SSLContext, float]:
    """TLS as the configuration asks for, and when its certificate ends, in seconds since the epoch.

    ValueError: a file cannot be used; the sentence begins with its key.
    """
    try:
        check_client_certificate(tls.certificate, tls.key)
        ends_at = certificate_end(tls.certificate)
    except ValueError as error:
        raise ValueError(f"tls.certificate {error}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = Records
    context.minimum_version = _VERSIONS[tls.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError):
        raise ValueError("tls.certificate names a file that was replaced while it was read") from None
    if tls.asks and tls.client_ca is not None:
        try:
            read_trust(tls.client_ca)
            context.load_verify_locations(cafile=tls.client_ca)
        except (OSError, ssl.SSLError, ValueError) as error:
            why = error if isinstance(error, ValueError) else "names a file that was replaced while it was read"
            raise ValueError(f"tls.client_ca {why}") from None
        required = tls.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        # A session that goes on later brings a certificate that nobody verifies again: TLS 1.3 has none then.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    return context, ends_at


def secured(config: Config) -> FollowedFiles | None:
    """TLS of the traffic listener, where it has any. CannotStart: its files were spoilt after they were checked."""
    if config.tls is None:
        return None
    try:
        return FollowedFiles(config.tls)
    except ValueError as error:
        raise CannotStart(str(error)) from None
