"""What Python 3.13 asks of certificates, whatever Python runs the tests."""

import ssl
from typing import Any

import pytest


def strict_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on certificates without key identifiers are not accepted where nothing else is said."""
    made = ssl.create_default_context

    def strict(*arguments: Any, **settings: Any) -> ssl.SSLContext:
        context = made(*arguments, **settings)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
