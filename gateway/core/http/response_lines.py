"""Lines of our own in a response, ours or the API's: any step of admission may add some.

What the API says in their place goes; Vary, a list of what the response depends on, has both. A line without a value
is none: what the API says in its place goes all the same.
"""

from typing import Final

from gateway.core.http.facts import HeaderLine

#: with it CORS is ours to speak of, also where nothing is allowed
_OURS: Final = (b"Vary", b"Origin")
_CORS_PREFIX: Final = b"access-control-"
#: stands only where the response says nothing of caching itself
NO_STORE: Final = (b"Cache-Control", b"no-store")
#: the API's own goes, and nothing stands in its place
WITHOUT_NONCE: Final = ((b"DPoP-Nonce", b""),)


def with_lines(response: list[HeaderLine], lines: tuple[HeaderLine, ...]) -> list[HeaderLine]:
    """A response's lines with ours: none of ours stands beside one of the same name."""
    if not lines:
        return response
    if NO_STORE in lines and any(name.lower() == b"cache-control" for name, _ in response):
        lines = tuple([line for line in lines if line != NO_STORE])
    ours = {name.lower() for name, _ in lines} - {b"vary"}
    speaks_of_cors = _OURS in lines
    kept = []
    for line in response:
        name = line[0].lower()
        if name not in ours and not (speaks_of_cors and name.startswith(_CORS_PREFIX)):
            kept.append(line)
    for line in lines:
        if line[0] == b"Vary":
            _vary(kept, line[1])
        elif line[1]:
            kept.append(line)
    return kept


def _vary(lines: list[HeaderLine], member: bytes) -> None:
    """RFC 9110 section 12.5.5: one list, on however many lines; a * says it all."""
    found = [index for index, (name, _) in enumerate(lines) if name.lower() == b"vary"]
    named = {part.strip(b" \t").lower() for index in found for part in lines[index][1].split(b",")}
    if named & {member.lower(), b"*"}:
        return
    if found:
        name, value = lines[found[0]]
        lines[found[0]] = (name, value + b", " + member if value else member)
    else:
        lines.append((b"Vary", member))
