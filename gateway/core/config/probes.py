"""The section `probes`: what kubelet would ask an API that listens on loopback, where kubelet cannot reach it."""

from typing import Annotated

from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc


class Probe(Section, frozen=True, kw_only=True):
    """One target on loopback; exactly one of http, tcp and grpc is given."""

    http: Annotated[
        str | None,
        _doc(
            "URL on loopback: a status from 200 to 399 is success; over https with any certificate",
            stand_in="http://127.0.0.1:1/",
        ),
    ] = None
    headers: Annotated[dict[str, str], _doc("header name to text, with http; no secrets")] = default({})
    tcp: Annotated[str | None, _doc("address:port on loopback: a connection is success", stand_in="127.0.0.1:1")] = None
    grpc: Annotated[
        str | None,
        _doc(
            "address:port on loopback: SERVING is success (grpc.health.v1); needs the extra grpc",
            stand_in="127.0.0.1:1",
        ),
    ] = None
    service: Annotated[str | None, _doc("name of the service that grpc asks for; null: the server as a whole")] = None
    timeout: Annotated[Seconds, _doc("time for the whole of it; keep it below timeoutSeconds of the probe")] = default(
        Seconds(1)
    )


class ContainerProbes(Section, frozen=True, kw_only=True):
    """What `/probe/NAME/KIND` of the admin listener asks, for each kind of probe that kubelet has."""

    startup: Annotated[Probe | None, _doc("whether it has started; null: 404")] = None
    liveness: Annotated[Probe | None, _doc("whether it lives; null: 404")] = None
    readiness: Annotated[Probe | None, _doc("whether it takes requests; null: 404")] = None


#: in the order of the reference
KINDS = ("startup", "liveness", "readiness")
