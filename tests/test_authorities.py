"""Authorities for everybody are held to RFC 5280; those that somebody names are taken as they are, and nobody else is."""

import ssl
from pathlib import Path

import pytest

from gateway.authorities import trusting
from gateway.settings.files import read_trust
from tests.authorities import strict_by_default
from tests.relay.upstream.test_dialing import Authority


def test_only_named_authorities_may_lack_what_the_systems_must_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict_by_default(monkeypatch)
    named = str(Authority(tmp_path, identifies_keys=False).file)
    for context in (trusting(named), read_trust(named)):
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert len(context.get_ca_certs()) == 1
    assert trusting(None).verify_flags & ssl.VERIFY_X509_STRICT


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.pem", Path(__file__)):
        with pytest.raises(OSError, match=r".+"):
            trusting(str(path))
