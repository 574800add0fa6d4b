"""What tells one configuration from another: digits over everything in it, defaults included, secrets excepted."""

import hashlib
import json
from typing import Any, Final

from gateway.core.config.assertion import KeyFile
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.section import Section
from gateway.core.config.walk import fields_of

#: hexadecimal digits: enough to tell replicas apart, too few to find out what was hashed
DIGITS: Final = 12


def fingerprint(config: Config) -> str:
    """The same for two configurations that mean the same; of a secret it says whether there is one, and not where."""
    written = json.dumps(_plain(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:DIGITS]


def _plain(value: Any) -> Any:
    if isinstance(value, Secret | KeyFile):
        return True
    if isinstance(value, Section):
        return {field.encode_name: _plain(getattr(value, field.name)) for field in fields_of(type(value))}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
