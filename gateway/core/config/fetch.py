"""The section `issuers[].fetch`: how an issuer is asked, where it is not enough to ask its address."""

from typing import Annotated

from gateway.core.config.secret import SOME_SECRET, Secret
from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class Fetch(Section, frozen=True, kw_only=True):
    """By which way, and with which credential of the gateway's own."""

    authorization: Annotated[
        Secret | None,
        _doc(
            "where the token is that the gateway shows for discovery and keys, at origin alone; a file is followed",
            stand_in=SOME_SECRET,
            holds="bearer",
        ),
    ] = None
    origin: Annotated[
        str | None,
        _doc(
            "https://host or https://host:port: where that token may go; never along a redirect or through a proxy",
            stand_in="https://unreadable.invalid",
        ),
    ] = None
    proxy: Annotated[
        str | None,
        _doc(
            "http://host:port of the proxy by which discovery, keys, introspection and userinfo are asked; null: "
            "directly, whatever the environment says",
            stand_in="http://unreadable.invalid:3128",
        ),
    ] = None
