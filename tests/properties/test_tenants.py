"""Whatever a token says of its tenant: it is a listed one's, or nobody's; and nobody is asked for those of nobody."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.errors import Refusal, UnknownIssuer
from gateway.core.token.credential import Credential
from gateway.core.token.digests import digest_of
from gateway.core.trail import Trail
from gateway.verifier import Verifier
from tests.memory import MemoryIssuers, Recorder, key_set
from tests.signer import NOW, issuer, sign, some_claims

URL = "https://login.example/{tid}/v2.0"
LISTED = ("a", "b", "0f-1")
#: kept apart, so that every tenant has keys that only its own tokens find
NAMES = frozenset(URL.replace("{tid}", tenant) for tenant in LISTED)

TENANTS = st.one_of(
    st.sampled_from([*LISTED, "A", "c", "", "{tid}", "..", "a/v2.0", "a%2f", "0f-1 "]),
    st.text("ab0f-1/.%{}", max_size=6),
    st.text(max_size=70),
)
ISSUERS = st.one_of(TENANTS.map(lambda tenant: URL.replace("{tid}", tenant)), TENANTS, st.none(), st.integers())
CLAIMS = st.one_of(TENANTS, st.none(), st.integers(), st.lists(TENANTS, max_size=2), st.just(...))


async def judged(iss: Any, tid: Any) -> tuple[Any, MemoryIssuers]:
    keys = MemoryIssuers(known=key_set(), published=key_set("p-256"), names=NAMES)
    config = Config(upstream="http://h", issuers=(issuer(issuer=URL, tenants=LISTED),))
    verifier = Verifier(config, issuers=keys, observer=Recorder(), clock=lambda: NOW)
    token = sign(some_claims(iss=iss, tid=tid), name="p-256")
    try:
        return await verifier.verify(Credential(token), digest_of(token), Trail()), keys
    except Refusal as refusal:
        return refusal, keys


@given(ISSUERS, CLAIMS)
async def test_it_is_a_listed_tenant_s_or_refused_and_nobody_is_asked_for_what_is_not(iss: Any, tid: Any) -> None:
    found, keys = await judged(iss, tid)
    if isinstance(found, Refusal):
        assert isinstance(found, UnknownIssuer)
        assert keys.fetches == []
        assert iss not in NAMES or tid not in LISTED or iss != URL.replace("{tid}", tid)
    else:
        assert tid in LISTED
        assert (found.tenant, found.iss, found.signers) == (tid, URL.replace("{tid}", tid), iss)
        assert {name for name, _, _ in keys.fetches} == {iss}


@given(st.sampled_from(LISTED), st.sampled_from(LISTED))
async def test_a_token_of_one_tenant_never_passes_as_another_s(one: str, other: str) -> None:
    found, _ = await judged(URL.replace("{tid}", one), other)
    assert isinstance(found, Refusal) == (one != other)
