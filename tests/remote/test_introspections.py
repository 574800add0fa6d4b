"""The port for all issuers that are asked."""

from hashlib import sha256

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.errors import IntrospectionUnavailable
from gateway.remote.introspections import RemoteIntrospections
from tests.issuer import HostileIssuer, SimulatedClock
from tests.memory import MemoryIssuers
from tests.remote.introspecting import SECRET, Endpoint, Heard, memory


async def test_each_stands_for_itself(issuer: HostileIssuer) -> None:
    endpoint = Endpoint(issuer)
    working = endpoint.configured(endpoint.section())
    down = endpoint.configured(
        endpoint.section(endpoint=f"{issuer.url}/nowhere"), name="down", issuer=f"{issuer.url}/down"
    )
    plain = Issuer(issuer="https://plain.example", audience="a")
    introspections = RemoteIntrospections(
        [plain, working, down],
        issuers=MemoryIssuers(),
        read={SECRET: "sesame"}.__getitem__,
        cache=memory(SimulatedClock()),
        observer=Heard(),
    )
    digest = sha256(b"opaque").digest()
    with pytest.raises(IntrospectionUnavailable, match="down: the response has status 404"):
        await introspections.introspect("down", b"opaque", digest)
    assert (await introspections.introspect("local", b"opaque", digest)).members["active"] is True
    assert [(one.name, one.reason) for one in introspections.status()] == [
        ("local", None),
        ("down", "the response has status 404"),
    ]
    with pytest.raises(KeyError):
        await introspections.introspect("plain.example", b"opaque", digest)
    await introspections.stop()
    await introspections.stop()
