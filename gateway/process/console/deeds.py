"""What the console can have done by a process that serves: explain, refresh, verify, and what is revoked.

What comes from the console is hostile until it is read; what goes back quotes nothing of a token.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from heapq import nsmallest
from typing import Any, Final, TypeVar, cast

from msgspec.structs import replace

from gateway.assembly import Assembly
from gateway.console.sources import Deed, Impossible
from gateway.core.config.issuers import issuer_name
from gateway.core.errors import IssuerUnavailable, Refusal
from gateway.core.revocation.asked import SELECTORS, entries_for, issuer_meant
from gateway.core.revocation.entry import Entry, Kind
from gateway.core.shown import shown
from gateway.core.token.credential import find_credential
from gateway.core.token.digests import digest_of
from gateway.core.trail import Trail
from gateway.explaining.asked import parse_header, parse_place
from gateway.explaining.explanation import CannotExplain, explain, members_of, split_url, usual_host
from gateway.settings.files import parse_certificate
from gateway.store.revocations import CannotRevoke, Revocations

T = TypeVar("T")

#: header lines of a request that is explained
MAX_HEADERS: Final = 64
#: seconds since the epoch: what is larger is no time, and may be too large to be reckoned with
_NO_TIME: Final = 10**12
#: characters of a value that is listed
VALUE_SHOWN: Final = 100


class Deeds:
    """Does it with the assembly of now."""

    def __init__(self, assembly: Callable[[], Assembly]) -> None:
        self._assembly = assembly
        self._deeds: dict[Deed, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "explain": self._explain,
            "refresh": self._refresh,
            "verify": self._verify,
            "list": self._list,
            "revoke": self._revoke,
            "lift": self._lift,
        }

    async def do(self, deed: Deed, asked: dict[str, Any]) -> dict[str, Any]:
        """Does it. Impossible."""
        return await self._deeds[deed](asked)

    async def _explain(self, asked: dict[str, Any]) -> dict[str, Any]:
        assembly = self._assembly()
        known = {"token", "method", "url", "place", "headers", "proof", "certificate"}
        if not asked.keys() <= known:
            raise Impossible(f"Explain takes {', '.join(sorted(known))}, and nothing else.", status=400)
        token, proof = _credential(_text(asked, "token")), _credential(_text(asked, "proof"))
        host, target = _parsed(lambda: split_url(_text(asked, "url") or "/"), "The url is none.")
        lines = asked.get("headers", [])
        if not isinstance(lines, list) or len(lines) > MAX_HEADERS or not all(isinstance(line, str) for line in lines):
            raise Impossible(f"The headers are a list of at most {MAX_HEADERS} lines.", status=400)
        headers = _parsed(
            lambda: tuple(map(parse_header, lines)), "A header is a line such as Origin: https://a.example"
        )
        place = _parsed(
            lambda: parse_place(_text(asked, "place") or "authorization"),
            "The place is authorization, header:NAME, websocket:NAME, query:NAME or cookie:NAME.",
        )
        certificate = None
        if pem := _text(asked, "certificate"):
            certificate = _parsed(
                lambda: parse_certificate(pem.encode("ascii", "replace")), "The certificate is no PEM."
            )
        try:
            explanation = await explain(
                assembly.config,
                token,
                method=_text(asked, "method") or "GET",
                target=target,
                host=host or usual_host(assembly.config),
                certificate=certificate,
                place=place,
                headers=headers,
                proof=proof or None,
                secrets=assembly.secrets.all(),
                beside=assembly,
            )
        except CannotExplain as error:
            raise Impossible(str(error)) from None
        return members_of(explanation)

    async def _refresh(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = _text(asked, "issuer")
        issuers = self._assembly().issuers
        try:
            await issuers.refresh(name)
        except KeyError:
            raise Impossible("There is no issuer of this name.", status=404) from None
        except IssuerUnavailable as refusal:
            raise Impossible(f"Its keys cannot be fetched now: {refusal.evidence}.", status=503) from None
        wrong = next((one.reason for one in issuers.status() if one.name == name and one.reason), None)
        return {"about": name, "ok": wrong is None, "error": wrong}

    async def _verify(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Whom a token with all those scopes speaks for; `who` is missing where it is not good enough."""
        assembly, raw = self._assembly(), _text(asked, "token").encode("utf-8", "surrogateescape")
        scopes = set(asked.get("scopes") or ())
        if not scopes:
            return {}
        gate = assembly.gate
        try:
            credential = find_credential(
                (b"Bearer " + raw,), token_bytes=assembly.config.limits.token_bytes, dpop=False
            )
            digest = digest_of(credential.token)
            identity = gate.verifier.recall(digest)
            if identity is None:
                identity = await gate.verifier.verify(credential, digest, Trail())
            if assembly.revocations is not None:
                assembly.revocations.check(identity)
        except Refusal:
            return {}
        # A bound token needs a proof, and there is none here; one that had to be bound and is not is refused anyway.
        must_be_bound = any(
            issuer.binding != "any" and issuer_name(issuer) == identity.issuer for issuer in assembly.config.issuers
        )
        if identity.confirmation is not None or must_be_bound or not scopes <= set(identity.scopes):
            return {}
        return {"who": f"subject {shown(identity.subject)}, client {shown(identity.client)} of {identity.issuer}"}

    def _revocations(self) -> Revocations:
        revocations = self._assembly().revocations
        if revocations is None:
            raise Impossible("Nothing can be revoked: the configuration has no revocation.")
        return revocations

    async def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        revocations = self._revocations()
        try:
            after = bytes.fromhex(_text(asked, "after"))
        except ValueError:
            raise Impossible("There is no such page.", status=400) from None
        most = min(200, int(asked.get("most") or 200))
        # Of a list that is long all are looked at, and few made ready; those that were lifted stand among them.
        page = nsmallest(most + 1, (index for index in revocations.indexes() if index > after))
        found = [one for index in page[:most] if (one := revocations.get(index)) is not None and not one.lifted]
        return {
            "count": len(revocations.entries()),
            "entries": [_shown(one) for one in found],
            "next": page[most - 1].hex() if len(page) > most else None,
        }

    async def _revoke(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What is named: issuer, and one of subject, sid, jti, client, token or all; before and reason."""
        revocations = self._revocations()
        entries = [replace(one, who=_text(asked, "who")[:200]) for one in self._entries(asked, is_lifting=False)]
        try:
            changed = await revocations.add(*entries, source="console")
        except CannotRevoke as error:
            raise Impossible(f"It was not revoked: {error}.", status=503) from None
        return {"about": entries[0].kind, "changed": changed, "id": entries[0].index.hex()}

    async def _lift(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What is named as for revoking, or by the id of an entry."""
        revocations = self._revocations()
        if name := _text(asked, "id"):
            try:
                entry = revocations.get(bytes.fromhex(name))
            except ValueError:
                entry = None
            entries = [] if entry is None else [entry]
        else:
            entries = list(self._entries(asked, is_lifting=True))
        changed = False
        try:
            for one in entries:
                changed = await revocations.lift(one, who=_text(asked, "who")[:200]) or changed
        except CannotRevoke as error:
            raise Impossible(f"It was not lifted: {error}.", status=503) from None
        if not changed:
            raise Impossible("Nothing of that is revoked.", status=404)
        return {"about": entries[0].kind, "changed": True}

    def _entries(self, asked: Mapping[str, Any], *, is_lifting: bool) -> tuple[Entry, ...]:
        config = self._assembly().config
        assert config.revocation is not None  # or there would be no list
        known = {*SELECTORS, "all", "issuer", "before", "reason", "who"}
        given = [name for name in (*SELECTORS, "all") if asked.get(name)]
        before = asked.get("before")
        if len(given) != 1 or not asked.keys() <= known:
            raise Impossible(
                f"Name one of {', '.join((*SELECTORS, 'all'))}; beside it issuer, before and reason.", status=400
            )
        is_time = isinstance(before, int | float) and not isinstance(before, bool) and abs(before) < _NO_TIME
        if before is not None and not is_time:
            raise Impossible("A time is a number of seconds since 1970.", status=400)
        kind = given[0]
        try:
            issuer = (
                "" if kind == "token" else issuer_meant(config, _text(asked, "issuer") or None, how="name the issuer")
            )
            return entries_for(
                "issuer" if kind == "all" else cast("Kind", kind),
                config.revocation,
                value="" if kind == "all" else _text(asked, kind).strip(),
                issuer=issuer,
                before=before,
                reason=_text(asked, "reason"),
                is_lifting=is_lifting,
                now=time.time(),
            )
        except ValueError as error:
            raise Impossible(f"That cannot be: {error}.", status=400) from None


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Impossible(f"The member {name} is text.", status=400)
    # Bytes that came in a header are written so, and no others.
    _parsed(lambda: value.encode("utf-8", "surrogateescape"), f"The member {name} is text in UTF-8.")
    return value


def _credential(text: str) -> bytes:
    """A token as it was pasted, with or without its scheme."""
    raw = text.strip().encode("utf-8", "surrogateescape")
    scheme, _, rest = raw.partition(b" ")
    return rest.strip() if scheme.lower() in {b"bearer", b"dpop"} else raw


def _parsed(parse: Callable[[], T], sentence: str) -> T:
    try:
        return parse()
    except (ValueError, UnicodeError):
        raise Impossible(sentence, status=400) from None


def _shown(entry: Entry) -> dict[str, Any]:
    value = entry.value[:12] if entry.kind == "token" else entry.value[:VALUE_SHOWN]
    return {
        "id": entry.index.hex(),
        "kind": entry.kind,
        "issuer": entry.issuer[:VALUE_SHOWN],
        "value": value,
        "before": entry.before,
        "until": entry.until,
        "at": entry.at,
        "reason": entry.reason,
        "who": entry.who,
    }
