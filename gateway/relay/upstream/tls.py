"""TLS to one upstream: authorities, the gateway's own certificate and key, as their files have them now."""

import logging
import ssl
from pathlib import Path

from gateway.authorities import trusting
from gateway.core.config.upstreams import UpstreamTls

log = logging.getLogger("gateway.relay")

#: of a file: when it or its mode was changed, its size, which it is; None: there is none
_Stamp = tuple[int, int, int] | None


class FollowedTls:
    """What connections are opened with. Files that are replaced count from the next look on, if they can be used."""

    def __init__(self, tls: UpstreamTls, shown: str) -> None:
        """`shown`: the upstream, in the log. ValueError: a file cannot be used; the sentence begins with its key."""
        self._tls = tls
        self._shown = shown
        self._stamps = self._stamp()
        self._wrong = ""
        self.context = tls_context(tls)

    def look(self) -> bool:
        """Whether there is another context now. What cannot be used is told once, and leaves the one before."""
        stamps = self._stamp()
        if stamps == self._stamps:
            return False
        # Before they are read: what is written meanwhile is seen by the next look.
        self._stamps = stamps
        try:
            self.context = tls_context(self._tls)
        except ValueError as error:
            if str(error) != self._wrong:
                self._wrong = str(error)
                log.warning("upstream %s: %s; what was read before stays in use", self._shown, error)
            return False
        self._wrong = ""
        log.info("upstream %s: new files of tls are in use", self._shown)
        return True

    def _stamp(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp_of(path) for path in (self._tls.ca_file, self._tls.certificate, self._tls.key) if path)


def _stamp_of(path: str) -> _Stamp:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


def tls_context(tls: UpstreamTls) -> ssl.SSLContext:
    """TLS as the configuration asks for. ValueError: a file of it cannot be used."""
    try:
        context = trusting(tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"tls.ca_file {tls.ca_file}: {_why(error)}") from None
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate is not None:
        try:
            context.load_cert_chain(tls.certificate, tls.key, password="")
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"tls.certificate {tls.certificate}: {_why(error)}") from None
    if tls.allow_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__
