"""One question to an introspection endpoint (RFC 7662 section 2), and what the response is: members, or why it is none.

Knows nothing of who waits, and of nothing that was said before.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer, proxy_of
from gateway.core.errors import Refusal
from gateway.core.jsontext import parse_json
from gateway.core.token.introspected import SIGNED_TYPE, parse_response, parse_signed_response
from gateway.core.token.rules import rules_of
from gateway.core.trail import Trail
from gateway.ports import Issuers
from gateway.remote.authentication import Authentication, ReadSecret
from gateway.remote.client import Asked, Client
from gateway.remote.metadata import Metadata
from gateway.remote.silence import silence_of
from gateway.signature import signer_of

#: Seconds from one refusal of our credentials to the next attempt.
PAUSE: Final = 1.0
_SIGNED: Final = f"application/{SIGNED_TYPE}"
#: RFC 6749 section 5.2: what says that it is we who are refused
_OURS: Final = frozenset({"invalid_client", "unauthorized_client", "access_denied"})
#: and what else is quoted, since anything might stand there
_WORDS: Final = _OURS | {"invalid_request", "invalid_token", "unsupported_token_type", "server_error"}


class NotSaid(Exception):
    """The issuer responded, and did not say whether the token is active. Nothing of it is quoted."""

    def __init__(self, sentence: str, *, silence: float = 0.0) -> None:
        """`silence`: seconds for which it is not asked again."""
        super().__init__(sentence)
        self.silence = silence


class IntrospectionCall:
    """How one issuer is asked. After making one you must call `stop`."""

    def __init__(
        self,
        issuer: Issuer,
        section: Introspection,
        *,
        issuers: Issuers,
        read: ReadSecret,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Asks nobody yet. `issuers`: keys of signed responses. `read`: what a secret is now.

        `clock`: seconds since the epoch.
        """
        self._section = section
        self._rules = rules_of(issuer)
        self._limit = float(section.timeout)
        self._issuers = issuers
        self._clock = clock
        self._authentication = Authentication(section, read=read, audience=issuer.issuer, clock=clock)
        self._client = Client(
            ca_file=issuer.ca_file,
            certificate=self._authentication.certificate,
            proxy=proxy_of(issuer),
            use="introspection",
        )
        self._metadata = Metadata(issuer, limit=self._limit, read=read)

    async def endpoint(self) -> str:
        """Where it is asked. FetchFailed: discovery cannot be had, or does not say."""
        if self._section.endpoint is not None:
            return self._section.endpoint
        return await self._metadata.endpoint(
            "introspection_endpoint", mtls=self._authentication.certificate is not None
        )

    async def ask(self, endpoint: str, token: bytes) -> dict[str, Any]:
        """What it says of the token now, `active` or not. FetchFailed, NotSaid."""
        try:
            credentials = self._authentication.credentials()
        except ValueError as error:
            raise NotSaid(f"its key {error}", silence=PAUSE) from None
        asked = await self._client.post(
            endpoint,
            # RFC 7662 section 2.1: the hint spares some issuers a search.
            form={"token": token.decode("ascii"), "token_type_hint": "access_token", **credentials.form},
            headers={
                "Accept": _SIGNED if self._section.response == "jwt" else "application/json",
                **credentials.headers,
            },
            timeout=self._limit,
        )
        if asked.status != 200:
            raise self._not_said(asked)
        try:
            return parse_response(asked.body) if self._section.response == "json" else await self._verified(asked)
        except ValueError as error:
            raise NotSaid(str(error)) from None

    async def stop(self) -> None:
        """Ends its connections. May be called twice."""
        await self._metadata.stop()
        await self._client.close()

    def _not_said(self, asked: Asked) -> NotSaid:
        silence = silence_of(asked.status, asked.headers, now=self._clock())
        if silence is not None:
            return NotSaid(f"status {asked.status}: it is not asked for {silence:.0f} s", silence=silence)
        error = _error_of(asked)
        told = f"status {asked.status}" + (f" {error}" if error else "")
        if asked.status in {401, 403} or error in _OURS:
            # A 403 alone may be of a firewall that dislikes this one token: whoever sends such must not stop the rest.
            silence = PAUSE if asked.status == 401 or error in _OURS else 0.0
            return NotSaid(f"it refuses the gateway's own credentials ({told})", silence=silence)
        if 300 <= asked.status < 400:
            return NotSaid(f"{told}: a redirect, and none is followed")
        return NotSaid(f"the response has {told}")

    async def _verified(self, asked: Asked) -> dict[str, Any]:
        """The members of a signed response. ValueError, NotSaid."""
        if asked.media_type != _SIGNED:
            raise NotSaid(f"the response is not {_SIGNED}, as `answer: jwt` asks for")
        token, members = parse_signed_response(
            asked.body.strip(), self._rules, client_id=self._authentication.client_id or "", now=self._clock()
        )
        try:
            await signer_of(token, self._issuers, rules=self._rules, trail=Trail())
        except Refusal as refusal:
            raise NotSaid(f"the key of the response cannot be had: {refusal.evidence}") from None
        return members


def _error_of(asked: Asked) -> str:
    """The error that a response names, when it is a word that is known; else empty."""
    try:
        members = parse_json(asked.body)
    except ValueError:
        return ""
    error = members.get("error") if isinstance(members, dict) else None
    return error if isinstance(error, str) and error in _WORDS else ""
