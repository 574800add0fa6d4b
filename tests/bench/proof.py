"""Proves, before anything is measured, that a contender does the work it is measured for."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Final

from tests.bench.peers import Peer
from tests.bench.possession import Client
from tests.bench.programs import CannotMeasure
from tests.bench.tokens import CLIENT, Tokens, subject

#: where the API shows what it was told
SEEN: Final = "/seen"
#: seconds for keys to be there
PATIENCE: Final = 20.0
#: characters of what a program complained of
LAST: Final = 300


def bearer(token: str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {token}"}


def ask(peer: Peer, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body of a response. OSError, HTTPException: there was none."""
    connection = (
        http.client.HTTPConnection("127.0.0.1", peer.port, timeout=10)
        if peer.authority is None
        else http.client.HTTPSConnection(
            "127.0.0.1", peer.port, timeout=10, context=ssl.create_default_context(cafile=str(peer.authority))
        )
    )
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def prove_forwarding(peer: Peer, path: str, headers: Callable[[], Mapping[str, str]] = dict) -> None:
    """The response of the API arrives. CannotMeasure: it does not, or not in time.

    `headers`: of each try, since a proof is good for one.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        found: object
        try:
            found, _ = ask(peer, path, headers())
        except (OSError, http.client.HTTPException) as error:
            found = f"{type(error).__name__}: {error}"
        if found == 200:
            return
        # Keys are read while it already listens; and who listens need not accept yet, or may end after all.
        early = found == 503 or (isinstance(found, str) and peer.program.running)
        if not early or time.monotonic() > deadline:
            told = peer.program.complaint()[-LAST:]
            raise CannotMeasure(f"{peer.program.name} responses {found} to a good request for {path}: {told}")
        time.sleep(0.05)


def prove_judging(peer: Peer, tokens: Tokens, *, prefix: str = "") -> None:
    """Bad tokens are refused, the good one is admitted, and the API hears who calls. CannotMeasure: not so.

    `prefix`: of the paths that are protected.
    """
    path = prefix + SEEN
    prove_forwarding(peer, path, lambda: bearer(tokens.good))
    header, payload, signature = tokens.good.split(".")
    bad = {
        "no token": None,
        "an expired token": tokens.expired,
        "a token with the claims of another": tokens.forged,
        "a token without a signature": f"{header}.{payload}.",
        "no JWT": signature,
    }
    for what, token in bad.items():
        _refuses(peer, path, what, {} if token is None else bearer(token))
    _tells(peer, path, bearer(tokens.good))


def prove_asking(peer: Peer, tokens: Tokens) -> None:
    """Opaque tokens are judged by what their issuer says of them. CannotMeasure: not so."""
    prove_forwarding(peer, SEEN, lambda: bearer(tokens.opaque))
    _refuses(peer, SEEN, "no token", {})
    _refuses(peer, SEEN, "a token that its issuer does not know", bearer(tokens.opaque[::-1]))
    _tells(peer, SEEN, bearer(tokens.opaque))


def prove_possession(peer: Peer, client: Client) -> None:
    """A bound token is taken with a proof that nobody has used. CannotMeasure: not so."""

    def proven() -> dict[str, str]:
        return {"Authorization": f"DPoP {client.token}", "DPoP": client.proof(SEEN)}

    prove_forwarding(peer, SEEN, proven)
    used = proven()
    _tells(peer, SEEN, used)
    _refuses(peer, SEEN, "a proof that was used before", used)
    _refuses(peer, SEEN, "a bound token without a proof", {"Authorization": used["Authorization"]})
    _refuses(peer, SEEN, "a bound token as if it were bound to nothing", bearer(client.token))
    _refuses(peer, SEEN, "a proof for another path", {**used, "DPoP": client.proof("/")})


def _refuses(peer: Peer, path: str, what: str, headers: Mapping[str, str]) -> None:
    status, _ = ask(peer, path, headers)
    if status not in (401, 403):
        raise CannotMeasure(f"{peer.program.name} responses {status} to {what}")


def _tells(peer: Peer, path: str, headers: Mapping[str, str]) -> None:
    """The API hears who calls, whatever the client says of itself."""
    seen = json.loads(ask(peer, path, {**headers, "X-User-Id": "mallory"})[1])
    if peer.keeps_token:
        seen["token"] = ""
    if seen != {"user": subject(0), "client": CLIENT, "token": ""}:
        raise CannotMeasure(f"the API behind {peer.program.name} was told {seen}")
