"""This wheel beside the one before, unpacked elsewhere: the same rows, taken in turn, each wheel once a round."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.peers import gateway
from tests.bench.programs import CannotMeasure
from tests.bench.races import Comparison, Race, Side
from tests.bench.rows import ROWS

#: of the rate before, what no change may cost more than
TARGET: Final = 0.98
_AFTER, _BEFORE = "after", "before"


def rows_against(wheel: Path) -> tuple[Race, ...]:
    """A race of two for each side that the gateway takes in a row with a steady load. CannotMeasure: it is no wheel.

    `wheel`: where the wheel before was unpacked, such as build/compiled of another clone.
    """
    if not (wheel / "gateway" / "cli.py").is_file() and not list((wheel / "gateway").glob("cli*.so")):
        raise CannotMeasure(f"{wheel} is no unpacked wheel of the gateway")
    return tuple(_races(wheel.resolve()))


def _races(wheel: Path) -> Iterator[Race]:
    seen = set()
    for race in ROWS:
        if isinstance(race, Race) and race.row not in {"context", "quiet"}:
            for name, side in race.sides.items():
                starter = race.peers[side.peer]
                load = (starter, replace(side, peer=""), race.connections, race.tokens)
                # The row of one token stands beside others, for comparison.
                if isinstance(starter, gateway) and load not in seen:
                    seen.add(load)
                    yield _race(race, name, side, starter, wheel)


def _race(race: Race, name: str, side: Side, starter: gateway, wheel: Path) -> Race:
    what = race.row if name in {"gateway", "other"} else f"{race.row}, {name}"
    return Race(
        race.row,
        peers={_AFTER: starter, _BEFORE: replace(starter, wheel=wheel)},
        sides={_AFTER: replace(side, peer=_AFTER), _BEFORE: replace(side, peer=_BEFORE)},
        comparisons=(Comparison(f"{what}: this wheel against the one before", _AFTER, _BEFORE, TARGET),),
        connections=race.connections,
        tokens=race.tokens,
        passes=race.passes,
        # The wheel before may have had another memory.
        hits={_AFTER: race.hits[name]} if name in race.hits else {},
    )
