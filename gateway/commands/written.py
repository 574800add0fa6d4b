"""The text of a configuration that `init` writes: the keys that it needs, and beside each why.

Knows nothing of how what stands in it was found.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from gateway.commands.at_provider import PROVIDERS
from gateway.core.token.presets import PRESETS
from gateway.inject.writing import flow

#: of a comment, in characters
_WIDTH: Final = 110
#: text that YAML reads as it stands
_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9._~:/@%+-]*[A-Za-z0-9._~/-]|/[A-Za-z0-9._/-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to stand in it."""

    issuer: str
    audiences: tuple[str, ...]
    #: None: whoever runs it says so, as inject does
    upstream: str | None
    preset: str | None
    #: what spoke for the preset
    recognised_by: str
    #: None: where the issuer itself is
    discovery_url: str | None = None
    #: None: where discovery says
    jwks_url: str | None = None
    ca_file: str | None = None
    allow_http: bool = False


def scalar(text: str) -> str:
    """Text as a value of YAML."""
    return text if _PLAIN.fullmatch(text) else flow(text)


def text_of(plan: Plan) -> str:
    """The whole file."""
    return "\n".join(
        (*_head(plan), "", *_upstream(plan), "", "issuers:", *_issuer(plan), "", *_at_provider(plan), *_tail(plan), "")
    )


def provider_name(preset: str | None) -> str:
    """What people call a provider."""
    if preset is None:
        return "this provider"
    return PROVIDERS[preset].name if preset in PROVIDERS else preset


def _head(plan: Plan) -> Iterator[str]:
    by = f"for {provider_name(plan.preset)}, recognised by {plan.recognised_by}"
    yield f"# Written by `bearer-gateway init` {'' if plan.preset is None else by}".rstrip() + "."
    yield "# `bearer-gateway check --config FILE` judges it, `check --online` asks everybody whom it names,"
    yield "# and `explain` says of a token why it is refused. Every key: docs/configuration.md."


def _upstream(plan: Plan) -> Iterator[str]:
    if plan.upstream is None:
        yield "# The API: inject writes `upstream: http://127.0.0.1:PORT`, from the port of its container. `listen` and"
        yield "# `admin` are left to it as well. To try the file elsewhere: GATEWAY_UPSTREAM=http://127.0.0.1:3000."
        return
    yield "# The API. Let nobody reach it but through the gateway: what comes another way has no token."
    yield f"upstream: {scalar(plan.upstream)}"


def _issuer(plan: Plan) -> Iterator[str]:
    yield "  # Compared with iss of the tokens to the letter, a slash at the end included."
    yield f"  - issuer: {scalar(plan.issuer)}"
    yield "    # What aud must name: the API's name at the provider. Never a client's id where there is another way: ID"
    yield "    # tokens are for clients."
    yield f"    audience: {_listed(plan.audiences)}"
    provider = PROVIDERS.get(plan.preset or "")
    if provider is not None and provider.audience_claims:
        yield f"    # Where the audience is, since access tokens of {provider.name} have no aud."
        yield f"    audience_claims: [{', '.join(provider.audience_claims)}]"
    if plan.preset is None:
        yield "    # No preset is known for it, and none is needed where access tokens say `typ: at+jwt` (RFC 9068) or"
        yield "    # have scopes. Where tokens are refused as unclassified: docs/token-classes.md."
    else:
        yield f"    # What is known of the tokens of {provider_name(plan.preset)}: how access tokens differ"
        yield "    # from ID tokens there, and where scopes and clients stand."
        yield f"    preset: {plan.preset}"
    if plan.discovery_url is not None:
        yield "    # Where the gateway finds the provider, which calls itself otherwise."
        yield f"    discovery_url: {scalar(plan.discovery_url)}"
    if plan.jwks_url is not None:
        yield "    # Where anybody may have the keys; without it they are asked of the gateway's own cluster."
        yield f"    jwks_url: {scalar(plan.jwks_url)}"
    if plan.ca_file is not None:
        yield "    # Whose certificates are accepted there, in place of the system's authorities."
        yield f"    ca_file: {scalar(plan.ca_file)}"
    if plan.allow_http:
        yield "    # UNSAFE: whoever is on the way to the issuer can send keys of their own."
        yield "    allow_http: true"


def _listed(texts: Sequence[str]) -> str:
    return scalar(texts[0]) if len(texts) == 1 else f"[{', '.join(map(flow, texts))}]"


def _at_provider(plan: Plan) -> Iterator[str]:
    provider = PROVIDERS.get(plan.preset or "")
    audience = plan.audiences[0]
    if provider is not None:
        yield f"# At {provider.name} (docs/providers.md#{provider.anchor}):"
        steps = " ".join(provider.steps).replace("{audience}", _shown(audience))
        yield from (f"#   {line}" for line in wrap(steps, _WIDTH, break_long_words=False, break_on_hyphens=False))
        if provider.headers:
            yield "# What people add there, below `identity_headers`, which then replaces the three default headers:"
            yield from (f"#   {line}" for line in provider.headers)
        yield ""
    elif plan.preset is not None and PRESETS[plan.preset].audience:
        yield f"# At {plan.preset}: {PRESETS[plan.preset].audience}."
        yield ""


def _shown(audience: str) -> str:
    """Within a comment: nothing that ends it."""
    return audience if _PLAIN.fullmatch(audience) else flow(audience)


def _tail(plan: Plan) -> Iterator[str]:
    yield "# Without routes every path takes a valid token, and any scope will do. Who may do what (docs/routes.md):"
    yield "# unmatched: refuse"
    yield "# routes:"
    yield "#   - {path: /health, access: public}"
    yield '#   - {path: /orders/*, methods: [GET], scopes: ["orders:read"]}'
    if plan.upstream is not None:
        yield ""
        yield '# listen: ":8080"   # requests; admin: ":9090" has /readyz and /metrics, for nobody outside'
