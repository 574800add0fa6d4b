"""The files that a configuration names: what is wrong with one is a sentence that quotes neither its name nor its content.

What `check` says of each kind is in test_settings.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from gateway.core.upstream.assertion import signing_key
from gateway.settings.files import read_signing_key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


@pytest.mark.parametrize(
    ("make_file", "sentence"),
    [
        (lambda _: None, "does not exist"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"a" * 70_000), "is larger than 64KiB"),
        (lambda path: path.write_bytes(b"a"), "is neither PEM nor a JWK"),
    ],
)
def test_what_is_wrong_with_a_key_file_is_a_sentence(
    file: Path, make_file: Callable[[Path], Any], sentence: str
) -> None:
    make_file(file)
    with pytest.raises(ValueError, match=r"^names") as caught:
        read_signing_key(str(file))
    assert str(caught.value) == f"names a file that {sentence}"


def test_a_name_that_no_file_can_have_is_a_sentence_too() -> None:
    with pytest.raises(ValueError, match="a file that cannot be read: no file can have that name"):
        read_signing_key("a\0b")


def test_a_key_file_is_read(file: Path) -> None:
    key = ECKey.generate_key("P-256")
    file.write_bytes(key.as_pem(private=True))
    kid = key.thumbprint()
    assert read_signing_key(str(file)).kid == kid
    assert signing_key(read_signing_key(str(file)).private).kid == kid
