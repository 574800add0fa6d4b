"""Turns of the loop: whoever had one waits until all others that wait had theirs."""

import asyncio

from gateway.relay.client.turns import Turns


async def test_one_goes_on_in_each_turn_of_the_loop_and_in_order() -> None:
    turns, heard = Turns(), list[str]()
    for name in "abc":
        turns.put_off(lambda name=name: heard.append(name))  # type: ignore[misc]
    assert repr(turns) == "<Turns, 3 waiting>"
    for count in range(4):
        assert heard == list("abc")[:count]
        await asyncio.sleep(0)
    assert repr(turns) == "<Turns, 0 waiting>"


async def test_who_is_put_off_again_comes_behind_the_others() -> None:
    turns, heard = Turns(), list[str]()

    def again() -> None:
        heard.append("greedy")
        if heard.count("greedy") < 3:
            turns.put_off(again)

    turns.put_off(again)
    turns.put_off(lambda: heard.append("modest"))
    for _ in range(6):
        await asyncio.sleep(0)
    assert heard == ["greedy", "modest", "greedy", "greedy"]


async def test_it_may_be_put_off_when_nobody_waits_any_more() -> None:
    turns, heard = Turns(), list[int]()
    for count in range(3):
        turns.put_off(lambda count=count: heard.append(count))  # type: ignore[misc]
        await asyncio.sleep(0)
        assert heard == list(range(count + 1))


async def test_who_awaits_a_turn_has_it_to_itself_and_who_gave_up_keeps_nobody_waiting() -> None:
    turns = Turns()
    first, given_up, last = turns.next(), turns.next(), turns.next()
    given_up.cancel()
    for done in ((True, False), (True, False), (True, True)):
        await asyncio.sleep(0)
        assert (first.done(), last.done()) == done
    await asyncio.gather(first, last)
