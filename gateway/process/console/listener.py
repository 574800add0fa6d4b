"""The console of a program: its listener, its key, and what it knows. For one process, or for a supervisor."""

import logging
import ssl
from collections.abc import Callable, Mapping

from gateway.console.api import Api
from gateway.console.borders import Borders
from gateway.console.history import History
from gateway.console.operators import Operators
from gateway.console.server import ConsoleServer
from gateway.console.sources import Impossible, Program
from gateway.core.addresses import Address, is_loopback, parse_address
from gateway.core.config.console import console_section_of
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.tls import ListenerTls
from gateway.observe.metrics.metrics import BUCKETS, OWN_BUCKETS
from gateway.process.console.key import KeySocket
from gateway.process.listening import Bound, CannotStart, bind
from gateway.process.secure import FollowedFiles, server_context

log = logging.getLogger("gateway")

#: what a secret of the configuration is now
ReadSecret = Callable[[Secret], str]


def new_history() -> History:
    """One that nothing was told yet."""
    return History(own=OWN_BUCKETS, upstream=BUCKETS)


def follow_tls(files: FollowedFiles, tls: ListenerTls) -> ssl.SSLContext:
    """TLS by the files as they are now: whoever connects gets the certificate of then. CannotStart."""

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = files.context

    try:
        context, _ = server_context(tls)
    except ValueError as error:
        raise CannotStart(str(error)) from None
    context.sni_callback = choose
    return context


class Listener:
    """A console that listens, from `start` to `stop`."""

    def __init__(self, bound: Bound, api: Api, server: ConsoleServer, key: KeySocket) -> None:
        self._bound = bound
        self._api = api
        self._server = server
        self._key = key
        #: where it listens
        self.address = bound.where

    @classmethod
    async def start(
        cls,
        config: Config,
        program: Program,
        history: History,
        *,
        read: ReadSecret,
        files: FollowedFiles | None,
    ) -> "Listener":
        """Listens. `read`: what a secret is now. `files`: of `tls`; None: there is none. CannotStart."""
        section = console_section_of(config.console)
        assert section is not None  # or there would be no console
        asked = parse_address(section.address)
        is_here = asked.path is not None or is_loopback(asked.host)
        tls = None if is_here or files is None or config.tls is None else follow_tls(files, config.tls)
        operators = section.operators
        secret = None if operators is None else operators.secret
        scopes = () if operators is None else operators.scopes

        async def verify(token: str) -> str | None:
            try:
                who = (await program.ask("verify", {"token": token, "scopes": list(scopes)})).get("who")
            except Impossible:
                return None
            return who if isinstance(who, str) else None

        judge = Operators(secret=None if secret is None else (lambda: read(secret)), verify=verify if scopes else None)
        borders = Borders(hosts=section.hosts, scheme="http" if tls is None else "https", proxies=operators is not None)
        api = Api(program, history, judge, borders, read_only=section.read_only)
        bound = bind(asked)
        try:
            real = asked if bound.is_unix else Address(asked.host, bound.sockets[0].getsockname()[1])
            url = _url(section.hosts, real, is_secure=tls is not None)
            key = await KeySocket.start(section, real, url=url, key=judge.key)
        except BaseException:
            bound.close()
            bound.unlink()
            raise
        server = ConsoleServer(api.handle, bound.sockets, tls=tls)
        await server.start()
        log.info("the console is at %s; bearer-gateway console prints its key", url)
        return cls(bound, api, server, key)

    async def stop(self) -> None:
        """Ends it: event streams first, requests under way within a second."""
        self._api.stop()
        await self._key.close()
        await self._server.stop()
        self._bound.close()
        self._bound.unlink()


def _url(hosts: tuple[str, ...], address: Address, *, is_secure: bool) -> str:
    """Where a browser finds it."""
    if address.path is not None:
        return f"unix:{address.path}"
    # A host that is only reached from here is named as it is reached from here, by port-forward as well.
    host = hosts[0] if is_secure and hosts else address.host
    return f"{'https' if is_secure else 'http'}://{f'[{host}]' if ':' in host else host}:{address.port}/"


def operators_secret(config: Config, secrets: Mapping[Secret, str]) -> Mapping[Secret, str]:
    """Of all secrets the one that is the console's."""
    section = console_section_of(config.console)
    secret = None if section is None or section.operators is None else section.operators.secret
    return {} if secret is None else {secret: secrets[secret]}
