"""Events say what they are, and nothing of what was sent."""

from gateway.core.errors import BadRequest
from gateway.relay.http1.events import END, UPGRADE, Broken, Data


def test_an_event_is_known_by_its_repr() -> None:
    events = [Data(b"secret"), END, UPGRADE, Broken(BadRequest("secret"))]
    assert list(map(repr, events)) == ["<Data of 6 bytes>", "<End>", "<Upgrade>", "<Broken: bad_request>"]
