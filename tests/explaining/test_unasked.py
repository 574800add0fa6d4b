"""Nobody is asked when a request is only explained."""

import hashlib
from base64 import urlsafe_b64encode

from gateway.explaining.unasked import Shown


def test_a_certificate_is_shown_by_its_thumbprint() -> None:
    expected = urlsafe_b64encode(hashlib.sha256(b"der").digest()).rstrip(b"=").decode()
    assert Shown(b"der").thumbprint() == expected
    assert Shown(None).thumbprint() is None
