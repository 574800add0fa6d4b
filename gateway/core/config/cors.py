"""The section `cors`, at the top and of a route: pages of other origins."""

from typing import Annotated

from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc


class Cors(Section, frozen=True, kw_only=True):
    """Which pages of other origins may call, and what they may send and read. Tokens are judged all the same."""

    origins: Annotated[
        tuple[str, ...],
        _doc(
            "scheme://host:port, or https://*.example.com for any one label; or * alone",
            stand_in=("https://unreadable.invalid",),
        ),
    ]
    methods: Annotated[tuple[str, ...], _doc("methods; empty: all that the routes take")] = ()
    headers: Annotated[tuple[str, ...], _doc("request headers, beside Authorization and Content-Type")] = ()
    expose: Annotated[
        tuple[str, ...], _doc("response headers, beside WWW-Authenticate, Retry-After and those of rates")
    ] = ()
    max_age: Annotated[Seconds, _doc("how long a browser remembers a preflight, at most 24h")] = default(Seconds(600))
    credentials: Annotated[bool, _doc("let browsers send cookies; bearer tokens need none")] = False
