"""A token endpoint: asked with the gateway's own credentials, and left alone for a while when it says so.

Decides when it may be asked, and says in the log what is wrong. What a response means is `core.upstream.exchange`.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable
from gateway.events import TokenRequested
from gateway.ports import Observer
from gateway.remote.authentication import Authentication, ReadSecret
from gateway.remote.client import Client
from gateway.remote.fetched import FetchFailed
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.silence import silence_of

T = TypeVar("T")

#: seconds in which one sentence is said once
SAID_AGAIN: Final = 60.0
#: how many sentences are remembered
_MOST_SAID: Final = 32
_LOG: Final = logging.getLogger("gateway.remote")


class TokenEndpoint:
    """Asks it for tokens. After making one you must call `close`."""

    def __init__(
        self,
        upstream: str,
        section: ClientCredentials | TokenExchange,
        *,
        read: ReadSecret,
        observer: Observer,
        clock: Clock,
    ) -> None:
        """Asks nobody yet. `upstream`: the name of whom the tokens are for. `read`: what a secret is now."""
        self._upstream: Final = upstream
        self._address = section.token_endpoint
        self._timeout = float(section.timeout)
        self._authentication = Authentication(section, read=read, audience=section.token_endpoint, clock=clock.wall)
        self._client = Client(
            ca_file=section.ca_file,
            certificate=self._authentication.certificate,
            proxy=section.proxy,
            use="token",
        )
        self._observer = observer
        self._clock = clock
        #: monotonic seconds: it does not want to be asked before
        self._silent_until = float("-inf")
        #: what was said in the log, and when
        self._said: dict[str, float] = {}
        self._is_failing = False

    def __repr__(self) -> str:
        return f"TokenEndpoint(for {self._upstream}, {'fails' if self._is_failing else 'responds'})"

    def silence(self) -> float:
        """Seconds for which it must not be asked; 0.0 when it may be."""
        return max(0.0, self._silent_until - self._clock.monotonic())

    async def ask(self, form: Mapping[str, str], judge: Callable[[int, bytes], T]) -> T:
        """What `judge` makes of the response to this form. ExchangeRefused, ExchangeUnavailable.

        Counted, and logged where the gateway or the endpoint is to blame.
        """
        silence = self.silence()
        if silence > 0.0:
            wait = max(1, math.ceil(silence))
            raise ExchangeUnavailable("the token endpoint asked not to be asked for now", retry_after=wait)
        try:
            judged = await self._ask(form, judge)
        except ExchangeUnavailable as failure:
            self._count("error")
            self._complain(failure.evidence)
            raise
        except ExchangeRefused:
            self._count("refused")
            raise
        self._count("ok")
        if self._is_failing:
            self._is_failing = False
            self._say(logging.INFO, "its tokens can be had again")
        return judged

    async def close(self) -> None:
        """Ends its connections. May be called twice."""
        await self._client.close()

    async def _ask(self, form: Mapping[str, str], judge: Callable[[int, bytes], T]) -> T:
        try:
            credentials = self._authentication.credentials()
        except ValueError as error:
            raise ExchangeUnavailable(f"the key that the gateway authenticates with {error}") from None
        try:
            asked = await self._client.post(
                self._address,
                form={**form, **credentials.form},
                headers=credentials.headers,
                timeout=self._timeout,
            )
        except FetchFailed as failure:
            raise ExchangeUnavailable(str(failure)) from None
        silence = silence_of(asked.status, asked.headers, now=self._clock.wall())
        if silence is not None:
            self._silent_until = self._clock.monotonic() + silence
        return judge(asked.status, asked.body)

    def _count(self, result: str) -> None:
        self._observer.happened(TokenRequested(self._upstream, result))

    def _complain(self, sentence: str) -> None:
        self._is_failing = True
        self._say(logging.WARNING, f"its token cannot be had: {sentence}")

    def _say(self, level: int, sentence: str) -> None:
        """Once a minute: what one caller's odd token causes must not fill the log."""
        now = self._clock.monotonic()
        if now < self._said.get(sentence, float("-inf")) + SAID_AGAIN:
            return
        self._said.pop(sentence, None)
        self._said[sentence] = now
        if len(self._said) > _MOST_SAID:
            del self._said[next(iter(self._said))]
        _LOG.log(level, "upstream %s: %s", self._upstream, sentence)
