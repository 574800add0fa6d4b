"""Whether a request proves that the token is its sender's to use. A bound token is never taken for a bearer token.

Judged on every request, after the token: a remembered one proves nothing.
"""

from gateway.core.errors import BindingUnsupported, InvalidToken, ProofRequired, Suspect
from gateway.core.token.identity import Identity


def check_binding(identity: Identity) -> None:
    """ProofRequired: bound by a known method, of which no proof is accepted yet. BindingUnsupported: any other."""
    bound = identity.confirmation
    if bound is None:
        return
    refusal: InvalidToken
    if bound.methods:
        refusal = ProofRequired(f"cnf has {next(iter(bound.methods))}")
    else:
        refusal = BindingUnsupported("cnf is malformed, or names an unsupported confirmation method")
    # Whoever sent it is not known to be the one it speaks for: the token is named, nobody else.
    refusal.suspect = Suspect(identity.token_id, None, identity.issuer)
    raise refusal
