"""An issuer that stands for many: its URL with the place of a tenant in it, and which tenants count.

Decides whose URL an `iss` is. Whether a token is that tenant's is `known`; where keys are is `remote`.
"""

import re
from collections.abc import Iterator
from typing import Final

from gateway.core.config.issuers import Issuer

#: RFC 3986 knows no braces in a URL, so nothing else can be meant by them
_PLACE: Final = re.compile(r"\{([A-Za-z0-9_.:-]{1,64})\}")
_TENANT: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
#: What Entra writes where a key is for every tenant: learn.microsoft.com, signing key rollover.
_EVERY_TENANT: Final = "{tenantid}"


def is_template(url: str) -> bool:
    """Whether an issuer is meant as one."""
    return "{" in url or "}" in url


def is_tenant(text: str) -> bool:
    """Whether it can be what stands in the place of one: 1 to 64 letters, digits and hyphens."""
    return _TENANT.fullmatch(text) is not None


class Template:
    """One issuer of the file that has a place for a tenant."""

    __slots__ = ("after", "before", "claim", "tenants")

    def __init__(self, url: str, tenants: frozenset[str] | None) -> None:
        """`url`: with braces once, as a whole segment of its path. `tenants`: those that count; None: any.

        ValueError carries a sentence that fits behind the key.
        """
        found = _PLACE.search(url)
        if found is None or url.count("{") != 1 or url.count("}") != 1:
            raise ValueError("must have braces once, around the name of the claim with the tenant, such as {tid}")
        #: what stands around the place
        self.before: Final = url[: found.start()]
        self.after: Final = url[found.end() :]
        # scheme, two slashes, authority and one more: else the tenant would say which host is asked
        if not self.before.endswith("/") or self.before.count("/") < 3 or self.after[:1] not in ("", "/"):
            raise ValueError(f"must have {found[0]} as a whole segment of its path")
        #: the claim with the tenant
        self.claim: Final = found[1]
        self.tenants: Final = tenants

    @property
    def every_tenant(self) -> str:
        """What a key names as its issuer that is for all of them."""
        return self.fill(_EVERY_TENANT)

    def fill(self, tenant: str) -> str:
        """The issuer of a tenant."""
        return f"{self.before}{tenant}{self.after}"

    def find_tenant(self, iss: str) -> str | None:
        """Whose issuer it is, whether that tenant counts or not; None: it is none of this form."""
        if not (iss.startswith(self.before) and iss.endswith(self.after)):
            return None
        tenant = iss[len(self.before) : len(iss) - len(self.after)]
        return tenant if is_tenant(tenant) else None

    def takes(self, tenant: str) -> bool:
        """Whether tokens of this tenant count."""
        return self.tenants is None or tenant in self.tenants


def template_of(issuer: Issuer) -> Template | None:
    """That of a configured issuer; None: it stands for itself. ValueError as `Template`."""
    if not is_template(issuer.issuer):
        return None
    return Template(issuer.issuer, None if issuer.tenants == "any" else frozenset(issuer.tenants or ()))


def are_apart(issuer: Issuer) -> bool:
    """Whether each of its tenants publishes keys of its own."""
    return is_template(issuer.issuer) and issuer.jwks_url is None and issuer.jwks_file is None


def filled(issuer: Issuer) -> Iterator[str]:
    """The issuers of all tenants that a template lists, in order."""
    template = template_of(issuer)
    if template is not None and isinstance(issuer.tenants, tuple):
        yield from map(template.fill, issuer.tenants)
