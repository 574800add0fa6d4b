"""Configurations as YAML."""

import io
from typing import Any

from ruamel.yaml import YAML


def as_yaml(value: Any) -> str:
    """In blocks, no line broken."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 10_000
    written = io.StringIO()
    writer.dump(value, written)
    return written.getvalue()
