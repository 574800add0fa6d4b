"""Claims as header lines: what the upstream is told of the caller, so that every value can be decoded again.

Decides how a value is written. Which headers there are is configuration; what else goes upstream is `headers`.
"""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.claims import ABSENT, find_claim, is_scope
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.errors import IdentityClaimMissing, IdentityHeaderInvalid, IdentityHeaderTooLarge
from gateway.core.http.facts import HeaderLine
from gateway.core.token.lacks import Lacks

#: values of a header whose lines are remembered, and characters of the longest
_MAX_KNOWN: Final = 1024
_MAX_LENGTH: Final = 256
_SEPARATORS: Final = {"csv": ",", "space": " "}
#: what may stand in a header value as it is: printable ASCII without the escape character itself
_ENCODED: Final = re.compile(rb"[^\x20-\x7e]|%")
_EDGE_BLANKS: Final = re.compile(rb"\A | \Z")
_PRINTABLE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class IdentityLines:
    """The identity headers as they are configured, ready to be written."""

    __slots__ = ("_headers",)

    def __init__(self, configured: Mapping[str, IdentityHeader]) -> None:
        self._headers: Final = [_Header(name, header) for name, header in configured.items()]

    def __repr__(self) -> str:
        return f"IdentityLines({', '.join(header.name for header in self._headers)})"

    def of(
        self,
        claims: Mapping[str, Any],
        *,
        issuer: str,
        client: str | None,
        scopes: tuple[str, ...],
        tenant: str | None = None,
        lacks: Lacks | None = None,
    ) -> tuple[HeaderLine, ...]:
        """The identity headers of a verified token, in configured order; a header without a value is left out.

        `issuer`: its configured name; `tenant`: which of its tenants. `scopes`: roles with blanks in them too.
        `lacks`: claims that are required only once they were asked for.
        IdentityClaimMissing, IdentityHeaderInvalid, IdentityHeaderTooLarge: as the header's configuration says.
        """
        lines: list[HeaderLine] = []
        for header in self._headers:
            source = header.source
            value: Any
            if source is None:
                value = claims if header.claim is None else find_claim(claims, header.claim)
            elif source == "client":
                value = client
            elif source == "scopes":
                value = scopes
            else:
                value = issuer if source == "issuer" else tenant
            if isinstance(value, str | tuple):
                # Clients and scopes are few, and memory is slow: the same line as another identity has it.
                known = header.known.get(value)
                if known is None:
                    known = header.write(list(value) if isinstance(value, tuple) else value, lacks)
                    header.remember(value, known)
            else:
                known = header.write(value, lacks)
            lines += known
        return tuple(lines)


class _Header:
    """One identity header, and the lines of values that it had."""

    __slots__ = ("_required", "claim", "field", "header", "is_lossy", "known", "name", "source")

    def __init__(self, name: str, header: IdentityHeader) -> None:
        self.name: Final = name
        self.header: Final = header
        self.field: Final = name.encode("ascii")
        self.source: Final = header.source
        #: None: it is of all claims, or of none
        self.claim: Final = header.claim
        # What separates scopes cannot be escaped there: roles with blanks are left out, as they are no scopes.
        self.is_lossy: Final = (
            header.source == "scopes" and header.encoding != "percent" and header.format in {"auto", "space"}
        )
        self._required: Final = header.required
        self.known: Final[dict[str | tuple[str, ...], list[HeaderLine]]] = {}

    def remember(self, value: str | tuple[str, ...], lines: list[HeaderLine]) -> None:
        """The lines of a value; a subject has hardly any but its own, and what is long or empty is not worth it."""
        if self.claim == "sub" or len(lines) != 1 or len(lines[0][1]) > _MAX_LENGTH:
            return
        if len(self.known) >= _MAX_KNOWN:
            self.known.clear()
        self.known[value] = lines

    def write(self, value: Any, lacks: Lacks | None) -> list[HeaderLine]:
        """The lines of a value that was found, scopes as a list."""
        if self.is_lossy:
            value = list(filter(is_scope, value))
        values = _values(self.name, self.header, value, scopes=self.source == "scopes")
        if not values:
            if self._required and not (lacks is not None and self.claim is not None and lacks.has(self.claim)):
                raise IdentityClaimMissing(f"{self.name} is required, and its claim is absent or empty")
            return []
        size, most = sum(map(len, values)), self.header.max_bytes
        if size > most:
            if self.header.too_large == "omit":
                return []
            raise IdentityHeaderTooLarge(f"{self.name} would have {size} bytes; {most} are accepted")
        return [(self.field, value) for value in values]


def _values(name: str, header: IdentityHeader, value: Any, *, scopes: bool) -> list[bytes]:
    """The header's values, encoded: none, one, or with `repeat` one an element."""
    if value is ABSENT or value is None or value in ("", []):
        return []
    form = header.format
    if form == "auto":
        # RFC 6749 section 3.3 writes scopes with spaces; other arrays are csv.
        form = ("space" if scopes else "csv") if isinstance(value, list) else "json"
        if isinstance(value, str):
            return [_encode(name, header, value)]
    if form == "json":
        return [_encode(name, header, _as_json(value))]
    elements = [_as_text(element) for element in value] if isinstance(value, list) else [_as_text(value)]
    if form == "repeat":
        return [_encode(name, header, element) for element in elements]
    return [_join(name, header, elements, _SEPARATORS[form])]


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _as_json(value)


def _join(name: str, header: IdentityHeader, elements: list[str], separator: str) -> bytes:
    # Receivers trim blanks and take several for one.
    if separator == " " and "" in elements:
        raise IdentityHeaderInvalid(f"an element of {name} is empty, which blanks cannot show")
    if header.encoding == "percent":
        mark, escape = separator.encode(), f"%{ord(separator):02X}".encode()
        return mark.join([_percent(element).replace(mark, escape) for element in elements])
    # The other encodings cannot escape a separator: a value that could not be split again is refused.
    if any(separator in element for element in elements):
        raise IdentityHeaderInvalid(f"an element of {name} contains the separator")
    return _encode(name, header, separator.join(elements))


def _encode(name: str, header: IdentityHeader, text: str) -> bytes:
    if header.encoding == "base64url":
        return urlsafe_b64encode(text.encode()).rstrip(b"=")
    if header.encoding == "percent":
        return _percent(text)
    if _PRINTABLE.fullmatch(text) is None:
        raise IdentityHeaderInvalid(f"{name} has characters outside printable ASCII, or blanks at its ends")
    return text.encode("ascii")


def _percent(text: str) -> bytes:
    """Lossless: `%` and every byte of the UTF-8 outside printable ASCII; blanks at the ends, which receivers trim."""
    if text.isascii() and text.isprintable() and "%" not in text and not (text.startswith(" ") or text.endswith(" ")):
        return text.encode("ascii")
    encoded = _ENCODED.sub(lambda match: b"%%%02X" % match[0][0], text.encode())
    return _EDGE_BLANKS.sub(b"%20", encoded)
