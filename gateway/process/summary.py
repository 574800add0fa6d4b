"""What runs where, in one line: the first that the log has."""

from typing import Final

from gateway import __version__, gate
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import audiences_of, issuer_name
from gateway.core.config.routes import route_name
from gateway.process.listening import Listeners

#: whether the modules on the way of every request are C, as in a wheel, or the source, as in a clone
IS_COMPILED: Final = not str(gate.__file__).endswith(".py")


def summary(config: Config, listeners: Listeners, *, grpc: str = "") -> str:
    """In one line. Addresses of upstreams are there as configured, secrets never. `grpc`: where Envoy asks so."""
    traffic, decisions, admin = listeners.traffic, listeners.decisions, listeners.admin
    issuers = "; ".join(
        f"{issuer_name(issuer)} for {', '.join(audiences_of(issuer))}"
        + (f" (preset {issuer.preset})" if issuer.preset else "")
        + (" UNCLASSIFIED TOKENS ARE ADMITTED" if issuer.allow_unclassified else "")
        for issuer in config.issuers
    )
    upstreams = ", ".join(upstream.url for upstream in upstreams_of(config).values())
    public = [route_name(route) for route in config.routes if route.access == "public"]
    optional = [route_name(route) for route in config.routes if route.access == "optional"]
    reporting = [route_name(route) for route in config.routes if route.mode == "report"]
    return (
        f"bearer-gateway {__version__} {'(compiled) ' if IS_COMPILED else ''}listens on {traffic.where}, "
        + (f"admin on {admin.where}, " if admin else "")
        + (f"decisions on {decisions.where}, " if decisions else "")
        + (f"decisions over gRPC on {grpc}, " if grpc else "")
        + f"in front of {upstreams}; "
        + ("" if config.tls is None else f"TLS, client certificates: {config.tls.client_certificates}; ")
        + (f"{len(config.routes)} routes; " if config.routes else "every path needs an access token; ")
        + (f"PUBLIC: {', '.join(public)}; " if public else "")
        + (f"TOKEN OPTIONAL: {', '.join(optional)}; " if optional else "")
        + (f"REPORTS ONLY: {', '.join(reporting)}; " if reporting else "")
        + f"issuers: {issuers}"
        + (f"; {config.workers} workers" if config.workers > 1 else "")
    )


def counted(config: Config) -> tuple[tuple[str, ...], int, tuple[str, ...]]:
    """What metrics know of a configuration: issuers, how many routes report, and issuers whose logouts are heard."""
    logouts = (issuer_name(issuer) for issuer in config.issuers if issuer.backchannel_logout is not None)
    reports = sum(route.mode == "report" for route in config.routes)
    return tuple(map(issuer_name, config.issuers)), reports, tuple(logouts)
