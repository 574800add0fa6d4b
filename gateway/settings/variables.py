"""Which GATEWAY_* variables there are, and what they override. Knows nothing of what the values mean."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.config.words import ConfigProblem, nearest
from gateway.settings.document import UnreadableDocument, parse_document

PREFIX = "GATEWAY_"
#: Names the file; read by `settings` when there is no --config.
CONFIG = "GATEWAY_CONFIG"
ISSUER = "GATEWAY_ISSUER"
IDENTITY_HEADERS = "GATEWAY_IDENTITY_HEADERS"

#: Variable to key.
_PLAIN = {
    "GATEWAY_LISTEN": "listen",
    "GATEWAY_ADMIN": "admin",
    "GATEWAY_UPSTREAM": "upstream",
    "GATEWAY_WORKERS": "workers",
    "GATEWAY_LOG_LEVEL": "log.level",
    "GATEWAY_LOG_FORMAT": "log.format",
    "GATEWAY_LOG_ACCESS": "log.access",
    "GATEWAY_TRUSTED_PROXIES": "trusted_proxies",
    IDENTITY_HEADERS: "identity_headers",
}
_OF_ISSUER = {
    ISSUER: "issuers[0].issuer",
    "GATEWAY_AUDIENCE": "issuers[0].audience",
    "GATEWAY_PRESET": "issuers[0].preset",
    "GATEWAY_ALGORITHMS": "issuers[0].algorithms",
    "GATEWAY_JWKS_URL": "issuers[0].jwks_url",
    "GATEWAY_JWKS_FILE": "issuers[0].jwks_file",
    "GATEWAY_CA_FILE": "issuers[0].ca_file",
    "GATEWAY_ALLOW_HTTP": "issuers[0].allow_http",
}
VARIABLES = {CONFIG: "", **_PLAIN, **_OF_ISSUER}

_LISTS = {"GATEWAY_TRUSTED_PROXIES", "GATEWAY_AUDIENCE", "GATEWAY_ALGORITHMS"}
_BOOLEANS = {"GATEWAY_ALLOW_HTTP"}
_NUMBERS = {"GATEWAY_WORKERS"}
_NUMBER = re.compile(r"[0-9]{1,9}")
#: Kubernetes makes such variables for a Service named "gateway".
_OF_KUBERNETES = ("GATEWAY_SERVICE_", "GATEWAY_PORT")


@dataclass(slots=True)
class Overrides:
    """The values of the file with those of the variables over them."""

    values: dict[str, Any]
    problems: list[ConfigProblem] = field(default_factory=list)
    warnings: list[ConfigProblem] = field(default_factory=list)
    #: key path to variable
    origins: dict[str, str] = field(default_factory=dict)


def read_variables(environ: Mapping[str, str], file: Mapping[str, Any]) -> Overrides:
    """The variables over the plain values of the file. What is wrong with a variable is in `problems`."""
    overrides = Overrides({**file})
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        if variable not in VARIABLES and not variable.startswith(_OF_KUBERNETES):
            near = nearest(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX) for name in VARIABLES])
            hint = f" (did you mean {PREFIX}{near}?)" if near else ""
            overrides.warnings.append(ConfigProblem(variable, f"is not a variable of the gateway{hint}"))
    given = {name: path for name, path in {**_PLAIN, **_OF_ISSUER}.items() if name in environ}
    if ISSUER in given and "issuers" not in file:
        overrides.values["issuers"] = [{}]
        overrides.origins |= {"issuers": ISSUER, "issuers[0]": ISSUER}
    else:
        overrides.problems.extend(_misplaced([name for name in _OF_ISSUER if given.pop(name, None)]))
    for name, path in given.items():
        try:
            value = _value(name, environ[name])
        except ValueError as error:
            overrides.problems.append(ConfigProblem(name, str(error)))
        else:
            _put(overrides.values, path, value)
            overrides.origins[path] = name
    return overrides


def variable_of(path: str, overrides: Overrides) -> str | None:
    """The variable that gave the value at `path` or one around it, or that gives it when the issuer is a variable."""
    around = [origin for key, origin in overrides.origins.items() if is_within(path, key)]
    if not around:
        return None
    return next((name for name, key in VARIABLES.items() if key and is_within(path, key)), around[-1])


def variable_for(path: str, overrides: Overrides) -> str | None:
    """The variable that could have given the missing value at `path`."""
    if path == "issuers":
        return ISSUER
    if path.startswith("issuers") and "issuers" not in overrides.origins:
        return None
    return next((name for name, key in VARIABLES.items() if key == path), None)


def is_within(path: str, other: str) -> bool:
    """Whether `path` is `other` or a member of it."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


def _misplaced(names: list[str]) -> Iterator[ConfigProblem]:
    if ISSUER in names:
        yield ConfigProblem(ISSUER, "cannot stand beside issuers in the file: unset it, or remove them")
    else:
        for name in names:
            yield ConfigProblem(name, "needs GATEWAY_ISSUER, to which it belongs; issuers in the file have keys for it")


def _value(name: str, text: str) -> Any:
    if name in _LISTS:
        return [part.strip() for part in text.split(",")] if text.strip() else []
    if name in _BOOLEANS:
        return {"true": True, "false": False}.get(text, text)
    if name in _NUMBERS:
        return int(text) if _NUMBER.fullmatch(text) else text
    if name == IDENTITY_HEADERS:
        document = parse_document(text)
        for problem in document.problems:
            raise UnreadableDocument(str(problem))
        return document.values
    return text


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    """Puts the value at its path, into copies of what is there; a section that is none is left to be complained of."""
    section, _, key = path.rpartition(".")
    if not section:
        values[key] = value
    elif section == "issuers[0]":
        values["issuers"][0][key] = value
    elif isinstance(values.get(section, {}), dict):
        values[section] = {**values.get(section, {}), key: value}
