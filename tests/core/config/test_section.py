import msgspec
import pytest

from gateway.core.config.section import Seconds, Section, Size, default


class Garden(Section, frozen=True, kw_only=True):
    beds: dict[str, int] = default({"roses": 1})
    watering: Seconds = default(Seconds(60))
    size: Size = default(Size(9))


def test_a_section_is_frozen_strict_and_written_with_names() -> None:
    garden = Garden(size=Size(1))
    with pytest.raises(AttributeError):
        garden.size = Size(2)  # type: ignore[misc]
    with pytest.raises(TypeError):
        Garden({})  # type: ignore[call-arg]
    with pytest.raises(msgspec.ValidationError, match="unknown field `bed`"):
        msgspec.convert({"bed": 1}, Garden)


def test_a_default_is_that_value() -> None:
    assert Garden() == Garden(beds={"roses": 1}, watering=Seconds(60), size=Size(9))
