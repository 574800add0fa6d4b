"""What is said of an issuer or an API that cannot be had is known here, and told with what to do about it."""

import asyncio
import os
import socket
from pathlib import Path

import aiohttp
import pytest

from gateway.console import remedies
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import UpstreamUnreachable
from gateway.relay.upstream.dialing import Dialer
from gateway.remote.fetched import FetchFailed
from gateway.remote.http import failure_sentence
from gateway.remote.keys.discovery import check_issuer

CONFIGURED = "https://login.example.com/realms/staff"


@pytest.mark.parametrize(
    ("error", "does"),
    [
        (TimeoutError(), "too slow, hangs, or a firewall"),
        (aiohttp.ClientConnectorDNSError(None, OSError(0, "")), "look at DNS here"),  # type: ignore[arg-type]
        (aiohttp.ClientConnectorError(None, OSError(111, "")), "Nothing listens there"),  # type: ignore[arg-type]
        (aiohttp.ClientConnectorError(None, OSError(113, "")), "no way to it from here"),  # type: ignore[arg-type]
        (aiohttp.ClientConnectorCertificateError(None, ValueError()), "ca_file of the issuer"),  # type: ignore[arg-type]
        (aiohttp.ClientConnectorSSLError(None, OSError(0, "")), "plain http on this port"),
        (aiohttp.ClientProxyConnectionError(None, OSError(111, "")), "fetch.proxy"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_each_way_in_which_an_issuer_cannot_be_had_has_something_to_do(error: Exception, does: str) -> None:
    assert does in remedies.of_issuer(failure_sentence(error, 5.0), CONFIGURED)


@pytest.mark.parametrize(
    ("why", "does"),
    [
        ("https://a/x: the response has status 404", "is the path of issuer right?"),
        ("https://a/x: the response has status 403", "is the path of issuer right?"),
        ("https://a/x: the response has status 429", "cannot say now"),
        ("https://a/x: the response has status 502", "cannot say now"),
        ("http://a/x is plain http, which is not allowed", "Write https://"),
        ("has keys, and none for the configured algorithms", "Add the algorithm"),
        ("https://a/x: not JSON", "docs/providers.md"),
    ],
)
def test_so_has_what_it_says(why: str, does: str) -> None:
    assert does in remedies.of_issuer(why, CONFIGURED)


@pytest.mark.parametrize(
    ("named", "does"),
    [
        ("https://sso.example.com", "write issuer: 'https://sso.example.com' in the configuration, to the letter"),
        ("https://sso.example.com/" + "x" * 100, "Write what the provider calls itself"),
    ],
)
def test_an_issuer_of_another_name_is_told_what_to_write(named: str, does: str) -> None:
    with pytest.raises(FetchFailed) as refused:
        check_issuer({"issuer": named}, Issuer(issuer=CONFIGURED, audience="a"))
    assert does in remedies.of_issuer(str(refused.value), CONFIGURED)


async def why(upstream: UpstreamSection) -> str:
    with pytest.raises(UpstreamUnreachable) as refused:
        await Dialer(upstream).open(asyncio.Protocol)  # type: ignore[arg-type]
    return refused.value.evidence


async def test_an_api_that_cannot_be_had_has_something_to_do(tmp_path: Path) -> None:
    assert "start the API" in remedies.of_api(await why(UpstreamSection(url="http://127.0.0.1:1")))
    assert "look at DNS" in remedies.of_api(await why(UpstreamSection(url="http://api.invalid:3000")))
    assert "no such socket" in remedies.of_api(await why(UpstreamSection(url=f"unix:{tmp_path}/s")))
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        with socket.create_connection(where):
            section = UpstreamSection(url=f"http://127.0.0.1:{where[1]}", connect_timeout=Seconds(0.2))
            assert "does every firewall" in remedies.of_api(await why(section))
    assert "raise response_timeout" in remedies.of_api("nothing came, or was taken, within response_timeout")
    assert "its own log" in remedies.of_api(os.strerror(5))
