"""Who gives way: the oldest of the most numerous kind, and nobody who has something to do."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.client.crowd import BEGINNING, IDLING, LINGERING, NOWHERE, Crowd


class One:
    """A connection that knows its place."""

    def __init__(self) -> None:
        self.place = NOWHERE

    def go(self, crowd: Crowd, place: int) -> None:
        crowd.move(self, was=self.place, now=place)
        self.place = place

    def give_way(self) -> bool:
        raise NotImplementedError


def a_crowd(**counts: int) -> tuple[Crowd, dict[str, list[One]]]:
    crowd, members = Crowd(), {name: [One() for _ in range(count)] for name, count in counts.items()}
    for name, kind in (("begun", BEGINNING), ("idle", IDLING), ("lingering", LINGERING)):
        for one in members.get(name, []):
            one.go(crowd, kind)
    return crowd, members


def test_nobody_gives_way_where_everybody_has_something_to_do() -> None:
    crowd, _ = a_crowd()
    assert crowd.pop() is None
    one = One()
    for place in (IDLING, NOWHERE, NOWHERE):
        one.go(crowd, place)
    assert crowd.pop() is None


def test_the_oldest_gives_way() -> None:
    crowd, members = a_crowd(idle=3)
    first, second, third = members["idle"]
    first.go(crowd, IDLING)
    assert [crowd.pop(), crowd.pop(), crowd.pop(), crowd.pop()] == [second, third, first, None]


def test_a_few_are_not_pushed_out_by_many_of_another_kind() -> None:
    crowd, members = a_crowd(idle=1, begun=4, lingering=2)
    assert repr(crowd) == "<Crowd 1 idle, 4 begun, 2 lingering, 0 taking>"
    assert [crowd.pop() for _ in range(3)] == members["begun"][:3]
    assert crowd.pop() == members["lingering"][0]
    assert len([crowd.pop() for _ in range(3)]) == 3
    assert repr(crowd) == "<Crowd 0 idle, 0 begun, 0 lingering, 0 taking>"


def test_who_begins_a_head_changes_its_kind() -> None:
    crowd, members = a_crowd(idle=2)
    members["idle"][0].go(crowd, BEGINNING)
    assert repr(crowd) == "<Crowd 1 idle, 1 begun, 0 lingering, 0 taking>"


def test_who_was_popped_may_go_where_it_was() -> None:
    crowd, members = a_crowd(idle=1)
    assert crowd.pop() is members["idle"][0]
    members["idle"][0].go(crowd, NOWHERE)
    assert crowd.pop() is None


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([IDLING, BEGINNING, LINGERING, NOWHERE])), max_size=60))
def test_whatever_they_do_the_right_one_gives_way(steps: list[tuple[int, int]]) -> None:
    crowd, ones = Crowd(), [One() for _ in range(10)]
    model: OrderedDict[int, int] = OrderedDict()
    for number, kind in steps:
        model.pop(number, None)
        ones[number].go(crowd, kind)
        if kind != NOWHERE:
            model[number] = kind
    while model:
        kinds = list(model.values())
        most = max((IDLING, BEGINNING, LINGERING), key=kinds.count)
        expected = next(number for number, kind in model.items() if kind == most)
        assert crowd.pop() is ones[expected]
        del model[expected]
    assert crowd.pop() is None
