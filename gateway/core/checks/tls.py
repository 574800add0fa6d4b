"""Which TLS toward clients makes sense. Whether its files hold what they should is `settings`' to see."""

from collections.abc import Iterator

from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem


def tls_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    tls = config.tls
    if tls is None:
        return
    for key in ("certificate", "key", "client_ca"):
        if getattr(tls, key) == "":
            yield ConfigProblem(f"tls.{key}", "must not be empty")
    if tls.asks and tls.client_ca is None:
        yield ConfigProblem("tls.client_ca", "is required where clients are asked for certificates")
    if not tls.asks and tls.client_ca is not None:
        yield ConfigProblem("tls.client_ca", "has no effect: client_certificates is none")


def tls_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    tls = config.tls
    if tls is not None and tls.asks and config.trusted_proxies and config.client_certificate_header is None:
        yield ConfigProblem(
            "tls.client_certificates",
            "are those of trusted_proxies themselves where these end the TLS of clients: client_certificate_header "
            "says where they pass on whose it was",
        )


def tls_notes(config: Config) -> Iterator[ConfigProblem]:
    """What helps to set up clients."""
    if config.tls is not None and config.tls.asks:
        yield ConfigProblem(
            "tls.client_certificates",
            "must be of client_ca, or the connection ends before there is a request; for the self-signed ones of RFC "
            "8705 section 2.2 a proxy must end TLS (client_certificate_header)",
        )
