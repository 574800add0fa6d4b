"""A value of strangers as evidence may quote it: short, printable ASCII."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

#: characters of a claim's value that evidence shows
SHOWN: Final = 80


def shown(value: object) -> str:
    """A claim's value fit for evidence: short, printable ASCII."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


#: ports that nobody needs to write
_USUAL_PORTS: Final = (("https://", ":443"), ("http://", ":80"))
#: texts of a stranger that are compared, and by how many characters one may be longer than what is wanted
_COMPARED: Final = 20
_LONGER: Final = 16


def near_miss(found: Iterable[object], wanted: Iterable[str]) -> str:
    """What alone keeps one of `found` from being one of `wanted`, as the end of a sentence; empty: more than that."""
    others = tuple(wanted)
    longest = max(map(len, others), default=0) + _LONGER
    texts = [text for text in islice(found, _COMPARED) if isinstance(text, str) and len(text) <= longest]
    pairs = [(text, other) for other in others for text in texts]
    for one, other in pairs:
        if one.rstrip("/") == other.rstrip("/"):
            return "; they differ by the slash at the end"
    for one, other in pairs:
        if one.lower() == other.lower():
            return "; they differ by capital letters"
        if _without_port(one) == _without_port(other):
            return "; they differ by a port that is the usual one"
        if {one.partition("://")[0], other.partition("://")[0]} == {"http", "https"} and (
            one.partition("://")[2] == other.partition("://")[2]
        ):
            return "; they differ by http and https"
    return ""


def _without_port(url: str) -> str:
    for scheme, port in _USUAL_PORTS:
        if url.startswith(scheme):
            authority, slash, path = url.removeprefix(scheme).partition("/")
            return f"{scheme}{authority.removesuffix(port)}{slash}{path}"
    return url
