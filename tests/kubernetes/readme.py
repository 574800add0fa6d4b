"""What README.md says to type, section by section."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(heading: str) -> list[str]:
    """The lines behind `$` in the first console block of a section."""
    section = (ROOT / "README.md").read_text().partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert block is not None, heading
    return re.findall(r"^\$ (.*)$", block[1], re.MULTILINE)
