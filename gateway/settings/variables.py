"""Which GATEWAY_* variables there are, and what they override. Knows nothing of what the values mean."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import inspect

from gateway.core.config.file import Config
from gateway.core.config.walk import Key, keys_of
from gateway.core.config.words import ConfigProblem, nearest
from gateway.settings.document import UnreadableDocument, parse_document

PREFIX = "GATEWAY_"
#: Names the file; read by `settings` when there is no --config.
CONFIG = "GATEWAY_CONFIG"
ISSUER = "GATEWAY_ISSUER"

#: the section of the one issuer that variables describe
_OF_ISSUER = "issuers[0]."

_NUMBER = re.compile(r"[0-9]{1,9}")
#: Names of variables as everybody writes them. What has other characters may be a secret in the wrong place.
_NAME = re.compile(r"[A-Z0-9_]+")
_UNSHOWN = f"a variable that begins with {PREFIX}"
#: Kubernetes makes such variables for a Service named "gateway".
_OF_KUBERNETES = ("GATEWAY_SERVICE_", "GATEWAY_PORT")


def variables_of(kind: type[Config] = Config) -> dict[str, Key]:
    """Variable to the key that it overrides; of keys in a list, that of its first member."""
    return {key.known.variable: key for key in keys_of(kind) if key.known.variable is not None}


def paths_of(keys: Mapping[str, Key]) -> dict[str, str]:
    """Variable to the path of the value that it gives."""
    return {name: key.path.replace("[]", "[0]") for name, key in keys.items()}


@dataclass(slots=True)
class Overrides:
    """The values of the file with those of the variables over them."""

    values: dict[str, Any]
    problems: list[ConfigProblem] = field(default_factory=list)
    #: variables of nobody that begin with GATEWAY_, and what is to be said of each
    unknown: dict[str, ConfigProblem] = field(default_factory=dict)
    #: key path to variable
    origins: dict[str, str] = field(default_factory=dict)
    #: every variable that there is, and the path of its key
    known: Mapping[str, str] = field(default_factory=dict)


def read_variables(environ: Mapping[str, str], file: Mapping[str, Any], kind: type[Config] = Config) -> Overrides:
    """The variables over the plain values of the file. What is wrong with a variable is in `problems`.

    `kind`: a configuration with more sections.
    """
    keys = variables_of(kind)
    paths = paths_of(keys)
    overrides = Overrides({**file}, known=paths)
    names = {CONFIG, *paths}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        if variable not in names and not variable.startswith(_OF_KUBERNETES):
            near = nearest(variable.removeprefix(PREFIX).upper(), [name.removeprefix(PREFIX) for name in names])
            hint = f" (did you mean {PREFIX}{near}?)" if near else ""
            shown = variable if _NAME.fullmatch(variable) else _UNSHOWN
            overrides.unknown[variable] = ConfigProblem(shown, f"is not a variable of the gateway{hint}")
    given = [name for name in paths if name in environ]
    of_issuer = [name for name in given if paths[name].startswith(_OF_ISSUER)]
    if ISSUER in given and "issuers" not in file:
        overrides.values["issuers"] = [{}]
        overrides.origins |= {"issuers": ISSUER, "issuers[0]": ISSUER}
    else:
        overrides.problems.extend(_misplaced(of_issuer))
        given = [name for name in given if name not in of_issuer]
    for name in given:
        try:
            value = _value(environ[name], keys[name])
        except ValueError as error:
            overrides.problems.append(ConfigProblem(name, str(error)))
        else:
            _put(overrides.values, paths[name], value)
            overrides.origins[paths[name]] = name
    return overrides


def variable_of(path: str, overrides: Overrides) -> str | None:
    """The variable that gave the value at `path` or one around it, or that gives it when the issuer is a variable."""
    around = [origin for key, origin in overrides.origins.items() if is_within(path, key)]
    if not around:
        return None
    return next((name for name, key in overrides.known.items() if is_within(path, key)), around[-1])


def variable_for(path: str, overrides: Overrides) -> str | None:
    """The variable that could have given the missing value at `path`."""
    if path == "issuers":
        return ISSUER
    if path.startswith("issuers") and "issuers" not in overrides.origins:
        return None
    return next((name for name, key in overrides.known.items() if key == path), None)


def is_within(path: str, other: str) -> bool:
    """Whether `path` is `other` or a member of it."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


def _misplaced(names: list[str]) -> Iterator[ConfigProblem]:
    if ISSUER in names:
        yield ConfigProblem(ISSUER, "cannot stand beside issuers in the file: unset it, or remove them")
    else:
        for name in names:
            yield ConfigProblem(name, "needs GATEWAY_ISSUER, to which it belongs; issuers in the file have keys for it")


def _value(text: str, key: Key) -> Any:
    """What the text of a variable is, by the forms that its key takes. ValueError: a mapping is no YAML."""
    if key.takes(inspect.VarTupleType) and not key.takes(inspect.DictType):
        return [part.strip() for part in text.split(",")] if text.strip() else []
    if key.takes(inspect.BoolType):
        return {"true": True, "false": False}.get(text, text)
    if key.takes(inspect.IntType):
        return int(text) if _NUMBER.fullmatch(text) else text
    if key.takes(inspect.DictType):
        document = parse_document(text)
        for problem in document.problems:
            raise UnreadableDocument(str(problem))
        return document.values
    return text


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    """Puts the value at its path, into copies of what is there; a section that is none is left to be complained of."""
    first, _, rest = path.partition(".")
    if not rest:
        values[first] = value
    elif path.startswith(_OF_ISSUER):
        values["issuers"][0][rest] = value
    elif isinstance(inner := values.get(first, {}), dict):
        values[first] = {**inner}
        _put(values[first], rest, value)
