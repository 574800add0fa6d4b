"""Ordinary requests of real APIs arrive there byte for byte, through a gateway with routes for them."""

from typing import Any

import pytest

from tests.api_paths import APIS, prefixes, requests
from tests.wire import OK, Start, bearer, demo_issuer, get

#: requests on one connection
AT_ONCE = 200
PARTS = [(api, part) for api in APIS for part in range(-(-len(list(requests(api, most=1))) // AT_ONCE))]


@pytest.mark.parametrize(("api", "part"), PARTS)
async def test_each_request_arrives_as_it_was_sent(start: Start, api: str, part: int) -> None:
    more: dict[str, Any] = {"encoded_slashes": "allow"} if api == "gitlab" else {}
    gateway = await start(routes=prefixes(api, **more))
    token = demo_issuer().access_token(
        alg="ES256",
        exp=4_000_000_000,
        scope="admin repo read:org user api read_api secrets exec core apps read write customers",
    )
    asked = list(requests(api, most=1))[part * AT_ONCE : (part + 1) * AT_ONCE]
    gateway.upstream.response = OK
    client = await gateway.client()
    wrong = {}
    for method, target in asked:
        raw = get(target, method=method).replace(bearer(), f"Authorization: Bearer {token}\r\n".encode())
        response = await client.ask(raw, method)
        sent = gateway.upstream.last.start.decode()
        if response.status != 200 or sent != f"{method} {target} HTTP/1.1":
            wrong[f"{method} {target}"] = (response.status, sent)
    assert wrong == {}
