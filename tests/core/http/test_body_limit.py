import pytest

from gateway.core.errors import BodyTooLarge
from gateway.core.http.body_limit import check_length
from tests.memory import facts


@pytest.mark.parametrize("length", [None, 0, 10])
def test_what_is_within_the_limit_or_has_no_length_passes(length: int | None) -> None:
    check_length(facts(content_length=length), most=10)


def test_a_length_beyond_the_limit_is_refused() -> None:
    with pytest.raises(BodyTooLarge, match="a body of 11 bytes; 10 are accepted"):
        check_length(facts(content_length=11), most=10)
