"""Values of the model, made and changed as tests want them."""

from typing import Any, TypeVar

from gateway.core.http.facts import Facts
from gateway.core.token.identity import Identity
from gateway.ports import Ending

V = TypeVar("V", Facts, Identity)


def changed(value: V, **fields: Any) -> V:
    """Another one that differs in these fields."""
    names = {name for name in dir(value) if not name.startswith("_")} - {
        *("path", "emptied", "credited", "is_ambient"),
        *("hashed_subject", "wire", "logged", "keep_logged"),
        "ends_at",
        "still_holds",
        *("issued_at", "jti", "sid", "audience", "acr", "auth_time", "kept_bytes"),
        "completed_with",
    }
    assert fields.keys() <= names
    return type(value)(**{name: getattr(value, name) for name in names} | fields)


def ending(**fields: Any) -> Ending:
    """One with these fields; the others as they are at first."""
    made = Ending()
    for name, field in fields.items():
        assert hasattr(made, name)
        setattr(made, name, field)
    return made
