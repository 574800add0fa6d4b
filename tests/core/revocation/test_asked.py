"""What somebody wants revoked, as entries."""

from hashlib import sha256

import pytest

from gateway.core.config.file import Config
from gateway.core.config.revocation import Revocation
from gateway.core.revocation.asked import entries_for, expiry_of, issuer_meant
from gateway.core.revocation.entry import CLOCKS, Kind
from gateway.core.token.handles import fixed_part
from tests.signer import compact, issuer, some_claims, some_header

URL = "https://login.example/{tid}/v2.0"
KEYS = "https://login.example/keys"
SECTION = Revocation()


@pytest.mark.parametrize("kind", ["sid", "jti", "client", "issuer"])
def test_a_kind_is_one_entry(kind: Kind) -> None:
    value = "" if kind == "issuer" else "v"
    (entry,) = entries_for(kind, SECTION, value=value, issuer="https://i", reason="r", now=100.0)
    assert (entry.kind, entry.issuer, entry.value, entry.reason) == (kind, "https://i", value, "r")


def test_who_lifts_a_subject_lifts_what_a_logout_has_done_too() -> None:
    kinds = [
        [one.kind for one in entries_for("subject", SECTION, value="a", issuer="i", is_lifting=lifts, now=1.0)]
        for lifts in (False, True)
    ]
    assert kinds == [["subject"], ["subject", "sessionless"]]


def test_a_token_is_known_by_its_digest_until_it_ends() -> None:
    token = compact(some_header(), some_claims(exp=1000))
    (entry,) = entries_for("token", SECTION, value=token.decode(), now=100.0)
    assert (entry.value, entry.until) == (sha256(fixed_part(token)).hexdigest(), 1000 + CLOCKS)


@pytest.mark.parametrize(("exp", "expected"), [(1000, 1000.0), ("1000", None), (True, None), (-1, None), (None, None)])
def test_an_end_is_a_time(exp: object, expected: float | None) -> None:
    assert expiry_of(compact(some_header(), some_claims(exp=exp))) == expected


def test_what_is_no_token_has_no_end() -> None:
    assert expiry_of(b"opaque") is None


def config(*issuers: dict[str, object]) -> Config:
    return Config(issuers=tuple(issuer(**one) for one in issuers), upstream="http://a")


def meant(configured: Config, wanted: str | None) -> str:
    return issuer_meant(configured, wanted, how="say it")


def test_an_issuer_is_meant_by_its_name_or_by_itself_and_the_only_one_by_nothing() -> None:
    one = config({"issuer": "https://i.example", "name": "i.example"})
    assert meant(one, None) == meant(one, "i.example") == meant(one, "https://i.example") == "https://i.example"
    with pytest.raises(ValueError, match=r"there is no such issuer; known are i\.example"):
        meant(one, "other")
    two = config(
        {"issuer": "https://i.example", "name": "i.example"}, {"issuer": "https://j.example", "name": "j.example"}
    )
    assert meant(two, "https://j.example") == "https://j.example"
    with pytest.raises(ValueError, match=r"there are several issuers: say it, one of i\.example, j\.example"):
        meant(two, None)


def test_of_many_tenants_one_has_to_be_named() -> None:
    many = config({"issuer": URL, "name": "many", "tenants": ("a", "b"), "jwks_url": KEYS})
    assert meant(many, "https://login.example/a/v2.0") == "https://login.example/a/v2.0"
    with pytest.raises(ValueError, match=r"many has tenants: say it with that of one, such as .*/TENANT/v2\.0"):
        meant(many, "many")
    for stranger in ("https://login.example/c/v2.0", "https://login.example/"):
        with pytest.raises(ValueError, match="there is no such issuer"):
            meant(many, stranger)
