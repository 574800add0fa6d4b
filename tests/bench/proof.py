"""Proves, before anything is measured, that a contender does the work it is measured for."""

import http.client
import json
import time
from typing import Final

from tests.bench.peers import Peer
from tests.bench.programs import CannotMeasure
from tests.bench.tokens import CLIENT, Tokens, subject

#: where the API shows what it was told
SEEN: Final = "/seen"
#: seconds for keys to be there
PATIENCE: Final = 20.0
#: characters of what a program complained of
LAST: Final = 300


def ask(peer: Peer, path: str, token: str | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of a response."""
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=10)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=sent | ({"Authorization": f"Bearer {token}"} if token else {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def prove_forwarding(peer: Peer, path: str, token: str | None = None) -> None:
    """The response of the API arrives. CannotMeasure: it does not, or not in time."""
    deadline = time.monotonic() + PATIENCE
    while (found := ask(peer, path, token)[0]) != 200:
        # Keys are read while it already listens.
        if found != 503 or time.monotonic() > deadline:
            told = peer.program.complaint()[-LAST:]
            raise CannotMeasure(f"{peer.program.name} responses {found} to a good request for {path}: {told}")
        time.sleep(0.05)


def prove_judging(peer: Peer, tokens: Tokens, *, prefix: str = "") -> None:
    """Bad tokens are refused, the good one is admitted, and the API hears who calls. CannotMeasure: not so.

    `prefix`: of the paths that are protected.
    """
    name, path = peer.program.name, prefix + SEEN
    prove_forwarding(peer, path, tokens.good)
    header, payload, signature = tokens.good.split(".")
    bad = {
        "no token": None,
        "an expired token": tokens.expired,
        "a token with the claims of another": tokens.forged,
        "a token without a signature": f"{header}.{payload}.",
        "no JWT": signature,
    }
    for what, token in bad.items():
        status, _ = ask(peer, path, token)
        if status not in (401, 403):
            raise CannotMeasure(f"{name} responses {status} to {what}")
    seen = json.loads(ask(peer, path, tokens.good, X_User_Id="mallory")[1])
    if seen != {"user": subject(0), "client": CLIENT, "token": ""}:
        raise CannotMeasure(f"the API behind {name} was told {seen}")
