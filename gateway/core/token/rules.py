"""What `token` judges by, and what it makes of a JWT: an issuer's rules, a token in its parts, a candidate."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.core.claims import ClaimName
from gateway.core.config.introspection import forms_of
from gateway.core.config.issuers import Issuer, audiences_of, issuer_name
from gateway.core.config.keys_of import read_name
from gateway.core.token.markers import Verdict
from gateway.core.token.opaque import JWT
from gateway.core.token.presets import PRESETS, Preset, scope_claims_of, suggest_preset
from gateway.core.token.tenants import Template, are_apart, template_of

#: where client and scopes stand when no preset says otherwise
_NO_PRESET = Preset(name="", source="")


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """What one issuer's tokens must satisfy: its configuration, compiled."""

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    #: seconds
    leeway: float
    max_lifetime: float | None
    #: the key that says so
    lifetime_key: str
    require_typ: bool
    allow_unclassified: bool
    audience_claims: tuple[str, ...]
    clients: frozenset[str]
    client_claims: tuple[str, ...]
    scope_claims: tuple[ClaimName, ...]
    #: where it stands how the user has logged in
    acr_claims: tuple[str, ...]
    preset: Preset | None
    #: how an API comes into the audience claim of this provider, for evidence; may be empty
    audience_advice: str
    #: where scopes would be read with the preset that `check` suggests, and are not
    unread: tuple[ClaimName, ...]
    #: the name of that preset, or empty
    suggested: str
    #: the issuer is asked about its JWTs, and may say what they leave out
    asked_about_jwts: bool = False
    #: what it says when asked must name the audience
    response_needs_audience: bool = True
    #: `issuer` stands for many tenants; None: for itself
    template: Template | None = None
    #: whose tokens these rules are for, where `issuer` was made of a template
    tenant: str | None = None
    #: each tenant publishes keys of its own
    apart: bool = False
    #: what a key may name as its issuer, where it names one; None: it is not asked
    key_issuers: frozenset[str] | None = None
    #: claims that are objects with names as their keys, which routes may ask for; None: there are none
    objects: re.Pattern[str] | None = None
    #: `audiences`, as tokens that name all of them have it
    every_audience: tuple[str, ...] = ()

    @property
    def signers(self) -> str:
        """By what keys are found that sign for it: its configured name, or its own URL for a tenant apart."""
        return self.issuer if self.apart and self.tenant is not None else self.name

    def accepted(self, audience: tuple[str, ...]) -> tuple[str, ...]:
        """Those of its audiences that a token names, which is for `audience`."""
        found = self.audiences.intersection(audience)
        return self.every_audience if len(found) == len(self.audiences) else tuple(found)

    def of_tenant(self, tenant: str) -> "IssuerRules":
        """The same for one tenant of these, as if it were configured by itself."""
        assert self.template is not None  # others have none
        issuer = self.template.fill(tenant)
        return replace(
            self,
            issuer=issuer,
            tenant=tenant,
            template=None,
            key_issuers=frozenset((issuer, self.template.every_tenant)),
        )


def rules_of(issuer: Issuer, *, keep: float | None = None) -> IssuerRules:
    """The rules of a configured issuer, its preset's among them.

    `keep`: seconds for which what is revoked is remembered: no token that lives longer can be revoked for good.
    """
    own = None if issuer.max_lifetime is None else float(issuer.max_lifetime)
    is_kept = keep is not None and (own is None or keep < own)
    preset = PRESETS[issuer.preset] if issuer.preset else None
    suggested = preset or PRESETS.get(suggest_preset(issuer.issuer) or "", _NO_PRESET)
    own_claims = None if issuer.scope_claims is None else tuple(map(read_name, issuer.scope_claims))
    read = own_claims or scope_claims_of(preset or _NO_PRESET, audiences_of(issuer))
    return IssuerRules(
        name=issuer_name(issuer),
        issuer=issuer.issuer,
        audiences=frozenset(audiences_of(issuer)),
        algorithms=frozenset(issuer.algorithms),
        leeway=float(issuer.leeway),
        max_lifetime=keep if is_kept else own,
        lifetime_key="revocation.keep" if is_kept else "max_lifetime",
        require_typ=issuer.require_typ,
        allow_unclassified=issuer.allow_unclassified,
        audience_claims=issuer.audience_claims,
        clients=frozenset(issuer.clients),
        client_claims=(preset or _NO_PRESET).client_claims,
        scope_claims=read,
        acr_claims=(preset or _NO_PRESET).acr_claims,
        preset=preset,
        audience_advice=suggested.audience,
        unread=tuple(
            name
            for name in scope_claims_of(suggested, audiences_of(issuer))
            if name not in read and issuer.scope_claims is None
        ),
        suggested=suggested.name,
        asked_about_jwts=issuer.introspection is not None and JWT in forms_of(issuer.introspection),
        response_needs_audience=issuer.introspection is None or issuer.introspection.require_audience,
        template=template_of(issuer),
        apart=are_apart(issuer),
        objects=None if preset is None else preset.objects,
        every_audience=audiences_of(issuer),
    )


class Token:
    """A JWT in its parts, nothing of it believed yet."""

    __slots__ = ("alg", "claims", "header", "kid", "signature", "signing_input")

    def __init__(
        self,
        header: Mapping[str, Any],
        claims: Mapping[str, Any],
        *,
        alg: str,
        kid: str | None,
        signing_input: bytes,
        signature: bytes,
    ) -> None:
        self.header: Final = header
        self.claims: Final = claims
        self.alg: Final = alg
        self.kid: Final = kid
        self.signing_input: Final = signing_input
        self.signature: Final = signature

    def __repr__(self) -> str:
        return f"Token(alg={self.alg!r}, kid={self.kid!r})"


class Candidate:
    """A token that passed every check but the signature."""

    __slots__ = ("audience", "client", "expires_at", "not_before", "rules", "scopes", "signed", "subject", "verdict")

    def __init__(  # noqa: PLR0913 -- as many as it has fields
        self,
        rules: IssuerRules,
        verdict: Verdict,
        *,
        expires_at: float,
        not_before: float | None,
        subject: str | None,
        client: str | None,
        scopes: tuple[str, ...],
        signed: bytes = b"",
        audience: tuple[str, ...] = (),
    ) -> None:
        self.rules: Final = rules
        self.verdict: Final = verdict
        self.expires_at: Final = expires_at
        self.not_before: Final = not_before
        self.subject: Final = subject
        self.client: Final = client
        #: roles with blanks in them too, which are no scopes
        self.scopes: Final = scopes
        #: what is signed: the same in every spelling of a JWT's signature; empty: it is none
        self.signed: Final = signed
        #: whom it is for; empty: nobody says, and its issuer's tokens need not
        self.audience: Final = audience
