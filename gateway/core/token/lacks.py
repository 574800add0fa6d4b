"""Which claims a token lacks that its issuer is to be asked for, and who needs them.

Decides whether to ask (OpenID Connect Core 1.0 section 5.3); what a response may say is `userinfo`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.claims import ClaimName, roots_of
from gateway.core.config.file import Config, identity_headers_of
from gateway.core.config.issuers import issuer_name
from gateway.core.config.keys_of import asked_of
from gateway.core.config.routes import where_claims
from gateway.core.token.presets import PRESETS


class Lacks:
    """Claims that a token lacks and its issuer may know, and what is needed to tell of them once they are there."""

    __slots__ = ("by_all", "claims", "names", "objects", "words")

    def __init__(
        self,
        names: frozenset[str],
        *,
        by_all: bool,
        claims: Mapping[str, Any],
        words: tuple[str, ...],
        objects: re.Pattern[str] | None = None,
    ) -> None:
        self.names: Final = names
        #: every request needs one of them: a header, or the assertion, is made of it
        self.by_all: Final = by_all
        #: what headers, routes and the assertion read of the token itself
        self.claims: Final = claims
        #: the token's scopes, roles with blanks in them too
        self.words: Final = words
        #: see `IssuerRules.objects`
        self.objects: Final = objects

    def __repr__(self) -> str:
        return f"Lacks({', '.join(sorted(self.names))})"

    def has(self, name: ClaimName) -> bool:
        """Whether what is configured as `name` may be among them."""
        return not self.names.isdisjoint(roots_of(name))

    def are_needed_by(self, asked: Iterable[ClaimName]) -> bool:
        """Whether a request needs one of them. `asked`: the claims that its route asks for."""
        return self.by_all or any(map(self.has, asked))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one issuer is asked for, and by whom it is needed: the configuration, compiled."""

    #: those of the named claims that anything reads
    names: frozenset[str]
    #: those of them that every request needs
    by_all: frozenset[str]
    #: the top-level claims that are read; None: all of them
    read: frozenset[str] | None
    #: see `IssuerRules.objects`
    objects: re.Pattern[str] | None = None

    def find_lacks(self, claims: Mapping[str, Any], *, subject: str | None, words: tuple[str, ...]) -> Lacks | None:
        """What of this a token lacks; None: nothing, or its issuer is not to be asked with it.

        `words`: its scopes, roles with blanks in them too.
        """
        # Nothing to compare the response with, or no bearer token: the issuer would not take it without its proof.
        if subject is None or "cnf" in claims:
            return None
        # A claim of the token is the issuer's word about this very token, whatever its value.
        missing = frozenset(name for name in self.names if name not in claims)
        if not missing:
            return None
        kept = claims if self.read is None else {name: claims[name] for name in self.read if name in claims}
        return Lacks(
            missing, by_all=not missing.isdisjoint(self.by_all), claims=kept, words=words, objects=self.objects
        )


def asked_claims(config: Config) -> tuple[ClaimName, ...]:
    """The claims that routes and the assertion ask an identity for: no others are kept."""
    asserted = () if config.assertion is None else config.assertion.claims
    asked = (name for route in config.routes for name in (*asked_of(route.claims), *where_claims(route)))
    return tuple({*asserted, *asked})


def wanted_names(config: Config) -> frozenset[str] | None:
    """The top-level claims that headers, routes and the assertion read; None: all of them."""
    if any(header.claims == "all" for header in identity_headers_of(config).values()):
        return None
    return _wanted_by_all(config) | _roots(asked_claims(config))


def _wanted_by_all(config: Config) -> frozenset[str]:
    """Those that every request needs: what headers, and the assertion, are made of."""
    headers = identity_headers_of(config).values()
    asserted = () if config.assertion is None else config.assertion.claims
    return _roots(header.claim for header in headers if header.claim is not None) | _roots(asserted)


def wanted_of(config: Config) -> dict[str, Wanted]:
    """Configured name of an issuer to what it is asked for; of those alone that are asked."""
    read, by_all = wanted_names(config), _wanted_by_all(config)
    found: dict[str, Wanted] = {}
    for issuer in config.issuers:
        if issuer.userinfo is not None:
            named = frozenset(issuer.userinfo.claims)
            found[issuer_name(issuer)] = Wanted(
                names=named if read is None else named & read,
                by_all=named if read is None else named & by_all,
                read=read,
                objects=PRESETS[issuer.preset].objects if issuer.preset else None,
            )
    return found


def _roots(names: Iterable[ClaimName]) -> frozenset[str]:
    return frozenset(root for name in names for root in roots_of(name))
