"""An identity with the claims that its token lacked: its headers and claims are made anew, everything else stays.

Whether claims are missing, and what may be believed of them, is decided in `core.token`.
"""

from typing import Any

from gateway.core.claims import ClaimName, find_claims
from gateway.core.token.identity import Identity
from gateway.core.token.lacks import Lacks
from gateway.core.token.userinfo import Obtained
from gateway.core.upstream.identity_headers import IdentityLines


def completed(
    bare: Identity,
    lacks: Lacks,
    obtained: Obtained,
    *,
    headers: IdentityLines,
    asked: tuple[ClaimName, ...],
) -> Identity:
    """The identity as it is with what was obtained, for as long as that holds.

    `asked`: the claims that routes and the assertion ask for. IdentityClaimMissing and its kin: as `IdentityLines.of`.
    """
    given = obtained.claims
    claims: dict[str, Any] = {**lacks.claims, **{name: given[name] for name in lacks.names if name in given}}
    lines = headers.of(claims, issuer=bare.issuer, tenant=bare.tenant, client=bare.client, scopes=lacks.words)
    found = find_claims(claims, asked, of_keys=lacks.objects)
    return bare.completed_with(found, headers=lines, until=obtained.until)
