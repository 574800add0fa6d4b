"""A hook of MkDocs: the same text works on a forge and in the site.

README, CHANGELOG and SECURITY stand at the root of the repository and become pages; links to what is no page of the
site lead to the forge. What a link means is found from where its file stands, as a forge does it.
"""

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[2]
FORGE: Final = "https://github.com/bearer-gateway/bearer-gateway"
#: pages that are made of files at the root
AT_ROOT: Final = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}

_FENCE: Final = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(\]\(|\bsrc=\"|\bhref=\")([^)\s\"]+)")
_ITEM: Final = re.compile(r"(?:[-*]|[0-9]+\.) ")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made of files at the root."""
    for source, page in AT_ROOT.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The text with its links as the site has them; code stays as it is."""
    path = page.file.src_uri
    source = next((root for root, made in AT_ROOT.items() if made == path), f"docs/{path}")
    found: list[str] = []
    end = 0
    for fence in _FENCE.finditer(markdown):
        found += [_prose(markdown[end : fence.start()], source), fence[0]]
        end = fence.end()
    return "".join([*found, _prose(markdown[end:], source)])


def _prose(text: str, source: str) -> str:
    text = text.replace("<details>", '<details markdown="1">')
    return _LINK.sub(lambda link: link[1] + target(link[2], source), _apart(text))


def _apart(text: str) -> str:
    """A blank line before a list that follows a line of text: forges need none."""
    lines: list[str] = []
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        if _ITEM.match(line) and before.strip() and not _ITEM.match(before) and not before.startswith(" "):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def target(link: str, source: str) -> str:
    """Where a link of a file leads in the site. `source`: the file, from the root of the repository."""
    path, mark, anchor = link.partition("#")
    if not path or ":" in path or path.startswith("/"):
        return link
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if meant in AT_ROOT:
        return AT_ROOT[meant] + mark + anchor
    if meant.startswith("docs/") and "/site/" not in meant:
        return meant.removeprefix("docs/") + mark + anchor
    if meant.startswith("..") or not (ROOT / meant).exists():
        return link  # MkDocs says so
    kind = "tree" if (ROOT / meant).is_dir() else "blob"
    return f"{FORGE}/{kind}/main/{meant}{mark}{anchor}"
