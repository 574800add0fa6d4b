"""docs/identity.md: what it shows is run behind a real gateway, and finds out who is calling, to the letter."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from identity.apps import ADMIN, APPS, blocks, missing, running
from joserfc.jwk import ECKey
from process import GatewayProcess, serving
from proxies import free_port

from gateway.demo.issuer import sign
from gateway.settings.document import parse_document
from tests.wire import demo_issuer

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: a name with a percent sign, one that looks encoded, a plus, commas in elements
WHO = {"user": "Zo\u00eb", "name": "50% \u00c5ngstr\u00f6m", "roles": ["read,write", "c++", "%41"]}
PAGE = Path(__file__).parents[2] / "docs" / "identity.md"
ISSUER, AUDIENCE = "https://gateway.example.com", "https://orders.example.com"


@dataclass
class World:
    """A gateway in front of all of them, by host."""

    gateway: GatewayProcess
    ports: dict[str, str]
    #: that signs assertions
    key: ECKey

    def forged(
        self, *, key: ECKey | None = None, alg: str = "ES256", typ: str | None = "gateway-assertion+jwt", **claims: Any
    ) -> str:
        """An assertion, with whatever is wrong with it."""
        now = int(time.time())
        found = {"iss": ISSUER, "aud": AUDIENCE, "sub": "root", "iat": now, "exp": now + 60, **claims}
        header = {"alg": alg, "kid": self.key.thumbprint(), **({} if typ is None else {"typ": typ})}
        if alg == "none":
            return sign(found, header, alg="none", key=None)
        return sign(
            {name: value for name, value in found.items() if value is not None}, header, alg=alg, key=key or self.key
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp("identity")
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "assertion.pem").write_bytes(private)
    ADMIN.set("")
    (shown,) = blocks("identity.md", "The examples", "yaml")
    values: dict[str, Any] = {**parse_document(shown).values}
    assert (values["assertion"]["issuer"], values["assertion"]["audience"]) == (ISSUER, AUDIENCE)
    ports = {name: free_port() for name in APPS}
    values["assertion"] = {**values["assertion"], "key": {"file": str(directory / "assertion.pem")}}
    values |= {
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "limits": {"drain_delay": 0},
        "issuers": [{"issuer": "https://issuer.test", "audience": demo_issuer().audience, "jwks_file": str(directory / "jwks.json")}],
        "upstream": "http://127.0.0.1:1",
        "upstreams": {name: {"url": f"http://127.0.0.1:{port}"} for name, port in ports.items()},
        "routes": [{"path": "/*", "hosts": [f"{name}.test"], "upstream": name} for name in ports],
        "unmatched": "refuse",
    }  # fmt: skip
    (directory / "gateway.yaml").write_text(json.dumps(values))
    async with serving(config=str(directory / "gateway.yaml")) as gateway:
        await gateway.ready()
        yield World(gateway, ports, ECKey.import_key(private))


async def ask(url: str, host: str, **headers: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{url}/me", headers={"Host": host, **{n.replace("_", "-"): v for n, v in headers.items()}}
        ) as response,
    ):
        body = await response.read()
        return response.status, json.loads(body) if response.status == 200 else None


@pytest.mark.timeout(420)  # Maven gets what Spring needs, once
@pytest.mark.parametrize("name", APPS)
async def test_the_caller_arrives_to_the_letter_and_nobody_else(name: str, world: World, tmp_path: Path) -> None:
    if missing(name):
        pytest.skip(f"{' and '.join(missing(name))} not installed")
    token = demo_issuer().access_token(alg="ES256", sub=WHO["user"], name=WHO["name"], roles=WHO["roles"])
    world.gateway.secrets.append(token)
    bearer = {"Authorization": f"Bearer {token}"}
    async with running(name, tmp_path, world.ports[name], admin=world.gateway.admin_url):
        assert await ask(world.gateway.url, f"{name}.test", **bearer) == (200, WHO)
        # What a client says of itself, in the name of the gateway.
        forged = {"X_User_Id": "root", "X_User_Roles": "admin", "X_Gateway_Assertion": world.forged()}
        assert await ask(world.gateway.url, f"{name}.test", **bearer, **forged) == (200, WHO)
        # One who has no name and no roles.
        nobody = demo_issuer().access_token(alg="ES256", sub="m2m", name=None, roles=None)
        world.gateway.secrets.append(nobody)
        assert await ask(world.gateway.url, f"{name}.test", Authorization=f"Bearer {nobody}") == (
            200,
            {"user": "m2m", "name": "", "roles": []},
        )
        # Around the gateway: with the names of the headers alone, or with an assertion that is none.
        direct, now = f"http://127.0.0.1:{world.ports[name]}", int(time.time())
        assert (await ask(direct, "api", X_User_Id="root"))[0] == 401
        assert (await ask(direct, "api", X_User_Id="root", X_Gateway_Assertion=world.forged()))[0] == 200
        for what, assertion in {
            "another key": world.forged(key=ECKey.generate_key("P-256")),
            "no signature": world.forged(alg="none"),
            "another issuer": world.forged(iss="https://elsewhere.example.com"),
            "another audience": world.forged(aud="https://payments.example.com"),
            "no audience": world.forged(aud=None),
            "over": world.forged(iat=now - 600, exp=now - 300),
            "without an end": world.forged(exp=None),
            "no assertion": world.forged(typ="JWT"),
            "of no type": world.forged(typ=None),
            "no token": "x.y.z",
            "the token of the caller": token,
        }.items():
            assert (await ask(direct, "api", X_User_Id="root", X_Gateway_Assertion=assertion))[0] == 401, what


async def test_what_is_not_run_says_so() -> None:
    text = PAGE.read_text()
    assert text.count("ot run by the tests") == 2
    # Ten lines or so: what a reader copies is short.
    ADMIN.set("")
    for section, language in (("Flask", "python"), ("FastAPI", "python"), ("Express", "js")):
        (code,) = blocks("identity.md", section, language)
        assert len([line for line in code.splitlines() if line.strip()]) <= 24
