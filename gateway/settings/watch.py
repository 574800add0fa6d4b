"""Secrets in files, looked at again while the gateway runs: a new one counts, a broken file does not.

What was read is never told: a sentence names the key of the configuration, and nothing that stands in the file.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from gateway.core.config.secret import Secret
from gateway.core.upstream.own_lines import SecretUse
from gateway.settings.secrets import read_secret

#: seconds between two looks at the files
INTERVAL: Final = 10.0

log = logging.getLogger("gateway")


def _in_files(uses: Iterable[SecretUse]) -> tuple[SecretUse, ...]:
    return tuple(use for use in uses if use.secret.file is not None)


class FollowedSecrets:
    """The secrets of a configuration as their files have them now."""

    def __init__(
        self,
        uses: Iterable[SecretUse],
        secrets: Mapping[Secret, str],
        *,
        replaced: Callable[[Mapping[Secret, str]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`secrets`: what was read at start. `replaced` is told all of them, when some are others than before."""
        self._uses = _in_files(uses)
        self._secrets = {**secrets}
        #: of the configuration before this one, for what is still under way by it
        self._former: Mapping[Secret, str] = {}
        self._replaced = replaced
        self._sleep = sleep
        #: key paths of files that cannot be used now, and why
        self._wrong: dict[str, str] = {}
        self._following: asyncio.Task[None] | None = None

    def read(self, secret: Secret) -> str:
        """What a secret of the configuration is now. KeyError: it is none of those that were read."""
        found = self._secrets.get(secret)
        return self._former[secret] if found is None else found

    def prepare(self, secrets: Mapping[Secret, str]) -> None:
        """Another configuration is about to be used, and what is built for it may read its secrets."""
        self._secrets = {**secrets, **self._secrets}

    async def use(
        self,
        uses: Iterable[SecretUse],
        secrets: Mapping[Secret, str],
        *,
        replaced: Callable[[Mapping[Secret, str]], None],
    ) -> None:
        """Another configuration is used from now on; those of before can be read once more, until the next."""
        await self.stop()
        self._former, self._secrets = self._secrets, {**secrets}
        self._uses, self._replaced = _in_files(uses), replaced
        self._wrong.clear()
        await self.start()

    def all(self) -> Mapping[Secret, str]:
        """What each of them is now."""
        return self._secrets

    async def start(self) -> None:
        """Begins to look at them, if there are any."""
        if self._uses:
            self._following = asyncio.create_task(self._follow(), name="secrets in files")

    async def stop(self) -> None:
        """Ends that. May be called twice."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None

    async def _follow(self) -> None:
        while True:
            await self._sleep(INTERVAL)
            try:
                self._take(await asyncio.to_thread(self._read))
            except Exception as error:  # noqa: BLE001 -- see below
                # A bug, and no reason to look no more. The error is not shown: it may quote what was read.
                log.error("secrets in files could not be looked at: %s", type(error).__name__)  # noqa: TRY400

    def _read(self) -> list[str | ValueError]:
        """What stands in the file of each use, or why that is of no use."""
        found: list[str | ValueError] = []
        for use in self._uses:
            try:
                text = read_secret(use.secret, {})
                use.check(text)
            except ValueError as error:
                found.append(error)
            else:
                found.append(text)
        return found

    def _take(self, found: list[str | ValueError]) -> None:
        """Takes what is new and sound, and says of each file what changed."""
        now: dict[Secret, str] = {}
        spoilt: set[Secret] = set()
        for use, text in zip(self._uses, found, strict=True):
            path = f"{use.path}.file"
            if isinstance(text, ValueError):
                spoilt.add(use.secret)
                self._complain(path, str(text))
                continue
            if self._wrong.pop(path, None) is not None:
                log.info("%s can be read again", path)
            if text != self._secrets.get(use.secret):
                now[use.secret] = text
        # One file may be used in two places, and be fit for one of them only.
        changed = {secret: text for secret, text in now.items() if secret not in spoilt}
        if not changed:
            return
        self._secrets |= changed
        self._replaced(self._secrets)
        for use in self._uses:
            if use.secret in changed:
                log.info("%s has a new secret, which is used from now on", f"{use.path}.file")

    def _complain(self, path: str, wrong: str) -> None:
        """Once, until something else is wrong."""
        if self._wrong.get(path) != wrong:
            self._wrong[path] = wrong
            log.warning("%s %s; what was read before goes on being used", path, wrong)
