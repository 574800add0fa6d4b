"""Reads the configuration: the file, the variables, and the files they name. The only module that does.

Decides precedence and where each value came from; what values mean is `core`. Touches no network.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.checks.problems import notes, problems, warnings
from gateway.core.config.conversion import Conversion, convert
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.walk import values_of
from gateway.core.config.words import REQUIRED, ConfigProblem
from gateway.core.token.keys import KeySet
from gateway.core.upstream.own_lines import secret_uses
from gateway.settings.document import Document, parse_document
from gateway.settings.extras import environment_warnings, extra_problems
from gateway.settings.files import MAX_FILE, READERS, Odd, decoded, read_bounded
from gateway.settings.secrets import read_secret
from gateway.settings.variables import CONFIG, Overrides, is_within, read_variables, variable_for, variable_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of reading the configuration."""

    #: None when there are problems
    config: Config | None
    problems: list[ConfigProblem] = field(default_factory=list)
    warnings: list[ConfigProblem] = field(default_factory=list)
    #: what helps to set up the other side
    notes: list[ConfigProblem] = field(default_factory=list)
    #: key path to `file FILE line N` or the name of a variable; what is not here is a default
    origins: dict[str, str] = field(default_factory=dict)
    #: what was read for each secret of the configuration
    secrets: Mapping[Secret, str] = field(default_factory=dict, repr=False)
    #: files with secrets and authorities that the text names, sound or not; None: it could not be read
    named: tuple[str, ...] | None = None
    #: path of each key that a variable sets to what the file has there
    shadowed: Mapping[str, Any] = field(default_factory=dict, repr=False)


def load(path: str | None, environ: Mapping[str, str], *, kind: type[Config] = Config) -> Loaded:
    """The configuration from the file at `path`, else the one that GATEWAY_CONFIG names, else variables alone.

    Never raises for what is in the file, the variables or the files they name: that is in `problems`, all of it.
    `kind`: one with more sections.
    """
    source = environ.get(CONFIG) or None if path is None else path
    if source == "":
        return Loaded(None, [ConfigProblem("", "the configuration file has no name")])
    document = Document({}, {}, ())
    if source is not None:
        try:
            document = parse_document(decoded(read_bounded(source, MAX_FILE)))
        except ValueError as error:
            # Without the file, whatever else could be said would be guessed.
            return Loaded(None, [ConfigProblem("", f"the configuration file {source!r} {error}")])
    return _loaded(document, source, environ, kind, None)


def judge(text: str, environ: Mapping[str, str], *, source: str, missing: Callable[[str], str | None]) -> Loaded:
    """The same for the text of a configuration that is used on another machine: reads no file, and asks for no package.

    `source`: what to call it. `missing`: what is wrong with the path of a file, in a sentence to follow the key; None:
    it will be there.
    """
    try:
        document = parse_document(text)
    except ValueError as error:
        return Loaded(None, [ConfigProblem("", f"the configuration file {source!r} {error}")])
    return _loaded(document, source, environ, Config, missing)


def _loaded(
    document: Document,
    source: str | None,
    environ: Mapping[str, str],
    kind: type[Config],
    missing: Callable[[str], str | None] | None,
) -> Loaded:
    """What the document and the variables say. `missing`: as for `judge`; None: the files are here."""
    overrides = read_variables(environ, document.values, kind)
    conversion = convert(overrides.values, kind)
    told = (problem for problem in document.problems if not conversion.is_hidden(problem.path))
    found = [*told, *overrides.problems, *conversion.problems]
    found.extend(problem for problem in problems(conversion.config) if conversion.is_readable(problem.path))
    if missing is None:
        found.extend(problem for problem in extra_problems(conversion.config) if conversion.is_readable(problem.path))
    named = {use.secret.env for use in secret_uses(conversion.config)}
    warned = list(dict.fromkeys(warning for name, warning in overrides.unknown.items() if name not in named))
    warned.extend(warnings(conversion.config))
    if missing is None:
        warned.extend(environment_warnings(conversion.config, environ))
    for problem, is_fatal in _named_files(conversion, missing):
        (found if is_fatal else warned).append(problem)
    secrets, unread = _read_secrets(conversion, environ, missing)
    found.extend(problem for problem in unread if problem.path not in {other.path for other in found})
    origins = {
        key: f"file {source} line {line}"
        for key, line in document.lines.items()
        if not conversion.is_hidden(key) and not any(is_within(key, other) for other in overrides.origins)
    }
    return Loaded(
        config=None if found else conversion.config,
        problems=[_naming_variable(problem, overrides) for problem in found],
        warnings=[_naming_variable(warning, overrides) for warning in warned if conversion.is_readable(warning.path)],
        notes=[note for note in notes(conversion.config) if conversion.is_readable(note.path)],
        origins=origins | overrides.origins,
        secrets={} if found else secrets,
        named=tuple(dict.fromkeys(_followed_by_nobody(conversion))),
        shadowed=_shadowed(document.values, overrides),
    )


