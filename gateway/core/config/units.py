"""What number a duration or a size is: one number and one unit, nothing cleverer.

Knows nothing of which key it is read for, nor of what would be sensible there.
"""

import math
import re
from fractions import Fraction

from gateway.core.config.section import Seconds, Size

#: Ten years of 365 days. Whatever is longer is a slip of the pen.
MAX_SECONDS = 10 * 365 * 24 * 3600
#: 1 TiB.
MAX_SIZE = 1 << 40

_SECONDS_IN = {"": Fraction(1), "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}
_BYTES_IN = {"": Fraction(1), "B": Fraction(1), "KiB": Fraction(1 << 10), "MiB": Fraction(1 << 20)}
_BYTES_IN["GiB"] = Fraction(1 << 30)

#: For the JSON Schema.
SECONDS_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,9})?(ms|s|m|h)?$"
SIZE_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,9})?(B|KiB|MiB|GiB)?$"

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z]*)")

_SECONDS_FORM = "must be a duration: one number with ms, s, m or h, such as 30s, or a plain number of seconds"
_SIZE_FORM = "must be a size: one number with B, KiB, MiB or GiB, such as 16KiB, or a whole number of bytes"


def parse_seconds(value: object) -> Seconds:
    """A duration as text (`30s`, `1.5m`) or as a number of seconds, from zero to ten years.

    ValueError carries a sentence that fits behind the key.
    """
    if isinstance(value, str):
        exact = _parse_quantity(value, _SECONDS_IN, _SECONDS_FORM)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_SECONDS_FORM)  # noqa: TRY004 - one kind of failure, whatever the file has
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite duration")
    else:
        exact = Fraction(value)
    if exact < 0:
        raise ValueError("must not be negative")
    if exact > MAX_SECONDS:
        raise ValueError("must not be longer than ten years (87600h)")
    return Seconds(exact)


def parse_size(value: object) -> Size:
    """A size as text (`16KiB`, `512B`) or as a whole number of bytes, from zero to 1 TiB.

    ValueError carries a sentence that fits behind the key.
    """
    if isinstance(value, str):
        exact = _parse_quantity(value, _BYTES_IN, _SIZE_FORM)
    elif isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(_SIZE_FORM)  # noqa: TRY004 - as above
    else:
        exact = Fraction(value)
    if exact < 0:
        raise ValueError("must not be negative")
    if exact > MAX_SIZE:
        raise ValueError("must not be larger than 1024GiB")
    if exact.denominator != 1:
        raise ValueError("must be a whole number of bytes")
    return Size(exact)


def _parse_quantity(text: str, units: dict[str, Fraction], form: str) -> Fraction:
    if text.startswith("-"):
        raise ValueError("must not be negative")
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in units:
        raise ValueError(form)
    return Fraction(match[1]) * units[match[2]]
