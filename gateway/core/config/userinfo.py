"""The section `issuers[].userinfo`: claims that tokens lack (OpenID Connect Core 1.0 section 5.3)."""

from typing import Annotated, Literal

from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc


class UserInfoSection(Section, frozen=True, kw_only=True):
    """Claims that the issuer is asked for where a token lacks them, and a header, route or assertion needs them."""

    claims: Annotated[
        tuple[str, ...],
        _doc(
            "members of the response that may stand beside the claims of a token, never over one", stand_in=("email",)
        ),
    ]
    endpoint: Annotated[
        str | None,
        _doc(
            "where to ask; default: userinfo_endpoint of the discovery document",
            stand_in="https://unreadable.invalid/userinfo",
        ),
    ] = None
    cache: Annotated[Seconds, _doc("how long a response is believed, 1s to 24h, never beyond the token")] = default(
        Seconds(300)
    )
    by: Annotated[
        Literal["token", "subject"],
        _doc("once per token; or per subject: what a token of wider scope may see, a narrower one of theirs gets too"),
    ] = "token"
    on_failure: Annotated[
        Literal["absent", "refuse"],
        _doc("without a response: as if the claims were absent, or 503 userinfo_unavailable"),
    ] = "absent"
    on_401: Annotated[
        Literal["absent", "refuse"] | None,
        _doc("when the issuer refuses the token itself: absent, or 401 token_inactive; null: a failure like others"),
    ] = None
    timeout: Annotated[Seconds, _doc("time for a response, at most 30s")] = default(Seconds(5))
