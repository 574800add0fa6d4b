"""The key that signed a token: among those that are known, or those that its issuer publishes now.

The waiting half of `core.token.keys`, for access tokens and for whatever else an issuer signs.
"""

from collections.abc import Callable

from gateway.core.errors import BadSignature, IssuerUnavailable, UnknownKey
from gateway.core.token.jwt import find_signer
from gateway.core.token.keys import Key, keys_for, names_one_of
from gateway.core.token.rules import IssuerRules, Token
from gateway.core.trail import Trail
from gateway.ports import Issuers


def _bad_signature(name: str, token: Token, tried: tuple[Key, ...]) -> BadSignature:
    if names_one_of(token.kid, tried):
        return BadSignature(f"the key {name} publishes under this kid did not sign the token")
    return BadSignature(f"none of the {len(tried)} keys tried signed the token")


def known_signer(token: Token, issuers: Issuers, *, rules: IssuerRules, trail: Trail) -> Key | None:
    """The key that signed the token, among those that are known. Waits for nothing. `rules`: of its issuer."""
    known = keys_for(issuers.find_keys(rules.signers, alg=token.alg, kid=token.kid), rules.key_issuers)
    trail.saw({"tried": len(known)})
    return find_signer(token, known)


async def signer_of(
    token: Token, issuers: Issuers, *, rules: IssuerRules, trail: Trail, check_again: Callable[[], None] | None = None
) -> Key:
    """The key that signed the token: among those that are known, else among those that its issuer publishes now.

    `rules`: of the issuer that it says. `check_again`: before keys are tried for which somebody had to wait; it may
    raise. BadSignature, UnknownKey; IssuerUnavailable: nobody can tell now.
    """
    signer = known_signer(token, issuers, rules=rules, trail=trail)
    if signer is not None:
        return signer
    return await new_signer(token, issuers, rules=rules, trail=trail, check_again=check_again)


async def new_signer(
    token: Token, issuers: Issuers, *, rules: IssuerRules, trail: Trail, check_again: Callable[[], None] | None = None
) -> Key:
    """The key that signed a token that none of those did that are known: among those that its issuer publishes now.

    Otherwise as `signer_of`.
    """
    name, fits = rules.signers, rules.key_issuers
    found = issuers.find_keys(name, alg=token.alg, kid=token.kid)
    known = keys_for(found, fits)
    # A signature of none we know may be by one that is new: under a new name, without one, or under an old one.
    try:
        fetched = keys_for(await issuers.fetch_keys(name, alg=token.alg, kid=token.kid, tried=found), fits)
    except (UnknownKey, IssuerUnavailable) as refusal:
        # That a key was replaced under its name is rare, and forged tokens are not: nobody is kept waiting for it.
        if found and (isinstance(refusal, UnknownKey) or names_one_of(token.kid, found)):
            raise _bad_signature(name, token, known) from None
        raise
    if check_again is not None:
        check_again()
    trail.saw({"tried": len(known) + len(fetched)})
    if (signer := find_signer(token, fetched)) is not None:
        return signer
    raise _bad_signature(name, token, (*known, *fetched))
