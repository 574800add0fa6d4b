"""The page and its parts, as they lie in this package, and what a browser may do with them."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

#: path to the file, and what it is
_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/console.css": ("console.css", "text/css"),
    "/console.js": ("console.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
}
#: no code and no style but those of the files, nothing from outside, in nobody's frame
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: of each response
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One file."""

    content: bytes
    content_type: str


def parts() -> dict[str, Part]:
    """Each by its path."""
    folder = files("gateway.console") / "page"
    return {path: Part((folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
