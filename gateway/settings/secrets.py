"""Reads secrets from where a configuration says they are. No sentence ever quotes what was read."""

from collections.abc import Mapping

from gateway.core.config.secret import Secret
from gateway.settings.files import read_named

#: A secret becomes one header line.
MAX_SECRET = 16 << 10


def read_secret(secret: Secret, environ: Mapping[str, str]) -> str:
    """What stands in the file, less the line break at its end, or in the variable; never empty.

    ValueError carries a sentence that fits behind the key. No sentence ever quotes what was read.
    """
    if secret.file is None:
        text = environ.get(secret.env or "")
        if not text:
            raise ValueError(f"names a variable that is {'not set' if text is None else 'empty'}")
        return text
    content = read_named(secret.file, MAX_SECRET)
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("names a file that is not UTF-8 text") from None
    if not text:
        raise ValueError("names a file that is empty")
    return text
