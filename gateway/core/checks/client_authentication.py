"""What a section may not say of how the gateway authenticates itself at an issuer: each method needs its keys alone."""

from collections.abc import Iterator
from typing import Final

from gateway.core.config.client_authentication import ClientAuthentication, auth_of

#: by method: what it needs, and what it may have besides
_NEEDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "client_secret_basic": (("client_id", "client_secret"), ("tls",)),
    "client_secret_post": (("client_id", "client_secret"), ("tls",)),
    "private_key_jwt": (("client_id", "key"), ("key_id", "assertion_audience", "tls")),
    "tls_client_auth": (("client_id", "tls"), ()),
    "bearer": (("bearer",), ("client_id", "tls")),
    "none": ((), ("client_id", "tls")),
}
_KEYS: Final = ("client_id", "client_secret", "key", "key_id", "assertion_audience", "tls", "bearer")


def authentication_problems(section: ClientAuthentication) -> Iterator[tuple[str, str]]:
    """What must be corrected in a section that has these keys: key, and a sentence."""
    method = auth_of(section)
    needed, further = _NEEDS[method]
    for key in _KEYS:
        value = getattr(section, key)
        if value is None:
            if key in needed:
                yield key, f"is required for {method}" + ("" if section.auth else "; or auth names another way")
        elif key not in needed and key not in further:
            yield key, f"has no effect with {method}; one of them must go"
        elif value == "":
            yield key, "must not be empty"
    if section.tls is not None:
        for key in ("certificate", "key"):
            if getattr(section.tls, key) == "":
                yield f"tls.{key}", "must not be empty"
