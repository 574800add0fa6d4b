"""The name of this process."""

from pathlib import Path


def called() -> str:
    return Path("/proc/self/comm").read_text().removesuffix("\n")
