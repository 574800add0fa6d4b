"""Modules as trees of their syntax."""

import ast
import gc
from pathlib import Path


def parsed(path: Path) -> ast.Module:
    """The tree of a module, as ast.parse gives it.

    Nothing is collected meanwhile: what earlier tests have left may show a traceback when it goes, which reads source itself, and of
    two such readings within one another CPython 3.11 fails the outer one ("AST constructor recursion depth mismatch").
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if collects:
            gc.enable()
