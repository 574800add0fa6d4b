"""Starts the OpenID provider beside this file and logs in to it the way a browser would."""

import asyncio
import base64
import hashlib
import json
import secrets
import socket
import subprocess
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
import npm

HERE: Final = Path(__file__).parent
READY_SECONDS: Final = 40.0
COMMAND_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 10.0
MAX_STEPS: Final = 20
STDERR_LINES: Final = 200

API: Final = "https://api.example.test"
OTHER_API: Final = "https://other.example.test"
#: its access tokens are opaque
OPAQUE_API: Final = "https://opaque.example.test"
BROWSER_CLIENT: Final = "browser"
REDIRECT_URI: Final = "http://127.0.0.1/callback"
SPA_CLIENT: Final = "spa"
SERVICE_CLIENT: Final = "service"
SERVICE_SECRET: Final = "a-secret-known-to-every-reader-of-this-file"
SUBJECT: Final = "alice"


class ProviderFailed(Exception):
    """The provider did not start, did not respond, or answered something unexpected."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives."""

    access_token: str
    id_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class _Form:
    action: str
    fields: dict[str, str]


class _FirstForm(HTMLParser):
    """Finds the first form that is posted, and its named inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.form: _Form | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None and found.get("method", "").lower() == "post":
            self.form = _Form(found.get("action", ""), {})
            self._inside = True
        elif tag == "input" and self._inside and self.form is not None and found.get("name"):
            self.form.fields[found["name"]] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


class OidcProvider:
    """A running provider. Made by `oidc_provider()`, and used by one event loop after another."""

    def __init__(self, process: "subprocess.Popen[bytes]", stderr: deque[str]) -> None:
        self.issuer = ""
        self.kids: list[str] = []
        self.authorization_endpoint = ""
        self.token_endpoint = ""
        self.jwks_uri = ""
        #: whether it has got a command: it is not as it was when it began
        self.has_changed = False
        self._process = process
        self._stderr = stderr
        self._turn = threading.Lock()
        assert process.stderr is not None
        self._reading = threading.Thread(target=_keep, args=(process.stderr, stderr), daemon=True)
        self._reading.start()

    def stop(self) -> None:
        """End it, and wait for that."""
        process = self._process
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reading.join()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    async def login(self, *, nonce: str | None, resource: str | None, scope: str = "openid read:orders") -> Tokens:
        """Log in as SUBJECT in a fresh browser: authorization code, PKCE, login page, consent page.

        `resource`: None gives an opaque token, for the provider's own endpoints.
        """
        async with _browser() as session:
            return await self._login(session, nonce=nonce, resource=resource, scope=scope)

    @asynccontextmanager
    async def logged_in(self, *, resource: str, scope: str = "openid read:orders") -> AsyncIterator["LoggedIn"]:
        """A browser in which SUBJECT has logged in, and which it may log out in."""
        async with _browser() as session:
            yield LoggedIn(self, session, await self._login(session, nonce=None, resource=resource, scope=scope))

    async def _login(
        self,
        session: aiohttp.ClientSession,
        *,
        nonce: str | None,
        resource: str | None,
        scope: str,
        asking: Mapping[str, str] | None = None,
    ) -> Tokens:
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        state = secrets.token_urlsafe(16)
        query = {
            "client_id": BROWSER_CLIENT,
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **(asking or {}),
        }
        if nonce is not None:
            query["nonce"] = nonce
        if resource is not None:
            query["resource"] = resource
        response = await self._walk(session, query)
        if response.get("state") != [state] or response.get("iss") != [self.issuer] or "code" not in response:
            raise self._failed(f"the login ended with {response}")
        tokens = await self._token(
            session,
            {
                "grant_type": "authorization_code",
                "client_id": BROWSER_CLIENT,
                "code": response["code"][0],
                "code_verifier": verifier,
                "redirect_uri": REDIRECT_URI,
                **({} if resource is None else {"resource": resource}),
            },
        )
        return Tokens(*(self._text(tokens, name) for name in ("access_token", "id_token", "refresh_token")))

    async def client_credentials(
        self, resource: str, scope: str = "read:orders", *, prove: Callable[[str | None], str] | None = None
    ) -> str:
        """Get an access token for the service client.

        `prove`: makes a DPoP proof for the token endpoint, with the nonce that it asked for; the token is bound then.
        """
        form = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        credentials = base64.b64encode(f"{SERVICE_CLIENT}:{SERVICE_SECRET}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"}
        async with _browser() as session:
            if prove is not None:
                headers["DPoP"] = prove(None)
                async with session.post(self.token_endpoint, data=form, headers=headers) as response:
                    nonce = response.headers.get("DPoP-Nonce")
                # Without one it was a good request, and the proof is used.
                headers["DPoP"] = prove(nonce)
            tokens = await self._token(session, form, headers)
            assert prove is None or tokens["token_type"] == "DPoP"
        return self._text(tokens, "access_token")

    async def open_mtls(self, certificate: Path, key: Path) -> str:
        """Open a port that speaks TLS, and give its token endpoint. It asks anybody for a client certificate."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        await self._command("mtls", str(port), str(certificate), str(key))
        return f"https://127.0.0.1:{port}/token"

    async def require_nonces(self) -> None:
        """From now on DPoP proofs for its endpoints need a nonce."""
        await self._command("nonces")

    async def revoke(self, token: str) -> None:
        """Withdraw a token of the login's client (RFC 7009)."""
        form = {"token": token, "client_id": BROWSER_CLIENT}
        async with _browser() as session, session.post(f"{self.token_endpoint}/revocation", data=form) as response:
            if response.status != 200:
                raise self._failed(f"the revocation ended with {response.status}")

    async def rotate(self) -> str:
        """Sign with a new key from now on, publish the old ones too; the response is the new kid."""
        return await self._command("rotate")

    async def withdraw(self) -> str:
        """Publish only the key that signs now; the response is its kid."""
        return await self._command("withdraw")

    async def post_logouts_to(self, url: str) -> None:
        """From now on logout tokens of BROWSER_CLIENT are posted there."""
        await self._command("logouts", url)

    async def know(self, resource: str, *scopes: str) -> None:
        """From now on this is an API with these scopes, and clients may register themselves (RFC 7591)."""
        await self._command("resource", resource, *scopes)

    async def authorize(self, url: str) -> dict[str, list[str]]:
        """What a fresh browser makes of an authorization request: SUBJECT logs in and consents.

        The response is the query that the client's redirect URI is called with.
        """
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        async with _browser() as session:
            return await self._walk(session, query)

    async def _log_out(self, session: aiohttp.ClientSession) -> None:
        """The page that asks whether to log out, and its button. Returns when logout tokens were posted."""
        async with session.get(f"{self.issuer}/session/end") as response:
            page = await response.text()
        parser = _FirstForm()
        parser.feed(page)
        if response.status != 200 or parser.form is None:
            raise self._failed(f"the logout stopped with {response.status}: {page}")
        form = {**parser.form.fields, "logout": "yes"}
        async with session.post(urljoin(str(response.url), parser.form.action), data=form) as done:
            if done.status != 200:
                raise self._failed(f"the logout ended with {done.status}: {await done.text()}")

    async def _command(self, name: str, *args: str) -> str:
        self.has_changed = True
        return await asyncio.to_thread(self._commanded, name, *args)

    def _commanded(self, name: str, *args: str) -> str:
        pipe = self._process.stdin
        assert pipe is not None
        with self._turn:
            try:
                pipe.write(f"{' '.join((name, *args))}\n".encode())
                pipe.flush()
            except OSError as error:
                raise self._failed(f"the provider has gone: {error}") from error
            response = self._line(COMMAND_SECONDS)
            if response.get("done") != name:
                raise self._failed(f"{name} was answered with {response}")
            return self._take_kids(response)

    def _line(self, seconds: float) -> dict[str, object]:
        """The next JSON object on stdout."""
        pipe = self._process.stdout
        assert pipe is not None
        too_late = threading.Timer(seconds, self._process.kill)
        too_late.start()
        try:
            while raw := pipe.readline():
                with suppress(ValueError):
                    line = json.loads(raw)
                    if isinstance(line, dict):
                        return line
        finally:
            too_late.cancel()
        raise self._failed(f"the provider has ended, or has said nothing for {seconds} s")

    def _take_kids(self, response: Mapping[str, object]) -> str:
        kids = response.get("kids")
        if not isinstance(kids, list) or not kids or not all(isinstance(kid, str) for kid in kids):
            raise self._failed(f"no kids in {response}")
        self.kids = [str(kid) for kid in kids]
        return self.kids[0]

    async def _ready(self) -> None:
        first = await asyncio.to_thread(self._line, READY_SECONDS)
        self.issuer = self._text(first, "issuer")
        self._take_kids(first)
        async with _browser() as session, session.get(f"{self.issuer}/.well-known/openid-configuration") as response:
            metadata = await self._json(response)
        self.authorization_endpoint = self._text(metadata, "authorization_endpoint")
        self.token_endpoint = self._text(metadata, "token_endpoint")
        self.jwks_uri = self._text(metadata, "jwks_uri")

    async def _walk(self, session: aiohttp.ClientSession, query: Mapping[str, str]) -> dict[str, list[str]]:
        """Follow redirects and send forms until the redirect URI is reached; the response is its query."""
        url = self.authorization_endpoint
        redirect_uri = query["redirect_uri"]
        params: Mapping[str, str] | None = query
        form: dict[str, str] | None = None
        for _ in range(MAX_STEPS):
            method = "GET" if form is None else "POST"
            async with session.request(method, url, params=params, data=form, allow_redirects=False) as response:
                page = await response.text()
                here = str(response.url)
                status = response.status
                location = response.headers.get("Location")
            params = form = None
            if location is not None:
                url = urljoin(here, location)
                if url.partition("?")[0] == redirect_uri:
                    return parse_qs(urlsplit(url).query)
                continue
            parser = _FirstForm()
            parser.feed(page)
            if status != 200 or parser.form is None:
                raise self._failed(f"the login stopped at {here} with {status}: {page}")
            form = dict(parser.form.fields)
            url = urljoin(here, parser.form.action)
            for name, value in (("login", SUBJECT), ("password", "any")):
                if name in form:
                    form[name] = value
        raise self._failed(f"the login did not end in {MAX_STEPS} steps; it was at {url}")

    async def _token(
        self, session: aiohttp.ClientSession, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        async with session.post(self.token_endpoint, data=form, headers=headers) as response:
            return await self._json(response)

    async def _json(self, response: aiohttp.ClientResponse) -> dict[str, object]:
        body = await response.text()
        if response.status != 200:
            raise self._failed(f"{response.url} answered {response.status}: {body}")
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._failed(f"{response.url} answered no JSON object: {body}")
        return found

    def _text(self, found: Mapping[str, object], name: str) -> str:
        value = found.get(name)
        if not isinstance(value, str):
            raise self._failed(f"no {name} in {dict(found)}")
        return value

    def _failed(self, why: str) -> ProviderFailed:
        said = "\n".join(self._stderr)
        return ProviderFailed(f"{why}\nThe provider's stderr:\n{said}")


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A browser with a session at the provider."""

    provider: OidcProvider
    _session: aiohttp.ClientSession
    tokens: Tokens

    async def log_in_again(
        self, *, resource: str, scope: str = "openid read:orders", asking: Mapping[str, str]
    ) -> Tokens:
        """The same once more in the same browser. `asking`: further parameters, as a challenge names them."""
        return await self.provider._login(self._session, nonce=None, resource=resource, scope=scope, asking=asking)

    async def log_out(self) -> None:
        """Log out at the provider, which posts logout tokens before it returns."""
        await self.provider._log_out(self._session)


@asynccontextmanager
async def oidc_provider(*, spa: str | None = None) -> AsyncIterator[OidcProvider]:
    """Run the provider for the time of the block. `spa`: origin of the app that SPA_CLIENT is."""
    provider = await start(spa=spa)
    try:
        yield provider
    finally:
        await asyncio.to_thread(provider.stop)


async def start(*, spa: str | None = None) -> OidcProvider:
    """Run the provider until it is stopped."""
    await asyncio.to_thread(npm.install, HERE)
    # It ends by itself where whoever started it has ended: its stdin is closed then.
    process = subprocess.Popen(  # noqa: ASYNC220 -- does not wait
        [npm.NODE, "server.mjs", *([] if spa is None else ["0", spa])],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stderr: deque[str] = deque(maxlen=STDERR_LINES)
    provider = OidcProvider(process, stderr)
    try:
        await provider._ready()
    except BaseException:
        provider.stop()
        raise
    return provider


def _browser() -> aiohttp.ClientSession:
    """A client with its own cookies, which it also keeps for an IP address."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    )


def _keep(pipe: IO[bytes], lines: deque[str]) -> None:
    """Keep the lines of a pipe; a warning that each rotation repeats is kept once."""
    with pipe:
        for raw in pipe:
            line = raw.decode(errors="replace").rstrip()
            if not lines or lines[-1] != line:
                lines.append(line)
