"""What is wrong with `console`: who could reach it, and who could get in."""

from collections.abc import Iterator, Mapping

from gateway.core.addresses import MAX_UNIX_PATH, Address, is_loopback, parse_address, parse_host, same_address
from gateway.core.claims import is_scope
from gateway.core.config.console import ConsoleSection, console_section_of
from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem, joined


def console_problems(config: Config, bound: Mapping[str, Address]) -> Iterator[ConfigProblem]:
    """What must be corrected. `bound`: where the other listeners are, by their keys."""
    section = console_section_of(config.console)
    if section is None:
        return
    yield from _address_problems(config, section, bound)
    for index, host in enumerate(section.hosts):
        try:
            parse_host(host)
        except ValueError as error:
            yield ConfigProblem(joined("console.hosts", index), f"{error}, without port")
    operators = section.operators
    if operators is not None:
        if operators.secret is None and not operators.scopes:
            yield ConfigProblem("console.operators", "lets nobody in: it needs secret, scopes or both")
        for index, scope in enumerate(operators.scopes):
            if not scope or not is_scope(scope):
                sentence = "must be one scope, not empty and without blanks"
                yield ConfigProblem(joined("console.operators.scopes", index), sentence)
    if section.socket is not None and (
        not section.socket.startswith("/") or len(section.socket.encode()) > MAX_UNIX_PATH or section.socket[-1] == "/"
    ):
        yield ConfigProblem(
            "console.socket", f"must be the absolute path of a socket, of at most {MAX_UNIX_PATH} bytes"
        )


def _address_problems(config: Config, section: ConsoleSection, bound: Mapping[str, Address]) -> Iterator[ConfigProblem]:
    key = "console" if isinstance(config.console, str) else "console.address"
    try:
        address = parse_address(section.address)
    except ValueError as error:
        yield ConfigProblem(key, str(error))
        return
    for other, there in bound.items():
        if same_address(address, there):
            yield ConfigProblem(key, f"must not be the address of {other}")
    if address.path is not None or is_loopback(address.host):
        return
    if config.tls is None:
        yield ConfigProblem(
            key, "must be on loopback, such as 127.0.0.1:9091, or there must be tls: its key would cross the network"
        )
    elif not section.hosts:
        yield ConfigProblem(
            "console.hosts", "is required for another address than loopback: requests to any other host are refused"
        )
