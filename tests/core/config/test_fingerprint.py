"""Two configurations have the same fingerprint when they mean the same."""

from typing import Any

import pytest

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.fingerprint import fingerprint
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import UpstreamCredential, UpstreamSection

SMALLEST: dict[str, Any] = {"upstream": "http://h:1", "issuers": [{"issuer": "https://i", "audience": "a"}]}


def of(**more: Any) -> str:
    return fingerprint(convert({**SMALLEST, **more}).config)


def test_it_is_twelve_hexadecimal_digits() -> None:
    assert len(of()) == 12
    assert int(of(), 16) >= 0


def test_the_same_written_otherwise_is_the_same() -> None:
    assert of() == of(listen=":8080", limits={}, log={"level": "info"})
    assert of(limits={"drain": "1m", "connections": 10}) == of(limits={"connections": 10, "drain": 60})


@pytest.mark.parametrize(
    "more",
    [
        {"listen": ":1"},
        {"limits": {"drain": 1}},
        {"identity_headers": {"X-A": ["a", "b"]}},
        {"routes": [{"path": "/a"}, {"path": "/b"}]},
        {"routes": [{"path": "/b"}, {"path": "/a"}]},
        {"upstreams": {"b": {"url": "http://b"}}},
    ],
)
def test_what_means_something_else_is_another(more: dict[str, Any]) -> None:
    assert of(**more) != of()
    assert of(**more) == of(**more)


def test_of_secrets_it_is_known_only_whether_there_is_one() -> None:
    def with_secret(secret: Secret | None, key: KeyFile | None) -> str:
        upstream = UpstreamSection(url="http://a")
        if secret is not None:
            upstream = UpstreamSection(url="http://a", authorization=UpstreamCredential(bearer=secret))
        upstreams = {"default": upstream}
        assertion = AssertionSection(issuer="gateway", key=key)
        return fingerprint(Config(issuers=(), upstreams=upstreams, assertion=assertion))

    one = with_secret(Secret(file="/a"), KeyFile(file="/k"))
    assert one == with_secret(Secret(env="B"), KeyFile(file="/other"))
    assert one != with_secret(None, KeyFile(file="/k"))
    assert one != with_secret(Secret(file="/a"), None)
