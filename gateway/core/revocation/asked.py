"""What somebody wants revoked or lifted, as the entries that it takes: for the command and for the console."""

from hashlib import sha256
from typing import Any, Final

from gateway.core.config.file import Config
from gateway.core.config.issuers import distinct_issuers, issuer_name
from gateway.core.config.revocation import Revocation
from gateway.core.errors import Refusal
from gateway.core.revocation.entry import Entry, Kind, revoking
from gateway.core.token.handles import fixed_part
from gateway.core.token.jwt import parse_token
from gateway.core.token.tenants import template_of

#: what can be named: for each the kind of its entry
SELECTORS: Final[tuple[Kind, ...]] = ("subject", "sid", "jti", "client", "token")


def entries_for(
    kind: Kind,
    section: Revocation,
    *,
    value: str = "",
    issuer: str = "",
    before: float | None = None,
    reason: str = "",
    is_lifting: bool = False,
    now: float,
) -> tuple[Entry, ...]:
    """The entries that revoke it, or are to be lifted. `issuer`: its `iss`. ValueError says what cannot be.

    `value`: of a token the token itself; empty for all of an issuer. `before`: seconds since the epoch.
    """
    common: dict[str, Any] = {"now": now, "keep": float(section.keep), "reason": reason}
    if kind == "token":
        raw = value.encode("utf-8", "surrogateescape")
        digest = sha256(fixed_part(raw)).hexdigest()
        return (revoking("token", value=digest, expires_at=expiry_of(raw), **common),)
    if kind == "issuer":
        return (revoking("issuer", issuer=issuer, before=before, **common),)
    # Who takes back what a logout has done takes back all of it.
    kinds: tuple[Kind, ...] = ("subject", "sessionless") if kind == "subject" and is_lifting else (kind,)
    return tuple(revoking(one, issuer=issuer, value=value, before=before, **common) for one in kinds)


def issuer_meant(config: Config, wanted: str | None, *, how: str) -> str:
    """The `iss` of the issuer that is meant. ValueError: none is, or several are. `how`: to say which one."""
    known = {issuer_name(issuer): issuer for issuer in config.issuers}
    names = ", ".join(known)
    if wanted is None:
        if len(distinct_issuers(config.issuers)) > 1:
            raise ValueError(f"there are several issuers: {how}, one of {names}")
        wanted = next(iter(known))
    found = known.get(wanted)
    if found is not None and (template := template_of(found)) is not None:
        # What is revoked is always one tenant's: the alice of another is somebody else.
        raise ValueError(f"{wanted} has tenants: {how} with that of one, such as {template.fill('TENANT')}")
    if found is not None:
        return found.issuer
    for issuer in config.issuers:
        template = template_of(issuer)
        tenant = None if template is None else template.find_tenant(wanted)
        if wanted == issuer.issuer or (template is not None and tenant is not None and template.takes(tenant)):
            return wanted
    raise ValueError(f"there is no such issuer; known are {names}")


def expiry_of(token: bytes) -> float | None:
    """What a token says of its end, in seconds since the epoch; nobody has verified it. None: nothing."""
    try:
        exp = parse_token(token).claims.get("exp")
    except Refusal:
        return None
    return float(exp) if isinstance(exp, int | float) and not isinstance(exp, bool) and exp > 0 else None
