"""Whether whoever sends a token is whom it was issued to: proofs of possession, and what must be bound to one.

The waiting half of `core.proof`. A proof is judged with the token, and used up last: see `core.trail`.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.issuers import issuer_name
from gateway.core.config.secret import Secret
from gateway.core.errors import (
    BindingUnsupported,
    DPoPProofElsewhere,
    ProofReplayed,
    Refusal,
    StoreUnavailable,
    Suspect,
    TokenNotBound,
)
from gateway.core.http.client_url import client_urls_of
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.response_lines import NO_STORE, WITHOUT_NONCE
from gateway.core.proof.binding import check_binding
from gateway.core.proof.certificate import ClientCertificates
from gateway.core.proof.dpop import DPoPRules, Proof, Proven, check_proof, find_proof, uses_dpop
from gateway.core.proof.nonces import Nonces
from gateway.core.token.confirmation import CERTIFICATE, KEY
from gateway.core.token.identity import Identity
from gateway.core.trail import REPLAY
from gateway.events import ProofJudged
from gateway.ports import Ending, Observer, Rates, Replays

#: what is counted of a proof that was good
OK: Final = "ok"
#: what `issuers[].binding` says, and of which methods one is then needed
_DEMANDS: Final = {"dpop": (KEY,), "mtls": (CERTIFICATE,), "bound": (KEY, CERTIFICATE)}

SenderOf = Callable[[Facts], str | None]


def nonce_secrets(config: Config) -> tuple[Secret, ...]:
    """What nonces are made of: the first makes them, all are good. Empty: none are asked for."""
    section = config.dpop
    if section is None or section.nonce == "off":
        return ()
    return config.store.secrets or (() if section.nonce_key is None else (section.nonce_key,))


class Possession:
    """What tokens must be bound to, and how that is proven."""

    def __init__(
        self,
        config: Config,
        *,
        observer: Observer,
        clock: Callable[[], float],
        replays: Replays | None = None,
        read: Callable[[Secret], str] | None = None,
        rates: Rates | None = None,
        sender: SenderOf | None = None,
    ) -> None:
        """`clock`: seconds since the epoch. `replays`: where used proofs are remembered; needed with `dpop`.

        `read`: what a secret is now; needed with nonces. `rates`: count bad proofs, if they are counted. `sender`: the
        address that counts for a request.
        """
        self._demands = {
            issuer_name(issuer): _DEMANDS[issuer.binding] for issuer in config.issuers if issuer.binding != "any"
        }
        self._dpop: Final = (
            None
            if config.dpop is None
            else _DPoP(config, config.dpop, clock=clock, read=read, rates=rates, sender=sender)
        )
        self._observer = observer
        self._replays = replays
        #: whether tokens that are bound to nothing have to be looked at, too
        self.is_needed: Final = self._dpop is not None or bool(self._demands)

    def check(
        self, identity: Identity, facts: Facts, certificates: ClientCertificates, *, digest: bytes, ending: Ending
    ) -> Proof | None:
        """Whether the token is its sender's to use; the proof of that is not used up yet, and None where there is none.

        `certificates`: where those of clients are found. `digest`: SHA-256 of the token. InvalidToken, and for a DPoP
        proof BadRequest (the URL is said in two ways) and RateLimited (after many bad ones).
        """
        proof = None
        dpop = self._dpop if self._dpop is not None and uses_dpop(facts.authorization) else None
        if self._dpop is not None and dpop is None and self._dpop.secrets:
            ending.response_lines += WITHOUT_NONCE
        try:
            self._check_demand(identity)
            if dpop is not None:
                proof = dpop.check(identity, facts, digest, ending)
            check_binding(identity, facts, certificates, proof_key=None if proof is None else proof.thumbprint)
        except Refusal as refusal:
            if refusal.suspect is None:
                refusal.suspect = Suspect(identity.token_id, None, identity.issuer)
            if dpop is not None:
                self._observer.happened(ProofJudged(refusal.reason))
                dpop.count_bad(refusal, facts)
            raise
        return proof

    async def use(self, proof: Proof, ending: Ending) -> None:
        """Uses a proof up. ProofReplayed: it was before. StoreUnavailable: nobody can tell.

        Whoever sent it is then not known to be the one that the token speaks for.
        """
        assert self._replays is not None  # or no proof would be asked for
        failure: Refusal
        try:
            await self._replays.use(proof)
        except (ProofReplayed, StoreUnavailable) as refusal:
            failure = refusal
        else:
            self._observer.happened(ProofJudged(OK))
            return
        identity, ending.identity = ending.identity, None
        assert identity is not None  # whose proof it is
        failure.suspect = Suspect(identity.token_id, None, identity.issuer)
        self._observer.happened(ProofJudged(failure.reason))
        raise failure

    async def use_up(self, proof: Proof, ending: Ending) -> None:
        """The same for a request that something refuses on a route that only reports: nothing is raised."""
        if ending.reported_at is not REPLAY:
            with contextlib.suppress(ProofReplayed, StoreUnavailable):
                await self.use(proof, ending)

    def tell(self, refusal: Refusal, facts: Facts, ending: Ending) -> None:
        """What the response to a refusal has to say of proofs: under which scheme it is one, and a nonce."""
        if self._dpop is None:
            return
        if uses_dpop(facts.authorization):
            refusal.scheme = "DPoP"
        elif not refusal.challenge:
            return
        self._dpop.give_nonce(ending)

    def _check_demand(self, identity: Identity) -> None:
        methods = self._demands.get(identity.issuer)
        if methods is None:
            return
        bound = identity.confirmation
        if bound is None:
            raise TokenNotBound(f"{identity.issuer} has a binding, and the token has no cnf")
        # One that is bound in a way that nobody knows is that, and not unbound.
        if bound.methods and not any(method in bound.methods for method in methods):
            raise TokenNotBound(f"cnf has none of {', '.join(methods)}, which the binding of {identity.issuer} demands")


class _DPoP:
    """What is needed for proofs, where they are accepted."""

    def __init__(
        self,
        config: Config,
        section: DPoPSection,
        *,
        clock: Callable[[], float],
        read: Callable[[Secret], str] | None,
        rates: Rates | None,
        sender: SenderOf | None,
    ) -> None:
        self._rules = DPoPRules(section)
        self._urls = client_urls_of(config)
        self._clock = clock
        self.secrets: Final = nonce_secrets(config)
        self._read = read
        self._nonces = Nonces()
        self._bad_tokens = None if rates is None else rates.bad_tokens
        self._sender = sender

    def check(self, identity: Identity, facts: Facts, digest: bytes, ending: Ending) -> Proof:
        """The proof of a request under the scheme DPoP. As `Possession.check`."""
        self.give_nonce(ending)
        bound = identity.confirmation
        if bound is None:
            raise TokenNotBound("the scheme is DPoP, and the token has no cnf")
        thumbprint = bound.methods.get(KEY)
        if thumbprint is None:
            if not bound.methods:
                raise BindingUnsupported("cnf is malformed, or names an unsupported confirmation method")
            raise TokenNotBound(f"the scheme is DPoP, and cnf has no {KEY}")
        raw = find_proof(facts.headers)
        url = None if self._urls is None else self._urls.of(facts)
        if url is None:
            raise DPoPProofElsewhere("nobody confirms the host of the request: it is in neither external_url nor hosts")
        now = self._clock()
        proven = Proven(
            method=facts.method,
            url=url.url(facts.target),
            digest=digest,
            thumbprint=thumbprint,
            leeway=identity.leeway,
            nonces=self._nonces.good(self._made_of(), now=now) if self.secrets else None,
        )
        bad_tokens = self._bad_tokens
        before = None if bad_tokens is None else partial(bad_tokens.check, self._sender_of(facts))
        return check_proof(raw, self._rules, proven, now=now, trail=ending, before_signature=before)

    def give_nonce(self, ending: Ending) -> None:
        """Adds the nonce of now to the response, once, where proofs need one."""
        if self.secrets:
            line: HeaderLine = (b"DPoP-Nonce", self._nonces.current(self._made_of(), now=self._clock()).encode("ascii"))
            given = tuple(known for known in ending.response_lines if known not in (*WITHOUT_NONCE, line, NO_STORE))
            ending.response_lines = (*given, line, NO_STORE)

    def count_bad(self, refusal: Refusal, facts: Facts) -> None:
        """Counts a bad proof for whoever sent it."""
        if refusal.is_bad_token and self._bad_tokens is not None:
            self._bad_tokens.count(self._sender_of(facts))

    def _made_of(self) -> tuple[str, ...]:
        assert self._read is not None  # or no nonce would be asked for
        return tuple(map(self._read, self.secrets))

    def _sender_of(self, facts: Facts) -> str | None:
        return None if self._sender is None else self._sender(facts)
