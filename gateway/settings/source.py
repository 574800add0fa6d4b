"""Where the configuration comes from, to be read again: the file and all that it names, as they stand at one moment.

A file has changed when its bytes have. Behind a volume of Kubernetes they change at once, elsewhere bit by bit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.core.config.words import ConfigProblem
from gateway.core.reload.taken import Files
from gateway.settings.digests import authorities, digest_of
from gateway.settings.settings import Loaded, load
from gateway.settings.variables import CONFIG

#: what a volume of Kubernetes has beside its files: a link to the directory that they are in, replaced as a whole
_VOLUME: Final = "..data"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading it."""

    loaded: Loaded
    #: digests of what the files of authorities held
    files: Files


@dataclass(frozen=True, slots=True)
class Look:
    """How the files were at one moment: digests of what they held, by path; empty for one that could not be read."""

    digests: Mapping[str, str]
    #: those that change bit by bit
    torn: frozenset[str]


class Source:
    """The file, or variables alone."""

    def __init__(self, path: str | None, environ: Mapping[str, str]) -> None:
        """As `load`. The environment is that of the start for ever."""
        self._path = path
        self._environ = {**environ}
        #: path of the file; None: there is none
        self.file: Final = environ.get(CONFIG) or None if path is None else path
        #: digest of what it holds now, before anybody reads it
        self.at_first: Final = "" if self.file is None else digest_of(self.file)

    def read(self) -> Reading:
        """Reads all of it, and raises nothing. May take seconds: to be called in a thread."""
        if self.file and Path(self.file).exists() and not Path(self.file).is_file():
            # A pipe, as of `--config <(...)`: it gave what it had, and whoever reads it again waits for ever.
            problem = ConfigProblem("", f"the configuration file {self.file!r} cannot be read twice: restart")
            return Reading(Loaded(None, [problem]), {})
        loaded = load(self._path, self._environ)
        return Reading(loaded, {} if loaded.config is None else authorities(loaded.config))

    def look(self, named: Iterable[str]) -> Look:
        """How the file is now, and those that it names. To be called in a thread."""
        paths = (*(() if self.file is None else (self.file,)), *named)
        return Look(
            {path: digest_of(path) for path in paths},
            frozenset(path for path in paths if not Path(path).parent.joinpath(_VOLUME).is_symlink()),
        )
