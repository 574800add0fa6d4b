"""Where a secret is. What it must be there stands at the key that has it (`section`), and reading it is `settings`."""

from typing import Annotated

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class Secret(Section, frozen=True, kw_only=True):
    """Where a secret is; never the secret itself. Exactly one of the two is given."""

    unquoted = "{file: PATH} or {env: NAME}"

    file: Annotated[
        str | None,
        _doc(
            "file with the secret, less a line break at its end; looked at again while running", stand_in="unreadable"
        ),
    ] = None
    env: Annotated[str | None, _doc("variable of the environment with the secret", stand_in="unreadable")] = None


#: in place of one that could not be read
SOME_SECRET = Secret(file="unreadable")
