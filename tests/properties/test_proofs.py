"""Whatever is sent as a proof, what comes out is a proof that was signed for this request, or a refusal."""

from contextlib import suppress
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.dpop import DPoPSection
from gateway.core.errors import Refusal
from gateway.core.http.client_url import normalised
from gateway.core.proof.dpop import DPoPRules, Proof, Proven, check_proof, find_proof, uses_dpop
from gateway.core.proof.used import UsedProofs
from gateway.core.trail import Trail
from tests.properties.json_values import VALUES
from tests.prover import HOLDER, URL, bound_to, proof, proof_claims
from tests.signer import NOW, public_jwk

RULES = DPoPRules(DPoPSection())
GOOD = proof(jti="good", nonce="n")
PROVEN = Proven(
    method="GET",
    url=URL,
    digest=sha256(b"token").digest(),
    thumbprint=bound_to()["jkt"],
    leeway=30.0,
    nonces=frozenset({"n"}),
)
MEMBERS = st.sampled_from(["typ", "alg", "jwk", "crit", "b64", "kid", "x5c"])
CLAIMS = st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf", "cnf"])


def judged(raw: bytes) -> Proof | None:
    with suppress(Refusal):
        return check_proof(raw, RULES, PROVEN, now=NOW, trail=Trail())
    return None


def test_the_one_that_is_changed_here_is_good() -> None:
    assert judged(GOOD) is not None


@given(
    st.one_of(
        st.binary(max_size=200), st.lists(st.sampled_from([*GOOD.split(b"."), b".", b"=", b" ", b""])).map(b"".join)
    )
)
def test_any_bytes_are_refused(raw: bytes) -> None:
    assert judged(raw) is None or raw == GOOD


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=1))
def test_a_proof_with_another_byte_is_none(at: int, byte: bytes) -> None:
    changed = GOOD[:at] + byte + GOOD[at + 1 :]
    assert (judged(changed) is not None) is (changed == GOOD)


@given(st.dictionaries(MEMBERS, VALUES, min_size=1, max_size=3))
def test_a_header_with_any_values_is_judged(changes: dict[str, Any]) -> None:
    good = {"typ": "dpop+jwt", "alg": "ES256", "jwk": {k: v for k, v in public_jwk(HOLDER).items() if k != "kid"}}
    found = judged(proof(header=changes, nonce="n"))
    harmless = all(name in {"kid", "x5c"} or (name in good and good[name] == value) for name, value in changes.items())
    assert (found is not None) is harmless


@given(st.dictionaries(MEMBERS, VALUES, max_size=2), st.dictionaries(CLAIMS, VALUES, min_size=1, max_size=3))
def test_claims_with_any_values_are_judged(header: dict[str, Any], changes: dict[str, Any]) -> None:
    found = judged(proof(header=header, **{"nonce": "n", **changes}))
    if found is not None:
        said = {"nonce": "n", **proof_claims(**changes)}
        assert (said["htm"], said["ath"], said["nonce"]) == ("GET", proof_claims()["ath"], "n")
        assert normalised(said["htu"]) == normalised(URL)
        assert found.jti == changes.get("jti", found.jti)
        assert 1 <= len(found.jti) <= 256
        assert NOW - 90 <= found.issued_at <= NOW + 5


@given(st.lists(st.tuples(st.sampled_from([b"DPoP", b"dpop", b"X"]), st.binary(max_size=5)), max_size=4))
def test_any_headers_have_one_or_a_refusal(headers: list[tuple[bytes, bytes]]) -> None:
    with suppress(Refusal):
        assert [value for name, value in headers if name.lower() == b"dpop"] == [find_proof(headers)]


@given(st.lists(st.binary(max_size=12), max_size=3))
def test_any_authorization_has_a_scheme_or_none(values: list[bytes]) -> None:
    assert uses_dpop(values) is (len(values) == 1 and values[0].strip(b" \t").split(b" ")[0].lower() == b"dpop")


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 300), st.floats(0, 100)), max_size=40))
def test_no_proof_is_used_twice_within_its_time_whatever_the_order(uses: list[tuple[int, float, float]]) -> None:
    used, now = UsedProofs(), 0.0
    ends: dict[bytes, float] = {}
    for number, lives, later in uses:
        now += later
        used.forget(now)
        digest = b"%d" % number
        if used.use(digest, until=now + lives, now=now):
            assert ends.get(digest, 0.0) <= now
            ends[digest] = now + lives
