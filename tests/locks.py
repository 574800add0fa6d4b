"""The lock files as pip reads them, and what a distribution asks for with the extras it is asked for with."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.txt", "requirements-extras.txt", "requirements-build.txt", "requirements-dev.txt")
#: of what `make test-kubernetes` installs besides: tests/kubernetes/test_locks.py
KUBERNETES = "requirements-kubernetes.txt"
#: of what `make site` installs besides: tests/test_site.py
SITE = "requirements-site.txt"

_PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+?)(?: ; (?P<marker>.+?))?(?P<hashes>(?: \\\n +--hash=sha256:[0-9a-f]{64})+)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry: what may be installed of one project, and where."""

    name: NormalizedName
    version: Version
    marker: str
    hashes: frozenset[str]

    def applies(self) -> bool:
        """Whether this interpreter on this machine installs it."""
        return not self.marker or Marker(self.marker).evaluate()


def pins(text: str) -> list[Pin]:
    """The entries of a lock, which holds nothing else but comments and where archives come from."""
    rest = re.sub(r"^ *#.*\n", "", _PIN.sub("", text), flags=re.MULTILINE)
    assert rest.split() == ["--only-binary", ":all:"], rest
    return [
        Pin(
            canonicalize_name(found["name"]),
            Version(found["version"]),
            found["marker"] or "",
            frozenset(re.findall(r"[0-9a-f]{64}", found["hashes"])),
        )
        for found in _PIN.finditer(text)
    ]


def requires(name: str) -> list[Requirement]:
    """What an installed distribution asks for, extras and all."""
    return [Requirement(line) for line in metadata.requires(name) or []]


def closure(roots: Iterable[Requirement], read: Callable[[str], list[Requirement]] = requires) -> list[Requirement]:
    """Whatever the roots ask for here, and what that asks for, each once. `read`: a name to its requirements."""
    wanted = [root for root in roots if root.marker is None or root.marker.evaluate()]
    seen = set(map(str, wanted))
    for requirement in wanted:  # grows
        for asked in read(requirement.name):
            extras = [{"extra": extra} for extra in ("", *requirement.extras)]
            if asked.marker is not None and not any(map(asked.marker.evaluate, extras)):
                continue
            asked.marker = None
            if str(asked) not in seen:
                seen.add(str(asked))
                wanted.append(asked)
    return wanted
