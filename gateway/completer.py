"""An identity that lacks claims to one that has them: its issuer is asked once, and what it said is remembered.

The waiting half of `core.token.userinfo`, as `verifier` is that of tokens. Of a request it needs its route, and whom
it counts for.
"""

from typing import Protocol

from gateway.core.config.file import Config, identity_headers_of
from gateway.core.http.client_address import client_addresses_of
from gateway.core.http.facts import Facts
from gateway.core.routing.policy import check_claims
from gateway.core.routing.where import check_where
from gateway.core.token.identity import Identity
from gateway.core.token.lacks import asked_claims
from gateway.core.token.userinfo import Obtained
from gateway.core.trail import USERINFO
from gateway.core.upstream.completed import completed
from gateway.core.upstream.identity_headers import IdentityLines
from gateway.ports import Ending
from gateway.verifier import Verifier


class UserInfo(Protocol):
    """What issuers say of subjects, beyond their tokens."""

    async def fetch_claims(self, identity: Identity, token: bytes, *, sender: str | None = None) -> Obtained:
        """The claims configured for the identity's issuer, who may be asked now. UserInfoUnavailable, TokenInactive.

        `sender`: the client address that the request counts for; None: nobody says.
        """


class Completer:
    """Claims that tokens lack, where a request needs one of them."""

    def __init__(self, config: Config, *, userinfo: UserInfo, verifier: Verifier) -> None:
        """`verifier`: who remembers the tokens."""
        self._headers = IdentityLines(identity_headers_of(config))
        self._claims = asked_claims(config)
        self._senders = client_addresses_of(config)
        self._userinfo = userinfo
        self._verifier = verifier

    async def complete(self, identity: Identity, facts: Facts, digest: bytes, token: bytes, ending: Ending) -> Identity:
        """The identity as this request needs it: with the claims that it lacked, or as it is.

        `token`, `digest`: what it was verified from. UserInfoUnavailable, TokenInactive, Forbidden.
        """
        lacks, route = identity.lacks, ending.route
        assert route is not None  # matched before anybody is asked
        if lacks is None or not lacks.are_needed_by(route.asked_claims):
            return identity
        ending.enter(USERINFO)
        sender = None if self._senders is None else self._senders.of(facts)
        # As it was found in the header, where blanks behind it are none of it.
        obtained = await self._userinfo.fetch_claims(identity, token.strip(b" \t"), sender=sender)
        ending.saw({"lacked": lacks.names, "found": obtained.claims.keys() & lacks.names, "failure": obtained.failure})
        whole = completed(identity, lacks, obtained, headers=self._headers, asked=self._claims)
        self._verifier.replace(digest, whole, beside=obtained.size)
        check_claims(route, whole)
        if route.where:
            check_where(route, whole, facts.target)
        return whole
