"""How Envoy asks (`ext_authz` over HTTP): with the request itself, behind a prefix of the path."""

from gateway.core.decision.source import Told
from gateway.core.errors import UnclearSubrequest
from gateway.core.http.facts import Facts

#: Envoy puts its path_prefix in front of the path that it asks about.
PREFIX = b"/envoy"


def is_asked(target: bytes) -> bool:
    """Whether a question at this address is Envoy's."""
    return target.startswith((PREFIX + b"/", PREFIX + b"*"))


def read(subrequest: Facts) -> Facts:
    """The request that a subrequest asks about. UnclearSubrequest: it has no host."""
    if subrequest.host is None:
        raise UnclearSubrequest("host is missing")
    told = Told(
        subrequest.method,
        subrequest.target.removeprefix(PREFIX),
        subrequest.host,
        subrequest.scheme,
        subrequest.headers,
        subrequest.content_length,
        subrequest.chunked,
    )
    return told.asked_by(subrequest)
