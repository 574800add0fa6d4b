"""How nginx and the ingress controller made of it ask: `auth_request`, with the request in X-Original-... headers."""

from dataclasses import replace

from gateway.core.decision.source import Source

#: deploy/nginx sets these; the host only where hosts are named
_NGINX = Source(b"x-original-method", b"x-original-uri")
#: ingress-nginx, rootfs/etc/nginx/template/nginx.tmpl: it says X-Original-URI too when auth-method is set
INGRESS = Source(
    b"x-original-method",
    b"x-original-url",
    is_url=True,
    ignored=frozenset({b"x-auth-request-redirect", b"x-sent-from"}),
    repeated=b"x-original-uri",
)


def nginx(*, has_hosts: bool) -> Source:
    """What nginx says. `has_hosts`: what is decided depends on the host, so it has to say that too."""
    return replace(_NGINX, host=b"x-original-host" if has_hosts else None)
