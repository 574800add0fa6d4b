"""A file has changed when its bytes have; what cannot be read is like what is not there."""

import os
from hashlib import sha256
from pathlib import Path

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.settings.digests import authorities, digest_of
from gateway.settings.files import MAX_FILE


def test_a_digest_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"one")
    assert digest_of(str(path)) == sha256(b"one").hexdigest()
    path.write_bytes(bytes(MAX_FILE + 1))
    assert digest_of(str(path)) == ""


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert [digest_of(str(path)) for path in (pipe, tmp_path, tmp_path / "none")] == ["", "", ""]


def test_those_of_authorities_are_found_by_what_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"one")
    config = Config(issuers=(Issuer(issuer="https://a", audience="b", ca_file=str(path)),))
    assert authorities(config) == {str(path): sha256(b"one").hexdigest()}
