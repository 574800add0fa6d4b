"""What Envoy and the gateway say to each other over gRPC, and nothing more of its API: the fields that are read or set.

Numbers and types are those of `envoy.service.auth.v3`; all else that comes is passed over, as protobuf has it. They are
described here: the package of all of Envoy's messages puts older ones of OpenTelemetry where its own are.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.message import DecodeError

from gateway.core.decision.attributes import Attributes
from gateway.core.http.facts import HeaderLine
from gateway.core.token.identity import Identity
from gateway.decisions.calls import Denied, Verdict

_PACKAGE: Final = "bearer_gateway.ext_authz"
_STRUCT: Final = "google.protobuf.Struct"
#: name of a message to its fields: name, number, type; of several, or of a map from text to text, with that word first
_MESSAGES: Final[Mapping[str, tuple[tuple[str, int, str], ...]]] = {
    "HeaderValue": (("key", 1, "string"), ("value", 2, "string"), ("raw_value", 3, "bytes")),
    "HeaderMap": (("headers", 1, "repeated HeaderValue"),),
    "HttpRequest": (
        ("id", 1, "string"),
        ("method", 2, "string"),
        ("headers", 3, "map"),
        ("path", 4, "string"),
        ("host", 5, "string"),
        ("scheme", 6, "string"),
        ("size", 9, "int64"),
        ("protocol", 10, "string"),
        ("header_map", 13, "HeaderMap"),
    ),
    "Request": (("http", 2, "HttpRequest"),),
    "AttributeContext": (("request", 4, "Request"),),
    "CheckRequest": (("attributes", 1, "AttributeContext"),),
    "Status": (("code", 1, "int32"),),
    "HttpStatus": (("code", 1, "int32"),),
    "HeaderValueOption": (("header", 1, "HeaderValue"), ("append_action", 3, "int32")),
    "DeniedHttpResponse": (
        ("status", 1, "HttpStatus"),
        ("headers", 2, "repeated HeaderValueOption"),
        ("body", 3, "string"),
    ),
    "OkHttpResponse": (
        ("headers", 2, "repeated HeaderValueOption"),
        ("headers_to_remove", 5, "repeated string"),
        ("response_headers_to_add", 6, "repeated HeaderValueOption"),
    ),
    "CheckResponse": (
        ("status", 1, "Status"),
        ("denied_response", 2, "DeniedHttpResponse"),
        ("ok_response", 3, "OkHttpResponse"),
        ("dynamic_metadata", 4, _STRUCT),
    ),
}
_KINDS: Final = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
}
#: HeaderValueOption.HeaderAppendAction
_APPEND: Final = 0
_OVERWRITE: Final = 2
#: google.rpc.Code: what decides is that it is not 0
_OK, _PERMISSION_DENIED, _UNAUTHENTICATED = 0, 7, 16


class Unreadable(Exception):
    """A message is none."""


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="bearer_gateway/ext_authz.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append(struct_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            _add_field(message, field, number, kind)
    return file


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    several, _, single = kind.rpartition(" ")
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if several or kind == "map" else field.LABEL_OPTIONAL
    if kind == "map":
        # A map is a list of entries with a key and a value (protobuf's own encoding of it).
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, "string")
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry.name}"
    elif single in _KINDS:
        field.type = _KINDS[single]
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{single}" if "." in single else f".{_PACKAGE}.{single}"


_POOL: Final = descriptor_pool.Default()
_POOL.Add(_described())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


CheckRequest: Final = _message("CheckRequest")
CheckResponse: Final = _message("CheckResponse")


def parse_check(data: bytes) -> Attributes:
    """What Envoy asks. Unreadable."""
    try:
        http = CheckRequest.FromString(data).attributes.request.http
    except DecodeError:
        raise Unreadable("no CheckRequest") from None
    return Attributes(
        method=http.method,
        path=http.path,
        host=http.host,
        scheme=http.scheme,
        protocol=http.protocol,
        lines=tuple((one.key.encode(), one.raw_value or one.value.encode()) for one in http.header_map.headers),
        joined=tuple((name.encode(), value.encode()) for name, value in http.headers.items()),
        size=http.size,
        id=http.id,
    )


def write_verdict(verdict: Verdict) -> bytes:
    """What Envoy is told."""
    response = CheckResponse()
    if isinstance(verdict, Denied):
        response.status.code = _UNAUTHENTICATED if verdict.status == 401 else _PERMISSION_DENIED
        response.denied_response.status.code = verdict.status
        response.denied_response.body = verdict.body.decode("utf-8")
        _write_lines(response.denied_response.headers, verdict.headers)
    else:
        response.status.code = _OK
        _write_lines(response.ok_response.headers, verdict.written)
        _write_lines(response.ok_response.response_headers_to_add, verdict.told)
        response.ok_response.headers_to_remove.extend(name.decode("ascii") for name in verdict.removed)
        if verdict.identity is not None:
            response.dynamic_metadata.update(_metadata(verdict.identity))
    body: bytes = response.SerializeToString()
    return body


def _write_lines(options: Any, lines: Iterable[HeaderLine]) -> None:
    """The first of a name in place of whatever is there, the others beside it."""
    seen: set[bytes] = set()
    for name, value in lines:
        option = options.add(append_action=_APPEND if name.lower() in seen else _OVERWRITE)
        option.header.key, option.header.value = name.decode("ascii"), value.decode("ascii")
        seen.add(name.lower())


def _metadata(identity: Identity) -> dict[str, Any]:
    found: dict[str, Any] = {"issuer": identity.issuer, "scopes": list(identity.scopes)}
    if identity.subject:
        found["subject"] = identity.subject
    if identity.client:
        found["client"] = identity.client
    return found
