"""Whose tokens are accepted: the rules of the issuer that a token names, by its exact `iss` or by that of a tenant."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.core.errors import Suspect, UnknownIssuer
from gateway.core.shown import SHOWN, near_miss, shown
from gateway.core.token.keys import shown_kid
from gateway.core.token.presets import Preset
from gateway.core.token.rules import IssuerRules, Token

#: issuers that evidence lists
LISTED: Final = 5
#: tenants whose rules are remembered
MAX_REMEMBERED: Final = 1024
#: where most providers say which client a token was issued to; of an ID token its audience says it, last
_CLIENTS: Final = ("client_id", "azp", "cid", "appid")
_AUDIENCE: Final = "aud"


class KnownIssuers:
    """The configured issuers. One that stands for itself comes before all that stand for many."""

    def __init__(self, rules: Iterable[IssuerRules]) -> None:
        """Of several with the same issuer the first counts: the others only add keys to it."""
        self._exact: Final[dict[str, IssuerRules]] = {}
        self._templates: Final[list[IssuerRules]] = []
        for one in rules:
            if one.template is None:
                self._exact.setdefault(one.issuer, one)
            elif not any(one.issuer == other.issuer for other in self._templates):
                self._templates.append(one)
        #: rules of tenants by their iss
        self._tenants: Final[dict[str, IssuerRules]] = {}

    def __repr__(self) -> str:
        return f"KnownIssuers({len(self._exact)}, {len(self._templates)} for many)"

    def find(self, claims: Mapping[str, Any]) -> IssuerRules:
        """The rules for a token with these claims, a tenant's as if it were configured by itself. UnknownIssuer."""
        found = self._find(claims)
        if isinstance(found, str):
            raise UnknownIssuer(f"{self._stranger(claims.get('iss'))}{found}")
        return found

    def find_preset(self, claims: Mapping[str, Any]) -> Preset | None:
        """What is known of the tokens of the issuer that one with these claims names, whatever is wrong with it."""
        found = self._find(claims)
        return None if isinstance(found, str) else found.preset

    def suspect(self, token: Token, token_id: str, *, is_id: bool = False) -> Suspect:
        """What a log may say of a token that was refused, none of it verified. `is_id`: its audience is its client."""
        found = self._find(token.claims)
        kid = None if token.kid is None else shown_kid(token.kid)
        claims = _CLIENTS if isinstance(found, str) else found.client_claims
        client = _client_of(token.claims, (*claims, _AUDIENCE) if is_id else claims)
        if isinstance(found, str):
            return Suspect(token_id, kid, client=client)
        return Suspect(token_id, kid, found.name, found.tenant, client)

    def _find(self, claims: Mapping[str, Any]) -> IssuerRules | str:
        """As `find`; a text, as of `_find_tenant`, where there is none."""
        iss = claims.get("iss")
        rules = self._exact.get(iss) if isinstance(iss, str) else None
        return self._find_tenant(iss, claims) if rules is None else rules

    def _find_tenant(self, iss: object, claims: Mapping[str, Any]) -> IssuerRules | str:
        """The rules of a tenant; a text: what else there is to say of a token that is nobody's of ours."""
        if not isinstance(iss, str):
            return ""
        why = ""
        for rules in self._templates:
            template = rules.template
            tenant = None if template is None else template.find_tenant(iss)
            if template is None or tenant is None:
                continue
            if not template.takes(tenant):
                why = f"; {shown(tenant)} is none of the tenants of {rules.name}"
            elif claims.get(template.claim) != tenant:
                has = "another" if template.claim in claims else "no"
                why = f"; it is that of a tenant of {rules.name}, and the token has {has} {template.claim}"
            else:
                return self._remembered(iss, tenant, rules)
        return why

    def _remembered(self, iss: str, tenant: str, rules: IssuerRules) -> IssuerRules:
        known = self._tenants.get(iss)
        if known is None:
            if len(self._tenants) >= MAX_REMEMBERED:
                self._tenants.clear()
            known = self._tenants[iss] = rules.of_tenant(tenant)
        return known

    def _stranger(self, iss: object) -> str:
        """What is known of an issuer that is none of ours."""
        says = "there is no iss" if iss is None else f"iss is {shown(iss)}"
        all_known = [*self._exact, *(rules.issuer for rules in self._templates)]
        known = ", ".join(map(shown, all_known[:LISTED]))
        more = f" and {len(all_known) - LISTED} more" if len(all_known) > LISTED else ""
        return f"{says}; configured: {known or 'none'}{more}{near_miss([iss], all_known)}"


def _client_of(claims: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The client that a token says it was issued to, as it may be shown."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) and value:
            return shown(value)[1:-1] if len(value) < SHOWN else shown(value)[1:]
    return None
