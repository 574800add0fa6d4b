"""The section `dpop`: tokens that are bound to a key of their client (RFC 9449)."""

from typing import Annotated, Literal

from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc

#: ES512, RS384 and their kin are used by nobody for proofs, and PS256 and RS256 by few
PROOF_ALGORITHMS = ("ES256", "ES384", "EdDSA", "Ed25519", "PS256", "RS256")


class DPoPSection(Section, frozen=True, kw_only=True):
    """How clients prove that a token is theirs: by a proof of its own for each request."""

    algorithms: Annotated[tuple[str, ...], _doc("accepted signature algorithms of proofs")] = PROOF_ALGORITHMS
    max_age: Annotated[Seconds, _doc("how old a proof may be, 5s to 10m; the leeway of the issuer is added")] = default(
        Seconds(60)
    )
    nonce: Annotated[
        Literal["off", "required"],
        _doc("required: a proof has a nonce of this gateway, at most 2m old; it is in each response"),
    ] = "off"
    nonce_key: Annotated[
        Secret | None,
        _doc("where the secret is that nonces are made of, of 32 bytes or more; null: store.secrets", holds="seal"),
    ] = None
