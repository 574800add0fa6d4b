"""A value of strangers as evidence may quote it: short, printable ASCII."""

from typing import Final

#: characters of a claim's value that evidence shows
SHOWN: Final = 80


def shown(value: object) -> str:
    """A claim's value fit for evidence: short, printable ASCII."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
