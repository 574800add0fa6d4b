from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.config.decisions_grpc import GrpcDecisions, GrpcTls
from gateway.core.config.file import Config, grpc_decisions_of, is_asked
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer

HERE = "127.0.0.1:9001"
TLS = GrpcTls(certificate="/c.pem", key="/k.pem", client_ca="/ca.pem")


def a_config(asked: str | GrpcDecisions | None = HERE, **settings: Any) -> Config:
    return Config(
        **{
            "upstream": "http://127.0.0.1:3000",
            "issuers": (Issuer(issuer="https://i.example", audience="a"),),
            "trusted_proxies": ("10.0.0.0/8",),
            "decisions_grpc": asked,
            **settings,
        }
    )


def test_the_long_form_of_an_address() -> None:
    assert grpc_decisions_of(a_config()) == GrpcDecisions(address=HERE)
    assert grpc_decisions_of(a_config(GrpcDecisions(address=HERE, tls=TLS))) == GrpcDecisions(address=HERE, tls=TLS)
    assert grpc_decisions_of(a_config(None)) is None
    assert is_asked(a_config())
    assert is_asked(a_config(None, decisions=HERE))
    assert not is_asked(a_config(None))


@pytest.mark.parametrize(
    "config",
    [
        a_config(),
        a_config("[::1]:9001"),
        a_config(GrpcDecisions(address=":9001", tls=TLS)),
        a_config(GrpcDecisions(address="127.0.0.1:0", tls=GrpcTls(certificate="/c.pem", key="/k.pem"))),
        a_config(decisions="127.0.0.1:8081"),
    ],
)
def test_sound_ones_have_neither_problems_nor_warnings(config: Config) -> None:
    assert problems(config) == []
    assert warnings(config) == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (a_config("9001"), "decisions_grpc: must be address:port"),
        (a_config(GrpcDecisions(address="")), "decisions_grpc: must be address:port"),
        (a_config("unix:/run/grpc.sock"), "decisions_grpc: must be address:port: over a unix socket"),
        (a_config("127.0.0.1:8080"), "decisions_grpc: must not be the address of listen"),
        (a_config("127.0.0.1:9090"), "decisions_grpc: must not be the address of admin"),
        (a_config(decisions=HERE), "decisions_grpc: must not be the address of decisions"),
        (a_config(workers=2), "decisions_grpc: needs workers: 1"),
        (a_config(trusted_proxies=()), "decisions_grpc: needs the proxies' addresses in trusted_proxies"),
        (a_config(trusted_proxies=("unix",)), "decisions_grpc: needs the proxies' addresses in trusted_proxies"),
        (
            a_config(GrpcDecisions(address=HERE, tls=GrpcTls(certificate="", key="/k.pem"))),
            "decisions_grpc.tls.certificate: must not be empty",
        ),
        (
            a_config(identity_headers={"X-A": IdentityHeader(claim="a", format="repeat", encoding="none")}),
            "identity_headers.X-A.encoding: cannot be none",
        ),
    ],
)
def test_what_must_be_corrected(config: Config, problem: str) -> None:
    assert [str(told)[: len(problem)] for told in problems(config)] == [problem]


def test_an_upstream_that_is_this_listener_is_a_problem() -> None:
    assert any("upstream" in str(told) for told in problems(a_config(upstream="http://127.0.0.1:9001")))


@pytest.mark.parametrize(
    ("asked", "warned"),
    [(":9001", True), ("10.1.2.3:9001", True), (HERE, False), ("nowhere", False), ("unix:/s", False)],
)
def test_tokens_that_cross_the_network_as_they_are_ought_to_be_known(asked: str, *, warned: bool) -> None:
    told = [str(warning) for warning in warnings(a_config(asked)) if warning.path == "decisions_grpc"]
    assert bool(told) == warned
