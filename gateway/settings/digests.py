"""What files hold, as digests: whether one has changed. Knows nothing of reading a configuration, as workers do not."""

from hashlib import sha256
from pathlib import Path

from gateway.core.config.file import Config
from gateway.core.reload.taken import Files, authorities_of
from gateway.settings.files import MAX_FILE, read_bounded


def authorities(config: Config) -> Files:
    """Digests of what the files of authorities hold that a configuration names."""
    return {path: digest_of(path) for path in authorities_of(config)}


def digest_of(path: str) -> str:
    """Of what a file holds; empty: it cannot be read, or what was read of it would be lost, as with a pipe."""
    if not Path(path).is_file():
        return ""
    try:
        return sha256(read_bounded(path, MAX_FILE)).hexdigest()
    except ValueError:
        return ""
