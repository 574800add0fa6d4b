"""Compiles the modules that every request passes through when a wheel is built: mypyc, the same Python as C.

The source stays the only truth: a clone runs as it stands, and a wheel built without a C compiler is slower and
otherwise the same (docs/decisions.md, 25).
"""

import re
import sys
from contextlib import chdir
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls before it packs a wheel."""

    def dependencies(self) -> list[str]:
        """What it takes to compile, as it is locked: compilers, and the types of whatever the modules import.

        Only a build in isolation asks, which has no hashes: README and `make` install the lock and build beside it.
        """
        lock = (Path(self.root) / "requirements-build.txt").read_text()
        return re.findall(r"^[\w.-]+==[^\\\n]+?(?= \\$)", lock, re.MULTILINE)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the compiled modules to a wheel. `version`: "editable" for a wheel that only points at the source."""
        if version == "editable":
            return
        from setuptools.errors import BaseError, CCompilerError  # type: ignore[import-untyped]

        #: until the wheel is packed
        self._place = Path(mkdtemp(prefix="bearer-gateway-"))
        try:
            built = _compile(self.config["groups"], Path(self.root), place=self._place)
        except (BaseError, CCompilerError) as error:
            self.app.display_warning(f"Nothing was compiled, so it will be slower: {error}")
            return
        build_data["force_include"].update(built)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leaves nothing behind but the wheel."""
        if version != "editable":
            rmtree(self._place)


def _compile(groups: dict[str, list[str]], root: Path, *, place: Path) -> dict[str, str]:
    """Extension modules: file, in `place`, to path in the wheel. `groups`: name of a shared library to its modules."""
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    options = [
        f"--config-file={root / 'pyproject.toml'}",
        f"--cache-dir={place / 'cache'}",
        f"--python-version={sys.version_info.major}.{sys.version_info.minor}",
    ]
    # From the root: tracebacks show the names of the files as they are given here.
    with chdir(root):
        extensions = mypycify(
            [*options, *(module for modules in groups.values() for module in modules)],
            separate=[(modules, name) for name, modules in groups.items()],
            target_dir=str(place / "c"),
            opt_level="3",
            debug_level="0",
        )
    for extension in extensions:
        # Python's own flags ask for this warning. GCC reads the file again for it at each brace: a third of all its
        # time for a million lines that nobody has indented.
        extension.extra_compile_args.append("-Wno-misleading-indentation")
    command = build_ext(Distribution({"ext_modules": extensions}))
    command.build_lib, command.build_temp, command.parallel = str(place / "lib"), str(place / "temp"), len(groups)
    command.ensure_finalized()
    command.run()
    return {str(file): str(file.relative_to(place / "lib")) for file in (place / "lib").rglob("*.so")}
