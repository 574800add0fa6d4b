"""How the gateway shows an issuer which client it is: what each method adds to the form and the headers of a request.

Knows nothing of what is asked. Secrets are read at each use, so that a new one counts from the next request on.
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from gateway.core.config.client_authentication import ClientAuthentication, auth_of
from gateway.core.config.secret import Secret
from gateway.core.upstream.client_assertion import ASSERTION_TYPE, ClientKey, client_assertion, parse_client_key

ReadSecret = Callable[[Secret], str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request has besides what it asks."""

    form: Mapping[str, str]
    headers: Mapping[str, str]


class Authentication:
    """The client that the gateway is at one issuer, by one section of the configuration."""

    def __init__(
        self,
        section: ClientAuthentication,
        *,
        read: ReadSecret,
        audience: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`read`: what a secret is now. `audience`: of client assertions, where the section names none.

        `clock`: seconds since the epoch. The section is sound: nothing is checked here.
        """
        self.method: Final = auth_of(section)
        self.client_id: Final = section.client_id
        self._section = section
        self._read = read
        self._audience = section.assertion_audience or audience
        self._clock = clock
        #: the key that was read last, and the text that it was made of
        self._key: tuple[str, ClientKey] | None = None

    def __repr__(self) -> str:
        return f"Authentication({self.method}, client {self.client_id!r})"

    @property
    def certificate(self) -> tuple[str, str] | None:
        """Files of the client certificate that its requests are sent with, and of its key."""
        tls = self._section.tls
        return None if tls is None else (tls.certificate, tls.key)

    def credentials(self) -> Credentials:
        """For one request, made now. ValueError: the key cannot be used (any more); a sentence without its content."""
        client_id, form, headers = self.client_id or "", {}, {}
        match self.method:
            case "client_secret_basic":
                # RFC 6749 section 2.3.1: both are form-encoded first, so that a colon in them is none.
                pair = f"{quote_plus(client_id)}:{quote_plus(self._secret(self._section.client_secret))}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
            case "client_secret_post":
                form = {"client_id": client_id, "client_secret": self._secret(self._section.client_secret)}
            case "private_key_jwt":
                assertion = client_assertion(
                    self._client_key(),
                    client_id,
                    audience=self._audience,
                    now=self._clock(),
                    jti=secrets.token_urlsafe(16),
                    kid=self._section.key_id,
                )
                form = {
                    "client_id": client_id,
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": assertion,
                }
            case "bearer":
                headers["Authorization"] = "Bearer " + self._secret(self._section.bearer)
            case _:
                # RFC 8705 section 2: the certificate is found by the client's name. None at all: some ask for it.
                form = {"client_id": client_id} if client_id else {}
        return Credentials(form, headers)

    def _secret(self, secret: Secret | None) -> str:
        assert secret is not None  # the section is sound
        return self._read(secret)

    def _client_key(self) -> ClientKey:
        text = self._secret(self._section.key)
        if self._key is None or self._key[0] != text:
            self._key = (text, parse_client_key(text))
        return self._key[1]
