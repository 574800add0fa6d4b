"""The messages that Envoy and the gateway exchange: what is read of them, and what is written."""

import pytest

from gateway.core.decision.attributes import Attributes
from gateway.decisions.calls import Admitted, Denied, Verdict
from gateway.decisions.grpc_messages import CheckRequest, CheckResponse, Unreadable, parse_check, write_verdict
from tests.memory import identity


def test_what_is_asked_is_read() -> None:
    message = CheckRequest()
    http = message.attributes.request.http
    http.id, http.method, http.path, http.host, http.scheme = "7", "GET", "/a?b", "api.test", "https"
    http.protocol, http.size = "HTTP/2", 12
    http.headers["authorization"] = "Bearer a"
    http.header_map.headers.add(key="x-a", raw_value=b"\xff")
    http.header_map.headers.add(key="x-b", value="text")
    http.header_map.headers.add(key="x-c")
    told = parse_check(message.SerializeToString())
    lines = ((b"x-a", b"\xff"), (b"x-b", b"text"), (b"x-c", b""))
    assert told == Attributes(
        *("GET", "/a?b", "api.test", "https", "HTTP/2"),
        lines=lines,
        joined=((b"authorization", b"Bearer a"),),
        size=12,
        id="7",
    )


def test_the_bytes_are_those_of_envoys_api() -> None:
    # attributes (1) > request (4) > http (2): method (2), path (4), host (5), raw headers (13)
    raw = b"\x0a\x03x-a\x1a\x01v"
    http = b"\x12\x03GET\x22\x02/a\x2a\x01h\x6a" + bytes([len(raw) + 2]) + b"\x0a" + bytes([len(raw)]) + raw
    request = b"\x12" + bytes([len(http)]) + http
    context = b"\x22" + bytes([len(request)]) + request
    told = parse_check(b"\x0a" + bytes([len(context)]) + context)
    assert (told.method, told.path, told.host, told.lines) == ("GET", "/a", "h", ((b"x-a", b"v"),))


def test_what_is_not_known_is_passed_over() -> None:
    assert parse_check(b"\xfa\x01\x03abc").method == ""
    assert parse_check(b"").path == ""


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff", b"\x0a\x05\x22\x03\x12\x01\x12", b"no message"])
def test_what_is_no_message_is_told(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_check(data)


def said(verdict: Verdict) -> object:
    return CheckResponse.FromString(write_verdict(verdict))


def test_a_yes() -> None:
    response = CheckResponse.FromString(
        write_verdict(
            Admitted(
                written=((b"X-User-Id", b"alice"),),
                removed=(b"x_user_id",),
                told=((b"RateLimit", b"a"), (b"Vary", b"Origin"), (b"vary", b"A")),
                identity=identity(scopes=("read", "write")),
            )
        )
    )
    assert response.status.code == 0
    assert not response.HasField("denied_response")
    assert [(o.header.key, o.header.value, o.append_action) for o in response.ok_response.headers] == [
        ("X-User-Id", "alice", 2)
    ]
    assert list(response.ok_response.headers_to_remove) == ["x_user_id"]
    told = [(o.header.key, o.append_action) for o in response.ok_response.response_headers_to_add]
    assert told == [("RateLimit", 2), ("Vary", 2), ("vary", 0)]
    metadata = dict(response.dynamic_metadata.items())
    assert (metadata["subject"], metadata["client"], metadata["issuer"]) == ("alice", "app", "local")
    assert list(metadata["scopes"]) == ["read", "write"]


def test_of_nobody_nothing_is_told() -> None:
    nobody = CheckResponse.FromString(write_verdict(Admitted((), (), (), None)))
    assert not nobody.HasField("dynamic_metadata")
    machine = CheckResponse.FromString(write_verdict(Admitted((), (), (), identity(subject="", client=""))))
    assert set(machine.dynamic_metadata.keys()) == {"issuer", "scopes"}


@pytest.mark.parametrize(("status", "code"), [(401, 16), (403, 7), (503, 7), (405, 7)])
def test_a_no(status: int, code: int) -> None:
    response = CheckResponse.FromString(write_verdict(Denied(status, ((b"Allow", b"GET"),), b'{"a": 1}\n')))
    assert (response.status.code, response.denied_response.status.code) == (code, status)
    assert response.denied_response.body == '{"a": 1}\n'
    assert [(o.header.key, o.header.value) for o in response.denied_response.headers] == [("Allow", "GET")]
    assert not response.HasField("ok_response")
