"""Which `issuers[].backchannel_logout` make sense: a path of their own, clients, and a list to write into."""

import re
from collections.abc import Iterator

from gateway.core.config.backchannel_logout import LOGOUT_PATHS, logout_path
from gateway.core.config.file import Config
from gateway.core.config.issuers import adds_to_another, issuer_name
from gateway.core.config.routes import route_name
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.errors import AmbiguousPath, UriTooLong
from gateway.core.routing.pattern import parse_pattern

#: characters
MAX_PATH = 256
#: RFC 3986 section 3.3, without what needs an escape or is read in more than one way
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,=:@-]+)+")
#: providers that put no session into access tokens
_SESSIONLESS = frozenset({"auth0", "okta", "ory-hydra"})


def logout_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected, issuer by issuer."""
    taken: dict[str, str] = {}
    for index, issuer in enumerate(config.issuers):
        section = issuer.backchannel_logout
        if section is None or adds_to_another(config.issuers, index):
            continue
        where = f"{joined('issuers', index)}.backchannel_logout"
        if not section.client_ids:
            yield ConfigProblem(f"{where}.client_ids", "must name at least one client: aud of a logout token names it")
        for place, client_id in enumerate(section.client_ids):
            if not client_id.strip():
                yield ConfigProblem(joined(f"{where}.client_ids", place), "must not be empty")
        path = logout_path(section, name=issuer_name(issuer))
        if not _is_path(path):
            yield ConfigProblem(f"{where}.path", _no_path(is_given=section.path is not None))
        elif path in taken:
            yield ConfigProblem(f"{where}.path", f"must differ: {taken[path]} has it as well")
        taken.setdefault(path, where)
        if config.revocation is None:
            yield ConfigProblem(
                where, "needs revocation, at the top: what was logged out has to be remembered (revocation: {})"
            )


def logout_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    for index, issuer in enumerate(config.issuers):
        section = issuer.backchannel_logout
        if section is None or adds_to_another(config.issuers, index):
            continue
        where = f"{joined('issuers', index)}.backchannel_logout"
        path = logout_path(section, name=issuer_name(issuer))
        if (route := _shadowed(config, path)) is not None:
            sentence = f"comes before {route}: its requests for this path never reach the API"
            yield ConfigProblem(f"{where}.path", sentence)
        if section.by == "sid" and issuer.preset in _SESSIONLESS:
            sentence = f"sid ends nothing: {issuer.preset} puts no session into access tokens; auto ends the subject's"
            yield ConfigProblem(f"{where}.by", sentence)


def logout_notes(config: Config) -> Iterator[ConfigProblem]:
    """Where the issuers have to post to, which only they can be told."""
    for index, issuer in enumerate(config.issuers):
        section = issuer.backchannel_logout
        if section is not None and not adds_to_another(config.issuers, index):
            path = logout_path(section, name=issuer_name(issuer))
            clients = f"the client {section.client_ids[0]}" if len(section.client_ids) == 1 else "each of client_ids"
            yield ConfigProblem(
                f"{joined('issuers', index)}.backchannel_logout",
                f"is heard at {path}: register that, behind the address of this API, for {clients} at the provider",
            )


def _is_path(path: str) -> bool:
    return _PATH.fullmatch(path) is not None and len(path) <= MAX_PATH and not {".", ".."}.intersection(path.split("/"))


def _no_path(*, is_given: bool) -> str:
    if is_given:
        return "must be a path such as /logged-out, without query, escapes, dot segments and a slash at its end"
    return f"must be given: the issuer's name cannot stand behind {LOGOUT_PATHS}"


def _shadowed(config: Config, path: str) -> str | None:
    """The first route that means this very path, or a part of the API around it; one for everything does not."""
    if not _is_path(path):
        return None
    ignore_case = config.path_case == "insensitive"
    ours, _ = parse_pattern(path, ignore_case=ignore_case)
    for index, route in enumerate(config.routes):
        try:
            segments, below = parse_pattern(route.path, ignore_case=ignore_case)
        except (AmbiguousPath, UriTooLong):
            continue
        if segments == ours or (below and segments and segments == ours[: len(segments)]):
            return f"{joined('routes', index)} ({route_name(route)})"
    return None
