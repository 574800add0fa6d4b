"""The section `log`: what is logged, how, and how much of the subject."""

from typing import Annotated, Literal

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class Log(Section, frozen=True, kw_only=True):
    """What is logged, how, and how much of the subject."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _doc("of everything but the access log", variable="GATEWAY_LOG_LEVEL"),
    ] = "info"
    format: Annotated[
        Literal["json", "text"], _doc("of everything but the access log, which is JSON", variable="GATEWAY_LOG_FORMAT")
    ] = "json"
    access: Annotated[
        Literal["all", "refused", "none"], _doc("which requests the access log has", variable="GATEWAY_LOG_ACCESS")
    ] = "all"
    sample: Annotated[
        float,
        _doc("share of admitted requests that the access log has, 0 to 1; refused and failed ones are never left out"),
    ] = 1.0
    blocked: Annotated[
        Literal["wait", "drop"],
        _doc(
            "when nobody reads standard output: wait stops traffic; drop loses lines, and counts them",
            variable="GATEWAY_LOG_BLOCKED",
        ),
    ] = "wait"
    subject: Annotated[Literal["plain", "hashed", "off"], _doc("how the access log names the subject")] = "hashed"
