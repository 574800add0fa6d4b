"""A form as browsers and OAuth send it (application/x-www-form-urlencoded), written by a stranger."""

from typing import Final
from urllib.parse import parse_qsl

MEDIA_TYPE: Final = b"application/x-www-form-urlencoded"
#: more than any request of OAuth has
MAX_FIELDS: Final = 64


def is_form(content_type: bytes | None) -> bool:
    """Whether a Content-Type says so, whatever parameters it has."""
    return content_type is not None and content_type.partition(b";")[0].strip(b" \t").lower() == MEDIA_TYPE


def parse_form(body: bytes) -> dict[str, str]:
    """The fields by name. ValueError: no UTF-8, too many, or one twice (RFC 6749 section 3.1); it quotes nothing."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except UnicodeDecodeError:
        raise ValueError("the form is not UTF-8") from None
    except ValueError:
        raise ValueError(f"the form has more than {MAX_FIELDS} fields") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("the form has a field twice")
    return fields
