"""All store work of a request has one time together, and what outlives the request counts on the same."""

import asyncio
from typing import Any, cast

from gateway.ports import Exchange
from gateway.store.budget import seconds_left, spend, within_budget


async def test_outside_of_a_request_there_is_always_all_of_it() -> None:
    spend(1.0)
    assert seconds_left(0.25) == 0.25


async def test_each_request_on_a_connection_has_its_own() -> None:
    left: list[float] = []

    async def handle(exchange: Any) -> None:
        left.append(seconds_left(0.25))
        spend(0.1)
        left.append(seconds_left(0.25))
        await asyncio.create_task(later())

    async def later() -> None:
        spend(0.1)
        left.append(seconds_left(0.25))

    handled = within_budget(handle)
    for _ in range(2):
        await handled(cast("Exchange", None))
    assert [round(one, 6) for one in left] == [0.25, 0.15, 0.05] * 2
