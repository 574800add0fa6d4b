"""The section `issuers[].backchannel_logout`: where the issuer tells that somebody has logged out."""

from typing import Annotated, Final, Literal

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc

#: where it is heard unless the configuration says otherwise; the issuer's name follows
LOGOUT_PATHS: Final = "/.gateway/backchannel-logout/"

#: what a logout token with a subject and a session ends
By = Literal["auto", "sid", "subject"]


class BackchannelLogout(Section, frozen=True, kw_only=True):
    """The issuer posts logout tokens to the traffic listener (OpenID Connect Back-Channel Logout 1.0)."""

    client_ids: Annotated[
        tuple[str, ...],
        _doc("clients at the issuer that this gateway hears logouts for: aud names one", stand_in=("unreadable",)),
    ]
    path: Annotated[
        str | None, _doc("where it posts to; default: /.gateway/backchannel-logout/ and the issuer's name")
    ] = None
    by: Annotated[
        By,
        _doc(
            "what ends when the token names subject and session: the session, and tokens of the subject that name none "
            "(auto); the session alone; all of the subject"
        ),
    ] = "auto"


def logout_path(section: BackchannelLogout, *, name: str) -> str:
    """The path at which an issuer's logouts are heard. `name`: that of the issuer."""
    return LOGOUT_PATHS + name if section.path is None else section.path
