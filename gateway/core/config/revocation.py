"""The section `revocation`: tokens that stop before they expire; there when it is configured."""

from typing import Annotated

from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc


class Revocation(Section, frozen=True, kw_only=True):
    """Tokens, sessions, subjects, clients and issuers whose tokens are refused from now on."""

    file: Annotated[
        str | None,
        _doc("journal of what is revoked, where store.url is null; `bearer-gateway revoke` speaks to PATH.sock"),
    ] = None
    keep: Annotated[
        Seconds,
        _doc("how long what is revoked is remembered; tokens that live longer are refused"),
    ] = default(Seconds(24 * 3600))


def socket_of(file: str) -> str:
    """The path of the socket to which `bearer-gateway revoke` speaks, beside the journal."""
    return f"{file}.sock"
