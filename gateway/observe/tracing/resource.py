"""Who the spans are of: the resource of OpenTelemetry, of which two variables of the environment have a say."""

import logging
import os
import re
import socket
import uuid
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from gateway import __version__

#: the variables of OpenTelemetry that are read; no other is
SERVICE_NAME: Final = "OTEL_SERVICE_NAME"
RESOURCE_ATTRIBUTES: Final = "OTEL_RESOURCE_ATTRIBUTES"
_KEY: Final = re.compile(r"[!-~]{1,255}")
#: attributes, and characters of a value
_MOST: Final = 128
_LONGEST: Final = 1024

log = logging.getLogger("gateway")


def resource_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Attribute to value. The service's name is bearer-gateway unless a variable has another."""
    made = {
        "service.name": "bearer-gateway",
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": str(os.getpid()),
    }
    try:
        made |= _parse(environ.get(RESOURCE_ATTRIBUTES, ""))
    except ValueError as error:
        log.warning("%s is passed over: %s", RESOURCE_ATTRIBUTES, error)
    if name := environ.get(SERVICE_NAME, ""):
        made["service.name"] = name[:_LONGEST]
    return made


def _parse(text: str) -> dict[str, str]:
    """`key=value,key=value`, values percent-encoded. ValueError: one is not so; then all are passed over."""
    found: dict[str, str] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        key, equals, value = entry.partition("=")
        key = key.strip()
        if not equals or _KEY.fullmatch(key) is None:
            raise ValueError("it is not key=value,key=value")
        found[key] = unquote(value.strip(), errors="strict")[:_LONGEST]
    if len(found) > _MOST:
        raise ValueError(f"it has more than {_MOST} attributes")
    return found
