"""Whether a request proves that the token is its sender's to use. A bound token is never taken for a bearer token.

Judged on every request, after the token: a remembered one proves nothing. Bound by several methods, it takes a proof by
each: by a client certificate (`certificate`), and by a DPoP proof (`dpop`).
"""

from gateway.core.errors import BindingUnsupported, InvalidToken, ProofMismatch, ProofRequired, Suspect
from gateway.core.http.facts import Facts
from gateway.core.proof.certificate import ClientCertificates
from gateway.core.token.confirmation import CERTIFICATE, KEY
from gateway.core.token.identity import Identity


def check_binding(
    identity: Identity, facts: Facts, certificates: ClientCertificates, *, proof_key: str | None = None
) -> None:
    """ProofRequired, ProofInvalid, ProofMismatch. BindingUnsupported: bound in a way that is not known here.

    `certificates`: where a client's certificate is found. `proof_key`: thumbprint (RFC 7638) of the key that a DPoP
    proof was made with, which was good in all else; None: there was none.
    """
    bound = identity.confirmation
    if bound is None:
        return
    refusal: InvalidToken | None = None
    try:
        if not bound.methods:
            raise BindingUnsupported("cnf is malformed, or names an unsupported confirmation method")
        if (thumbprint := bound.methods.get(KEY)) is not None:
            _check_key(thumbprint, proof_key)
        if (thumbprint := bound.methods.get(CERTIFICATE)) is not None:
            certificates.check(thumbprint, facts)
    except InvalidToken as refused:
        refusal = refused
    if refusal is not None:
        # Whoever sent it is not known to be the one it speaks for: the token is named, nobody else.
        refusal.suspect = Suspect(identity.token_id, None, identity.issuer)
        raise refusal


def _check_key(thumbprint: str, proof_key: str | None) -> None:
    """RFC 9449 section 6.1."""
    if proof_key is None:
        raise ProofRequired(f"cnf has {KEY}")
    if proof_key != thumbprint:
        raise ProofMismatch(f"the DPoP proof was made with another key than {KEY} of cnf names")
