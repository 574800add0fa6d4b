"""A small OpenID issuer: publishes keys and hands a token of any kind to whoever asks. For trying out and for tests.

Knows nothing of logins: it must never be trusted by anything that matters.
"""

import hashlib
import json
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

#: seconds
TOKEN_LIFETIME: Final = 300
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
JWKS_PATH: Final = "/jwks"
TOKEN_PATH: Final = "/token"  # noqa: S105 -- a path

SigningKey = RSAKey | ECKey


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class DemoIssuer:
    """An issuer on a socket of its own. Keys are made anew for every instance."""

    def __init__(
        self,
        *,
        audience: str = "https://api.example.com",
        client_id: str = "demo-client",
        url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`url`: the issuer identifier, when it is not the address listened on. `clock`: seconds since the epoch."""
        self.audience = audience
        self.client_id = client_id
        #: the signing keys in use, by algorithm
        self.keys = self.new_keys()
        self._clock = clock
        self._url = url
        self._withdrawing: list[SigningKey] = []
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The issuer identifier. RuntimeError: it is the address listened on, and there is none yet."""
        if self._url is None:
            raise RuntimeError("the issuer has no address before start()")
        return self._url

    def jwks(self) -> dict[str, Any]:
        """The JWK set as published (RFC 7517 section 5)."""
        return {
            "keys": [
                {**key.as_dict(private=False), "use": "sig", "alg": "RS256" if isinstance(key, RSAKey) else "ES256"}
                for key in (*self.keys.values(), *self._withdrawing)
            ]
        }

    def discovery(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0 section 3)."""
        base = self.url.removesuffix("/")
        return {
            "issuer": self.url,
            "jwks_uri": base + JWKS_PATH,
            "token_endpoint": base + TOKEN_PATH,
            "authorization_endpoint": base + "/authorize",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(self.keys),
        }

    def new_keys(self) -> dict[str, SigningKey]:
        """A fresh key for each algorithm, by its name."""
        return {
            "RS256": RSAKey.generate_key(2048, {"kid": f"rs-{uuid4().hex[:8]}"}),
            "ES256": ECKey.generate_key("P-256", {"kid": f"es-{uuid4().hex[:8]}"}),
        }

    def rotate(self, *, keep: bool = True) -> None:
        """Signs with new keys from now on. `keep`: old ones stay published; else all are withdrawn."""
        self._withdrawing = [*self._withdrawing, *self.keys.values()] if keep else []
        self.keys = self.new_keys()

    def mint(
        self,
        claims: Mapping[str, Any],
        *,
        alg: str = "RS256",
        header: Mapping[str, Any] | None = None,
        key: Any = None,
    ) -> str:
        """A compact JWS of exactly these claims. `header` adds members, or with None takes them away.

        `key`: a joserfc key that fits `alg`, instead of ours. Any `alg` of joserfc goes, `none` and HS256 too: what
        is signed here is meant to be refused as often as not.
        """
        signer = self.keys[alg] if key is None else key
        members = {"alg": alg, "kid": signer.kid, **(header or {})}
        return sign(claims, {name: value for name, value in members.items() if value is not None}, alg=alg, key=signer)

    def access_token(self, *, alg: str = "RS256", header: Mapping[str, Any] | None = None, **overrides: Any) -> str:
        """An access token as RFC 9068 has it. `overrides` are claims; None leaves one out."""
        claims = {
            **self._times(),
            "aud": self.audience,
            "sub": "alice",
            "client_id": self.client_id,
            "scope": "read:orders",
            "email": "alice@example.com",
            "roles": ["reader"],
            "jti": uuid4().hex,
        }
        return self.mint(_overridden(claims, overrides), alg=alg, header={"typ": "at+jwt", **(header or {})})

    def id_token(self, *, alg: str = "RS256", header: Mapping[str, Any] | None = None, **overrides: Any) -> str:
        """An ID token for our client (OpenID Connect Core 1.0 section 2); `aud` may be overridden like any claim."""
        digest = hashlib.sha256(self.access_token().encode()).digest()
        claims = {
            **self._times(),
            "aud": self.client_id,
            "sub": "alice",
            "azp": self.client_id,
            "auth_time": int(self._clock()),
            "nonce": uuid4().hex,
            "at_hash": _base64url(digest[: len(digest) // 2]),
            "email": "alice@example.com",
        }
        return self.mint(_overridden(claims, overrides), alg=alg, header={"typ": "JWT", **(header or {})})

    def token(self, kind: str, *, audience: str | None = None) -> str:
        """A token by the word for it: access, id, expired, wrong-audience. ValueError: no such word."""
        aud: dict[str, Any] = {} if audience is None else {"aud": audience}
        now = int(self._clock())
        match kind:
            case "access":
                return self.access_token(**aud)
            case "id":
                return self.id_token(**aud)
            case "expired":
                return self.access_token(**aud, iat=now - 2 * TOKEN_LIFETIME, exp=now - TOKEN_LIFETIME)
            case "wrong-audience":
                return self.access_token(aud=audience or "https://another-api.example.com")
        raise ValueError("kind must be one of access, id, expired, wrong-audience")

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listens; port 0 takes a free one. OSError: the address is taken."""
        self._runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        if self._url is None:
            self._url = f"http://{host}:{self.port}"

    async def start_on(self, bound: Sequence[socket.socket]) -> None:
        """Serves on sockets that listen already. Needs `url`: an address to listen on is not one to be found at."""
        self._runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        for listener in bound:
            await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Closes the socket and every connection. No error when it was not started."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def port(self) -> int:
        """The port listened on. RuntimeError: none."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the issuer does not listen")
        return int(self._runner.addresses[0][1])

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        application.router.add_get(DISCOVERY_PATH, self._serve_discovery)
        application.router.add_get(JWKS_PATH, self._serve_jwks)
        application.router.add_get(TOKEN_PATH, self._serve_token_as_text)
        application.router.add_post(TOKEN_PATH, self._serve_token)
        return application

    def _times(self) -> dict[str, Any]:
        now = int(self._clock())
        return {"iss": self.url, "iat": now, "exp": now + TOKEN_LIFETIME}

    async def _serve_discovery(self, _: web.Request) -> web.Response:
        return web.json_response(self.discovery())

    async def _serve_jwks(self, _: web.Request) -> web.Response:
        return web.json_response(self.jwks())

    async def _serve_token_as_text(self, request: web.Request) -> web.Response:
        """GET /token?kind=access&audience=...: the bare token, for a shell."""
        return self._handed_out(request.query, bare=True)

    async def _serve_token(self, request: web.Request) -> web.Response:
        """POST /token with a form of the same: the response of RFC 6749 section 5.1."""
        form = await request.post()
        return self._handed_out({name: value for name, value in form.items() if isinstance(value, str)}, bare=False)

    def _handed_out(self, asked: Mapping[str, str], *, bare: bool) -> web.Response:
        headers = {"Cache-Control": "no-store"}
        try:
            token = self.token(asked.get("kind", "access"), audience=asked.get("audience"))
        except ValueError as error:
            problem = {"error": "invalid_request", "error_description": str(error)}
            return web.json_response(problem, status=400, headers=headers)
        if bare:
            return web.Response(text=token, headers=headers)
        response = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME}
        return web.json_response(response, headers=headers)


def sign(claims: Mapping[str, Any], header: Mapping[str, Any], *, alg: str, key: Any) -> str:
    """A compact JWS (RFC 7515 section 7.1) with this very header, whatever it says."""
    signing_input = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    signature = JWSRegistry.algorithms[alg].sign(signing_input.encode(), key)
    return f"{signing_input}.{_base64url(signature)}"


def _overridden(claims: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **overrides}.items() if value is not None}
