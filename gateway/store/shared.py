"""aiocache's cache in the Redis of the store. Imported where there is one, only then."""

from typing import Any

from aiocache.backends.redis import RedisCache
from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer


class SharedMemory(RedisCache):  # type: ignore[misc]
    """On the client that everything else uses: its own would know no user, no authorities and no Sentinel."""

    def __init__(self, client: Any) -> None:
        """`client`: redis-py's."""
        # Not its parent's, which makes a pool.
        BaseCache.__init__(self, serializer=NullSerializer(encoding=None), timeout=None)
        self.client = client
