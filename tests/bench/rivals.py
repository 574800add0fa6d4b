"""HAProxy and Envoy, doing the gateway's work as far as they can."""

import json
from pathlib import Path
from typing import Any, Final

from tests.bench.peers import Peer, Site, Starter, write
from tests.bench.programs import TESTED, find_program, free_port, start
from tests.bench.tokens import AUDIENCE, ISSUER
from tests.bench.written import as_yaml

#: entries in Envoy's memory of tokens: as many as the gateway's own, a hundred times its default
ENVOY_CACHE: Final = 10_000

_HAPROXY_CHECKS = """\
    http-request deny deny_status 401 unless {{ http_auth_bearer -m found }}
    http-request set-var(txn.token) http_auth_bearer
    http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{public}") 1 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {issuer} }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str {audience} }}
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int le 0 }}
    http-request set-var(txn.sub) var(txn.token),jwt_payload_query('$.sub')
    http-request set-var(txn.client) var(txn.token),jwt_payload_query('$.client_id')
    http-request set-header X-User-Id %[var(txn.sub)]
    http-request set-header X-Client-Id %[var(txn.client)]
    http-request del-header Authorization
"""
_HAPROXY_LOG = """\
    log stdout format raw local0
    log-format '{"ts":"%tr","client":"%ci","method":"%HM","path":"%HPO","status":%ST,"client_id":"%[var(txn.client)]",\
"sub":"%[var(txn.sub)]","duration_ms":%Ta,"upstream_ms":%Tr,"bytes_in":%U,"bytes_out":%B}'
"""
_HAPROXY = """\
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 60s
    timeout tunnel 1h
    option http-keep-alive
    http-reuse always
frontend clients
    bind 127.0.0.1:{port}{tls}
{checks}{log}    default_backend api
backend api
    server api 127.0.0.1:{api}
"""


def haproxy(*, checks: bool = True, access: bool = True, upstream: int | None = None, tls: bool = False) -> Starter:
    """HAProxy with `jwt_verify`, or without any check; one thread. `tls`: toward clients."""

    def begin(site: Site, name: str) -> Peer:
        port = free_port()
        public = site.tokens.public_pem
        text = _HAPROXY.format(
            port=port,
            tls=f" ssl crt {site.certificate.both}" if tls else "",
            api=upstream or site.api,
            checks=_HAPROXY_CHECKS.format(public=public, issuer=ISSUER, audience=AUDIENCE) if checks else "",
            log=_HAPROXY_LOG if access else "",
        )
        command = [find_program("haproxy"), "-db", "-f", str(write(site, f"{name}.cfg", text))]
        authority = site.certificate.certificate if tls else None
        return Peer(start(name, command, site.directory, core=TESTED), port, text, logs=access, authority=authority)

    return begin


_ENVOY_LOG = {
    "ts": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "status": "%RESPONSE_CODE%",
    "client_id": "%REQ(X-CLIENT-ID)%",
    "sub": "%REQ(X-USER-ID)%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}


def _typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.extensions.{name}", **fields}


def _socket(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_tls(site: Site) -> dict[str, Any]:
    shown = {
        "certificate_chain": {"filename": str(site.certificate.certificate)},
        "private_key": {"filename": str(site.certificate.key)},
    }
    context = _typed("transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context={"tls_certificates": [shown]})
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def _envoy_config(site: Site, *, port: int, admin: int, log: Path | None, tls: bool, fronted: bool) -> dict[str, Any]:
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": json.dumps(site.tokens.jwks)},
        "claim_to_headers": [
            {"header_name": "X-User-Id", "claim_name": "sub"},
            {"header_name": "X-Client-Id", "claim_name": "client_id"},
        ],
        "jwt_cache_config": {"jwt_cache_size": ENVOY_CACHE, "jwt_max_token_size": 4096},
    }
    authn = _typed(
        "filters.http.jwt_authn.v3.JwtAuthentication",
        providers={"bench": provider},
        rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
    )
    logged = _typed("access_loggers.file.v3.FileAccessLog", path=str(log), log_format={"json_format": _ENVOY_LOG})
    manager = _typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="clients",
        **({"use_remote_address": True, "xff_num_trusted_hops": 1} if fronted else {}),
        access_log=[{"name": "file", "typed_config": logged}] if log else [],
        http_filters=[
            {"name": "envoy.filters.http.jwt_authn", "typed_config": authn},
            {"name": "envoy.filters.http.router", "typed_config": _typed("filters.http.router.v3.Router")},
        ],
        route_config={
            "virtual_hosts": [
                {
                    "name": "api",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api", "timeout": "0s"}}],
                }
            ]
        },
    )
    endpoint = {"endpoint": {"address": _socket(site.api)}}
    return {
        "admin": {"address": _socket(admin)},
        "static_resources": {
            "listeners": [
                {
                    "name": "clients",
                    "address": _socket(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ],
                            **(_envoy_tls(site) if tls else {}),
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "api",
                    "connect_timeout": "5s",
                    "load_assignment": {"cluster_name": "api", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }
            ],
        },
    }


def envoy(*, access: bool = True, tls: bool = False, fronted: bool = False) -> Starter:
    """Envoy with `jwt_authn` and its memory of tokens; one worker. `tls`: toward clients; `fronted`: behind a proxy."""

    def begin(site: Site, name: str) -> Peer:
        port, admin = free_port(), free_port()
        log = site.directory / f"{name}.out" if access else None
        text = as_yaml(_envoy_config(site, port=port, admin=admin, log=log, tls=tls, fronted=fronted))
        authority = site.certificate.certificate if tls else None
        command = [
            find_program("envoy"), "-c", str(write(site, f"{name}.yaml", text)), "--concurrency", "1",
            "--disable-hot-restart", "-l", "warning",
        ]  # fmt: skip
        return Peer(
            start(name, command, site.directory, core=TESTED), port, text, admin, logs=access, authority=authority
        )

    return begin
