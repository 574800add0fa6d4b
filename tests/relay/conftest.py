"""A whole gateway between a raw client and a raw upstream."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.wire import WAY, RawClient, Running, Start, starting

#: what is tested in both ways of serving: whole modules, and tests
BOTH_WAYS = {
    "tests.relay.test_transparency",
    "tests.relay.test_policy_table",
    "tests.relay.test_faults",
    "test_no_request_is_smuggled",
    "test_what_is_refused_is_refused_behind_a_good_request_too",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Twice: within the call that brought a request, and as a task of asyncio's that waits for its turns."""
    if {metafunc.module.__name__, metafunc.function.__name__} & BOTH_WAYS:
        metafunc.parametrize("_way_of_serving", [True, False], ids=["at once", "in turns"], indirect=True)


@pytest.fixture(autouse=True)
def _way_of_serving(request: pytest.FixtureRequest) -> Iterator[None]:
    WAY.serves_at_once = getattr(request, "param", True)
    yield
    WAY.serves_at_once = True


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    """Starts gateways with settings that differ from the usual ones."""
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts


@pytest_asyncio.fixture
async def gateway(start: Start) -> Running:
    return await start()


@pytest_asyncio.fixture
async def client(gateway: Running) -> RawClient:
    return await gateway.client()
