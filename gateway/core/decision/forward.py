"""How Caddy (`forward_auth`) and Traefik (`ForwardAuth`) ask: with the request in X-Forwarded-... headers."""

from gateway.core.decision.source import Source

FORWARD = Source(b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto")
