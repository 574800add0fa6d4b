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

#: lines that identities share
_LINES: Final[dict[HeaderLine, HeaderLine]] = {}
_MAX_LINES: Final = 1024
_SEPARATORS: Final = {"csv": ",", "space": " "}
#: what may stand in a header value as it is: printable ASCII without the escape character itself
_ENCODED: Final = re.compile(rb"[^\x20-\x7e]|%")
_EDGE_BLANKS: Final = re.compile(rb"\A | \Z")
_PRINTABLE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def identity_lines(
    configured: Mapping[str, IdentityHeader],
    claims: Mapping[str, Any],
    *,
    issuer: str,
    client: str | None,
    scopes: tuple[str, ...],
    tenant: str | None = None,
) -> tuple[HeaderLine, ...]:
    """The identity headers of a verified token, in configured order; a header without a value is left out.

    `issuer`: its configured name; `tenant`: which of its tenants. `scopes`: roles with blanks in them too.
    IdentityClaimMissing, IdentityHeaderInvalid, IdentityHeaderTooLarge: as the header's configuration says.
    """
    lines: list[HeaderLine] = []
    for name, header in configured.items():
        values = _values(
            name, header, _find(header, claims, (issuer, tenant), client, scopes), scopes=header.source == "scopes"
        )
        if not values:
            if header.required:
                raise IdentityClaimMissing(f"{name} is required, and its claim is absent or empty")
            continue
        size = sum(map(len, values))
        if size > header.max_bytes:
            if header.too_large == "omit":
                continue
            raise IdentityHeaderTooLarge(f"{name} would have {size} bytes; {header.max_bytes} are accepted")
        field = name.encode("ascii")
        lines += [_shared((field, value)) for value in values]
    return tuple(lines)


def _shared(line: HeaderLine) -> HeaderLine:
    """The same line as another identity has it, where one does: clients and scopes are few, and memory is slow."""
    known = _LINES.get(line)
    if known is None:
        if len(_LINES) >= _MAX_LINES:
            _LINES.clear()
        known = _LINES[line] = line
    return known


def _find(
    header: IdentityHeader,
    claims: Mapping[str, Any],
    issuer: tuple[str, str | None],
    client: str | None,
    scopes: tuple[str, ...],
) -> Any:
    if header.source == "issuer":
        return issuer[0]
    if header.source == "tenant":
        return issuer[1]
    if header.source == "client":
        return client
    if header.source == "scopes":
        # What separates scopes cannot be escaped there: roles with blanks are left out, as they are no scopes.
        is_lossy = header.encoding != "percent" and header.format in {"auto", "space"}
        return [word for word in scopes if is_scope(word)] if is_lossy else list(scopes)
    if header.claims == "all":
        return claims
    assert header.claim is not None  # one of the three is given: gateway.core.checks.problems
    return find_claim(claims, header.claim)


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
    if text.isascii() and text.isprintable() and "%" not in text and text == text.strip(" "):
        return text.encode("ascii")
    encoded = _ENCODED.sub(lambda match: b"%%%02X" % match[0][0], text.encode())
    return _EDGE_BLANKS.sub(b"%20", encoded)
