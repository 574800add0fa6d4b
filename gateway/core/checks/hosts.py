"""Which hosts make sense: those that are served at all, and those of routes."""

import re
from collections.abc import Iterator

from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.http.hosts import is_host_within, plain_host

#: a name, an address, or all names below one
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_NO_HOST = "must be a host name without port, or *.example.com for every name below that one"


def host_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong with `hosts` at the top, and hosts of routes that are not among them."""
    for key, sentence in hosts_problems(config.hosts):
        yield ConfigProblem(key, sentence)
    if not config.hosts:
        return
    served = [plain_host(host) for host in config.hosts]
    for place, route in enumerate(config.routes):
        for index, host in enumerate(route.hosts):
            if _HOST.fullmatch(host) and not any(is_host_within(plain_host(host), other) for other in served):
                path = joined(f"{joined('routes', place)}.hosts", index)
                yield ConfigProblem(path, "is none of hosts at the top, so that its requests are refused (421)")


def host_warnings(config: Config) -> Iterator[ConfigProblem]:
    """Routes for some hosts, while any other host is served too."""
    named = [index for index, route in enumerate(config.routes) if route.hosts]
    if named and not config.hosts:
        path = joined(joined("routes", named[0]), "hosts")
        yield ConfigProblem(
            "hosts",
            f"is empty, and {path} names some: with any other Host a request passes that route by; name all hosts",
        )


def hosts_problems(hosts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What is wrong with a list of hosts: key and sentence."""
    plain = [plain_host(host) for host in hosts]
    for index, host in enumerate(hosts):
        if _HOST.fullmatch(host) is None:
            yield joined("hosts", index), _NO_HOST
        elif plain[index] in plain[:index]:
            yield joined("hosts", index), f"is {joined('hosts', plain.index(plain[index]))} again"
