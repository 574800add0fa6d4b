"""`bearer-gateway demo`: a small issuer, an echo API and the gateway between them, and lines to paste."""

import socket
from collections.abc import Mapping

from gateway.core.config.file import Config
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.section import Seconds
from gateway.core.errors import IdToken, MissingCredential, TokenExpired, WrongAudience
from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from gateway.observe.log import set_up_logging
from gateway.process.alone import run
from gateway.process.app import Gateway

#: taken when they are free, so that a pasted line works again tomorrow
GATEWAY_PORT, ADMIN_PORT, ISSUER_PORT, API_PORT = 8080, 9090, 8090, 3000
AUDIENCE = "https://api.example.com"

#: what is tried: a sentence, the token asked for, and the status and reason of the response
_CASES = (
    ("an access token for this API: admitted, and the API shows who is calling", "kind=access", "200"),
    ("an ID token, even one whose audience is this API", f"kind=id&audience={AUDIENCE}", f"401 {IdToken.reason}"),
    ("an expired access token", "kind=expired", f"401 {TokenExpired.reason}"),
    ("an access token for another API", "kind=wrong-audience", f"401 {WrongAudience.reason}"),
)


async def run_demo() -> None:
    """Runs until Ctrl-C or SIGTERM. CannotStart: not one port is free."""
    issuer, api = DemoIssuer(audience=AUDIENCE), EchoApi()
    try:
        await issuer.start(_free(ISSUER_PORT))
        await api.start(_free(API_PORT))
        config = Config(
            upstream=api.url,
            listen=f"127.0.0.1:{_free(GATEWAY_PORT)}",
            admin=f"127.0.0.1:{_free(ADMIN_PORT)}",
            issuers=(Issuer(issuer=issuer.url, audience=AUDIENCE, name="demo"),),
            # A subject is unique with its issuer only: an API that has several should hear which.
            identity_headers={**DEFAULT_IDENTITY_HEADERS, "X-Token-Issuer": IdentityHeader(source="issuer")},
            limits=Limits(drain_delay=Seconds(0), drain=Seconds(2)),
            log=Log(level="warning", format="text", subject="plain"),
        )
        set_up_logging(config.log)
        await run(config, started=lambda gateway: print(invitation(gateway, issuer.url, api.url), flush=True))
        print("\nThe demo has ended.", flush=True)
    finally:
        await issuer.stop()
        await api.stop()


def _free(port: int) -> int:
    """`port` when nobody has it, else 0 for any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def elsewhere(told: Mapping[int, str]) -> str:
    """That usual ports are in use by somebody else; empty: none is. `told`: each, and the address that is used."""
    taken = [str(port) for port, address in told.items() if not address.endswith(f":{port}")]
    if not taken:
        return ""
    others = f"port {taken[0]} is" if len(taken) == 1 else f"ports {', '.join(taken[:-1])} and {taken[-1]} are"
    return f"  The usual {others} in use by another program: the addresses above are other ones."


def invitation(gateway: Gateway, issuer: str, api: str) -> str:
    """What is printed at the start: where everything is, and lines to paste."""
    url = f"http://{gateway.address}/orders/1"
    told = {GATEWAY_PORT: gateway.address, ADMIN_PORT: gateway.admin_address, ISSUER_PORT: issuer, API_PORT: api}
    taken = elsewhere(told)
    lines = [
        "Bearer Gateway demo",
        f"  gateway   http://{gateway.address}   admin http://{gateway.admin_address} (/readyz, /metrics)",
        f"  issuer    {issuer}   hands any token to anybody",
        f"  echo API  {api}   knows nothing of tokens; shows the headers it received",
        *([taken] if taken else []),
        "",
        "Paste these into another terminal; Ctrl-C here ends the demo. Each request is logged below.",
        "",
    ]
    for sentence, query, response in _CASES:
        token = f"$(curl -s '{issuer}/token?{query}')"
        lines += [f"# {sentence}: {response}", f'curl -si -H "Authorization: Bearer {token}" {url}', ""]
    lines += [f"# no token: 401 {MissingCredential.reason}", f"curl -si {url}", ""]
    return "\n".join(lines)
