"""What is wrong or odd in `revocation`."""

from collections.abc import Iterator

from gateway.core.config.file import Config
from gateway.core.config.revocation import socket_of
from gateway.core.config.words import ConfigProblem

#: seconds; shorter lives of tokens than that are nobody's
MIN_KEEP = 60
#: bytes of a path that a socket can have (unix(7)), its end included
MAX_SOCKET = 108


def revocation_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    section = config.revocation
    if section is None:
        return
    if section.file is not None:
        if config.store.url is not None:
            yield ConfigProblem(
                "revocation.file", "cannot stand beside store.url: replicas share what is revoked there"
            )
        if not section.file.startswith("/") or section.file.endswith("/"):
            yield ConfigProblem(
                "revocation.file", "must be the path of a file from the root, such as /var/lib/gateway/revoked"
            )
        elif len(socket_of(section.file).encode()) >= MAX_SOCKET:
            most = MAX_SOCKET - len(socket_of("")) - 1
            yield ConfigProblem("revocation.file", f"must have at most {most} bytes: no path of a socket is longer")
    if section.keep < MIN_KEEP:
        yield ConfigProblem("revocation.keep", f"must be at least {MIN_KEEP}s: tokens that live longer are refused")


def revocation_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    section = config.revocation
    if section is None:
        return
    if section.file is None and config.store.url is None:
        sentence = "is not given, nor store.url: what is revoked is forgotten at the end, and no command can revoke"
        yield ConfigProblem("revocation.file", sentence)
    for index, issuer in enumerate(config.issuers):
        if issuer.max_lifetime is not None and issuer.max_lifetime > section.keep:
            sentence = "is longer than revocation.keep, beyond which tokens are refused"
            yield ConfigProblem(f"issuers[{index}].max_lifetime", sentence)