def _followed_by_nobody(conversion: Conversion) -> Iterator[str]:
    """The files of a configuration that count when it is read anew: their owners do not look at them, or not soon."""
    for place in values_of(conversion.config):
        if isinstance(place.value, Secret):
            if place.value.file and conversion.is_readable(f"{place.path}.file"):
                yield place.value.file
        elif place.known.file == "authorities" and place.value and conversion.is_readable(place.path):
            yield place.value


def _shadowed(values: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """What the file has where a variable counts instead."""
    found: dict[str, Any] = {}
    for path, variable in overrides.origins.items():
        if overrides.known.get(variable) == path:
            value: Any = values
            for name in path.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            found[path] = value
    return found


def _named_files(
    conversion: Conversion, missing: Callable[[str], str | None] | None
) -> Iterator[tuple[ConfigProblem, bool]]:
    """What is wrong with the files that the configuration names; True: it cannot start like that."""
    for place in values_of(conversion.config):
        # What names none at all has been told of already.
        if place.known.file is None or not place.value or not conversion.is_readable(place.path):
            continue
        if missing is not None:
            if (sentence := missing(place.value)) is not None:
                yield ConfigProblem(place.path, sentence), True
            continue
        try:
            content = READERS[place.known.file](place.value, place.section)
        except ValueError as error:
            yield ConfigProblem(place.path, str(error)), True
            continue
        if isinstance(content, Odd):
            yield ConfigProblem(place.path, content.sentence), False
        if isinstance(content, KeySet):
            for skipped in content.skipped:
                if not skipped.is_meant:
                    yield ConfigProblem(place.path, str(skipped)), False


def _read_secrets(
    conversion: Conversion, environ: Mapping[str, str], missing: Callable[[str], str | None] | None
) -> tuple[dict[Secret, str], list[ConfigProblem]]:
    """What each secret of the configuration is, and what is wrong with those that are missing or unfit."""
    read: dict[Secret, str] = {}
    found: list[ConfigProblem] = []
    for use in secret_uses(conversion.config):
        path = f"{use.path}.env" if use.secret.file is None else f"{use.path}.file"
        if not conversion.is_readable(path) or not (use.secret.file or use.secret.env):
            continue
        if missing is not None and use.secret.file is not None:
            if (sentence := missing(use.secret.file)) is not None:
                found.append(ConfigProblem(path, sentence))
            continue
        try:
            text = read[use.secret] = read_secret(use.secret, environ)
            use.check(text)
        except ValueError as error:
            found.append(ConfigProblem(path, str(error)))
    return read, found


def _naming_variable(problem: ConfigProblem, overrides: Overrides) -> ConfigProblem:
    """The problem with the variable that the value came from, or that could give the missing one."""
    if problem.sentence == REQUIRED:
        variable = variable_for(problem.path, overrides)
        return ConfigProblem(problem.path, f"{REQUIRED}; {variable} can give it") if variable else problem
    variable = variable_of(problem.path, overrides)
    return ConfigProblem(problem.path, f"{problem.sentence} ({variable})") if variable else problem
