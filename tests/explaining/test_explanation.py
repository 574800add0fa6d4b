"""What is explained beside a gateway that serves uses its keys, and leaves it as it was. Most of it: tests/commands/test_explain.py."""

from gateway.core.config.revocation import Revocation
from gateway.core.errors import TokenRevoked
from gateway.core.revocation.entry import revoking
from gateway.explaining.explanation import explain, members_of, split_url, usual_host
from tests.process.console.conftest import opened, start
from tests.wire import Start, demo_issuer

__all__ = ["opened", "start"]


async def test_beside_what_serves_its_keys_and_its_list_count(start: Start) -> None:
    gateway = await start(revocation=Revocation())
    assembly = gateway.gateway.assembly
    token = demo_issuer().access_token(alg="ES256")
    asked = assembly.issuers.status()
    explanation = await explain(assembly.config, token.encode(), beside=assembly)
    assert explanation.verdict == "admitted"
    assert assembly.revocations is not None
    await assembly.revocations.add(
        revoking("subject", issuer="https://issuer.test", value="alice", now=10**9 * 2.0, keep=3600.0), source="command"
    )
    explanation = await explain(assembly.config, token.encode(), beside=assembly)
    assert members_of(explanation)["reason"] == TokenRevoked.reason
    # It is not closed with what was built for the explanation, and nobody was asked anew.
    assert [one.age is not None for one in asked] == [True]
    assert assembly.issuers.find_keys("issuer.test", alg="ES256", kid=None)
    assert assembly.gate.verifier.recall(b"x" * 32) is None


def test_a_path_is_taken_as_it_stands_and_a_url_has_a_host() -> None:
    assert split_url("//a/b#c") == ("", "//a/b")
    assert split_url("https://a.example/b?c") == ("a.example", "/b?c")
    assert usual_host.__doc__
