"""Being more lenient never refuses what passed."""

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidToken
from gateway.core.token.jwt import check_times
from gateway.core.token.rules import rules_of
from tests.properties.json_values import VALUES
from tests.signer import NOW, issuer

#: seconds around now, where the boundaries are, and times that are none
MOMENTS = st.one_of(
    st.floats(-400, 400).map(lambda offset: NOW + offset), st.integers(-400, 400).map(lambda n: NOW + n), VALUES
)
CLAIMS = st.fixed_dictionaries({"exp": MOMENTS}, optional={"nbf": MOMENTS, "iat": MOMENTS})
LEEWAYS = st.one_of(st.floats(0, 300), st.integers(0, 300))


def passes(claims: dict[str, Any], leeway: float, max_lifetime: float | None) -> bool:
    rules = rules_of(issuer(leeway=leeway, max_lifetime=max_lifetime))
    with suppress(InvalidToken):
        check_times(claims, rules, now=NOW)
        return True
    return False


@given(CLAIMS, LEEWAYS, LEEWAYS, st.one_of(st.none(), st.floats(0, 1_000)), st.floats(0, 1_000))
def test_more_leeway_or_lifetime_never_refuses_what_passed(
    claims: dict[str, Any], leeway: float, more: float, max_lifetime: float | None, longer: float
) -> None:
    if passes(claims, leeway, max_lifetime):
        assert passes(claims, leeway + more, max_lifetime)
        assert passes(claims, leeway, None)
        assert max_lifetime is None or passes(claims, leeway, max_lifetime + longer)
