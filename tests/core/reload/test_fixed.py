"""What cannot change while the gateway runs."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.log import Log
from gateway.core.config.revocation import Revocation
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreSection
from gateway.core.config.tls import ListenerTls
from gateway.core.reload.fixed import FIXED, fixed_problems, shadowed_problems

TLS = ListenerTls(certificate="/c", key="/k")


def config(**settings: Any) -> Config:
    return Config(
        **{"upstream": "http://127.0.0.1:1", "issuers": (Issuer(issuer="https://a.test", audience="a"),), **settings}
    )


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ({}, {"listen": ":1"}, "listen"),
        ({}, {"admin": ":1"}, "admin"),
        ({}, {"decisions": ":1"}, "decisions"),
        ({}, {"workers": 2}, "workers"),
        ({}, {"store": StoreSection(url="redis://a")}, "store.url"),
        ({}, {"log": Log(format="text")}, "log.format"),
        ({}, {"tls": TLS}, "tls"),
        ({"tls": TLS}, {}, "tls"),
        ({"revocation": Revocation()}, {}, "revocation"),
        ({"revocation": Revocation()}, {"revocation": Revocation(file="/r")}, "revocation.file"),
    ],
)
def test_what_only_a_start_reads_is_named_with_what_to_do(
    before: dict[str, Any], after: dict[str, Any], path: str
) -> None:
    found = list(fixed_problems(config(**before), config(**after)))
    assert [problem.path for problem in found] == [path]
    assert found[0].sentence.endswith("while the gateway runs: restart it")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"realm": "other", "log": Log(level="error", access="none")}),
        ({"tls": TLS}, {"tls": ListenerTls(certificate="/other", key="/k")}),
        ({"revocation": Revocation()}, {"revocation": Revocation(keep=Seconds(60))}),
        ({}, {"store": StoreSection(timeout=Seconds(1))}),
    ],
)
def test_the_rest_may_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert list(fixed_problems(config(**before), config(**after))) == []


def test_keys_that_do_not_exist_yet_do_not_differ() -> None:
    assert {"tracing", "console", "decisions_grpc"} <= set(FIXED)


def test_what_a_variable_sets_stands_whatever_the_file_says() -> None:
    origins = {"listen": "GATEWAY_LISTEN"}
    assert list(shadowed_problems({"listen": ":1"}, {"listen": ":1"}, origins)) == []
    (changed,) = shadowed_problems({"listen": ":1"}, {"listen": ":2"}, origins)
    assert str(changed) == ("listen: is set by GATEWAY_LISTEN, which cannot change while the gateway runs: restart it")
    (new,) = shadowed_problems({}, {"listen": ":2"}, origins)
    assert new == changed
