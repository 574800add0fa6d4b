"""Which issuers that stand for many make sense: a place for the tenant, tenants that count, keys that can be had."""

import re
from collections.abc import Iterator

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.config.routes import route_name
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.token.presets import suggest_preset
from gateway.core.token.tenants import Template, are_apart, filled, is_template, is_tenant, template_of

#: Each of them is asked for keys of its own, by every replica, again and again.
MAX_APART = 100
#: what Entra calls a tenant in its tokens, always so
_ENTRA_TENANT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENTRA = "entra"
_ENTRA_CLAIM = "tid"


def tenant_problems(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """What is wrong within one issuer: key and sentence."""
    if not is_template(issuer.issuer):
        if issuer.tenants is not None:
            yield "tenants", "needs the claim with the tenant in issuer, in braces: https://login.example/{tid}/v2.0"
        return
    try:
        template_of(issuer)
    except ValueError as error:
        yield "issuer", str(error)
        return
    if issuer.tenants is None:
        yield "tenants", "must say which tenants count, as a list of them; or any, for whoever can have one there"
    elif issuer.tenants == ():
        yield "tenants", "must name at least one tenant"
    yield from _list_problems(issuer)
    yield from _place_problems(issuer)


def _list_problems(issuer: Issuer) -> Iterator[tuple[str, str]]:
    listed = issuer.tenants if isinstance(issuer.tenants, tuple) else ()
    for index, tenant in enumerate(listed):
        key = joined("tenants", index)
        if not is_tenant(tenant):
            also = "; Entra writes the id of the directory there, and no domain" if _is_entra(issuer) else ""
            yield key, f"must be what the claim has for a tenant: 1 to 64 letters, digits and hyphens{also}"
        elif tenant in listed[:index]:
            yield key, f"is {joined('tenants', listed.index(tenant))} again"
    if are_apart(issuer) and len(listed) > MAX_APART:
        yield (
            "tenants",
            f"must be at most {MAX_APART} without jwks_url: each of them is asked for keys of its own",
        )


def _place_problems(issuer: Issuer) -> Iterator[tuple[str, str]]:
    if issuer.discovery_url is not None:
        yield (
            "discovery_url",
            "cannot stand beside a claim in issuer: give jwks_url, the address that has the keys of all tenants",
        )
    elif issuer.tenants == "any" and are_apart(issuer):
        yield (
            "jwks_url",
            (
                "is needed beside tenants: any, or each token with another tenant in it would make the gateway ask an "
                "address that its sender has chosen"
            ),
        )
    if issuer.jwks_url is not None and is_template(issuer.jwks_url):
        yield (
            "jwks_url",
            "must be one address for all tenants; without it the discovery of each tenant in the list is asked",
        )
    if issuer.introspection is not None:
        yield (
            "introspection",
            (
                "cannot stand beside a claim in issuer: nothing says which tenant is to be asked about a token; "
                "give the tenants issuers of their own"
            ),
        )
    if issuer.userinfo is not None and issuer.userinfo.endpoint is None and are_apart(issuer):
        yield (
            "userinfo.endpoint",
            "is needed beside a claim in issuer: one address that is asked with tokens of every tenant",
        )


def tenant_warnings(issuer: Issuer, config: Config) -> Iterator[tuple[str, str]]:
    """What may stay but ought to be known: key and sentence."""
    if not is_template(issuer.issuer):
        return
    try:
        template = template_of(issuer)
    except ValueError:
        return
    assert template is not None  # it is one
    if issuer.tenants == "any":
        yield from _open_warnings(issuer, config, template)
    elif isinstance(issuer.tenants, tuple):
        for index, tenant in enumerate(issuer.tenants):
            if tenant == "any":
                yield joined("tenants", index), "is a tenant called any; for all tenants write tenants: any"
            elif _is_entra(issuer) and is_tenant(tenant) and _ENTRA_TENANT.fullmatch(tenant) is None:
                yield (
                    joined("tenants", index),
                    (
                        "fits no token: Entra writes the id of the directory, in lower case, such as "
                        "72f988bf-86f1-41af-91ab-2d7cd011db47"
                    ),
                )
    if _is_entra(issuer) and template.claim != _ENTRA_CLAIM:
        yield "issuer", f"names the claim {template.claim}, and Entra's tokens have the tenant in {{{_ENTRA_CLAIM}}}"


def _open_warnings(issuer: Issuer, config: Config, template: Template) -> Iterator[tuple[str, str]]:
    """Of `tenants: any`: who is kept out, and by what."""
    open_routes = [
        route_name(route)
        for route in config.routes
        if route.access != "public"
        and not (route.clients or route.claims or route.condition)
        and (not route.issuers or issuer_name(issuer) in route.issuers)
    ]
    if not config.routes or config.unmatched == "token":
        open_routes.append("every path that no route names" if config.routes else "every path")
    if open_routes and not issuer.clients:
        yield (
            "tenants",
            "is unsafe: whoever can have a tenant there may call, and scopes keep nobody out, since the tenant's own "
            f"administrator grants them; no clients, and no claims such as {template.claim}, are asked for by: "
            + ", ".join(open_routes),
        )


def overlap_problems(config: Config) -> Iterator[ConfigProblem]:
    """Issuers whose tokens could be of another one as well."""
    templates: list[tuple[str, Issuer, Template]] = []
    listed: dict[str, str] = {}
    exact = {issuer.issuer: index for index, issuer in enumerate(config.issuers) if not is_template(issuer.issuer)}
    for index, issuer in enumerate(config.issuers):
        path = joined("issuers", index)
        try:
            template = template_of(issuer)
        except ValueError:
            continue
        if template is None or any(issuer.issuer == other.issuer for _, other, _ in templates):
            continue
        for place, iss in enumerate(filled(issuer)):
            key = f"{path}.{joined('tenants', place)}"
            if iss in exact:
                yield ConfigProblem(key, f"is {joined('issuers', exact[iss])} as well; one of them must go")
            elif iss in listed and not listed[iss].startswith(f"{path}."):
                yield ConfigProblem(key, f"is {listed[iss]} as well; one of them must go")
            listed.setdefault(iss, key)
        for where, other, known in templates:
            if "any" in (issuer.tenants, other.tenants) and _may_meet(template, known):
                yield ConfigProblem(
                    f"{path}.issuer", f"may be {where}.issuer for some tenant: nobody could tell whose token it is"
                )
        templates.append((path, issuer, template))


def _may_meet(one: Template, other: Template) -> bool:
    """Whether some iss could be of both."""
    mine, theirs = one.fill("{}").split("/"), other.fill("{}").split("/")
    return len(mine) == len(theirs) and all(
        a == b or (a == "{}" and (b == "{}" or is_tenant(b))) or (b == "{}" and is_tenant(a))
        for a, b in zip(mine, theirs, strict=True)
    )


def _is_entra(issuer: Issuer) -> bool:
    return (issuer.preset or suggest_preset(issuer.issuer)) == _ENTRA
