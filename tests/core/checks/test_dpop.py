"""Which `dpop` can be served, and which tokens an issuer may demand."""

from typing import Any

import pytest

from gateway.core.checks.dpop import dpop_problems, dpop_warnings
from gateway.core.checks.problems import problems, warnings
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreSection
from gateway.core.config.tls import ListenerTls
from gateway.core.config.userinfo import UserInfoSection
from tests.signer import issuer

SECRET = Secret(file="/run/secrets/nonce")
HEADER = ClientCertificateHeader(name="Client-Cert", format="rfc9440")
STORE = StoreSection(url="redis://127.0.0.1:6379", secrets=(SECRET,))


def config(dpop: DPoPSection | None = DPoPSection(), *, binding: Any = "any", **settings: Any) -> Config:  # noqa: B008
    defaults: dict[str, Any] = {"external_url": "https://api.example.com", "issuers": (issuer(binding=binding),)}
    return Config(upstream="http://127.0.0.1:1", dpop=dpop, **{**defaults, **settings})


def told(of: Config) -> list[str]:
    return [f"{problem.path}: {problem.sentence}".split(":")[0] for problem in dpop_problems(of)]


@pytest.mark.parametrize(
    "good",
    [
        config(None),
        config(),
        config(external_url=None, hosts=("api.example.com",)),
        config(store=STORE, workers=4),
        config(DPoPSection(nonce="required"), store=STORE),
        config(DPoPSection(nonce="required", nonce_key=SECRET)),
        config(DPoPSection(algorithms=("ES512",), max_age=Seconds(5))),
        config(DPoPSection(max_age=Seconds(600))),
        config(binding="dpop"),
        config(binding="bound"),
        config(None, binding="mtls", client_certificate_header=HEADER, trusted_proxies=("10.0.0.0/8",)),
        config(None, binding="bound", client_certificate_header=HEADER, trusted_proxies=("10.0.0.0/8",)),
        config(None, binding="mtls", tls=ListenerTls(certificate="c", key="k", client_certificates="optional")),
        config(decisions=":9000", trusted_proxies=("10.0.0.0/8",)),
    ],
)
def test_what_can_be_served_has_no_problem(good: Config) -> None:
    assert told(good) == []
    assert [problem for problem in problems(good) if "dpop" in problem.path] == []


@pytest.mark.parametrize(
    ("bad", "paths"),
    [
        (config(external_url=None), ["dpop"]),
        (config(external_url=None, hosts=("api.example.com",), decisions=":9000"), ["dpop"]),
        (config(workers=2), ["dpop"]),
        (config(DPoPSection(nonce="required")), ["dpop.nonce_key"]),
        (config(DPoPSection(algorithms=())), ["dpop.algorithms"]),
        (
            config(DPoPSection(algorithms=("ES256", "none", "HS256", "es256"))),
            [f"dpop.algorithms[{n}]" for n in (1, 2, 3)],
        ),
        (config(DPoPSection(max_age=Seconds(4))), ["dpop.max_age"]),
        (config(DPoPSection(max_age=Seconds(601))), ["dpop.max_age"]),
        (config(None, binding="dpop"), ["issuers[0].binding"]),
        (config(binding="mtls"), ["issuers[0].binding"]),
        (config(None, binding="bound"), ["issuers[0].binding"]),
        (config(None, binding="mtls", tls=ListenerTls(certificate="c", key="k")), ["issuers[0].binding"]),
    ],
)
def test_what_cannot_be_served_is_said_where_it_stands(bad: Config, paths: list[str]) -> None:
    assert told(bad) == paths
    assert set(paths) <= {problem.path for problem in problems(bad)}


@pytest.mark.parametrize(
    ("odd", "paths"),
    [
        (config(None), []),
        (config(store=STORE), []),
        (config(), ["dpop"]),
        (config(DPoPSection(nonce_key=SECRET), store=STORE), ["dpop.nonce_key"]),
        (config(DPoPSection(nonce="required", nonce_key=SECRET), store=STORE), ["dpop.nonce_key"]),
        (config(DPoPSection(nonce="required", nonce_key=SECRET)), ["dpop"]),
        (
            config(store=STORE, issuers=(issuer(binding="dpop", userinfo=UserInfoSection(claims=("email",))),)),
            ["issuers[0].userinfo"],
        ),
    ],
)
def test_what_ought_to_be_known_is_said(odd: Config, paths: list[str]) -> None:
    assert [warning.path for warning in dpop_warnings(odd)] == paths
    assert set(paths) <= {warning.path for warning in warnings(odd)}
