"""The section `console`: the operator's console, on a listener of its own; there when it is configured."""

from typing import Annotated

from gateway.core.config.secret import Secret
from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class Operators(Section, frozen=True, kw_only=True):
    """Who may use the console beside whoever has its key; for scripts, and behind a proxy."""

    secret: Annotated[
        Secret | None, _doc("a secret of at least 32 bytes, sent as a bearer token", holds="operator")
    ] = None
    scopes: Annotated[tuple[str, ...], _doc("scopes of a token of a configured issuer, all of which it must have")] = ()


class ConsoleSection(Section, frozen=True, kw_only=True):
    """The operator's console: what happens here, and why somebody was refused."""

    address: Annotated[
        str,
        _doc("address:port or unix:/path; another than loopback needs tls, which it then uses", stand_in="127.0.0.1:0"),
    ]
    read_only: Annotated[bool, _doc("nothing can be revoked, lifted, refreshed or reloaded from it")] = False
    operators: Annotated[
        Operators | None,
        _doc("who may use it beside whoever has its key (`bearer-gateway console`); null: nobody, and no proxy"),
    ] = None
    hosts: Annotated[tuple[str, ...], _doc("hosts, without port, that it is served as beside those of loopback")] = ()
    socket: Annotated[
        str | None,
        _doc("where `bearer-gateway console` asks for the key; null: in RUNTIME_DIRECTORY, else in one of its own"),
    ] = None


def console_section_of(console: str | ConsoleSection | None) -> ConsoleSection | None:
    """The long form of `console`; None: there is none."""
    return ConsoleSection(address=console) if isinstance(console, str) else console
