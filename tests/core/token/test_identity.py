"""Values that do not change, and whose repr may stand in a log."""

import ast
import inspect
from hashlib import sha256
from types import ModuleType

import pytest

import gateway.core.http.facts
import gateway.core.routing.admission
import gateway.core.token.identity
import gateway.core.token.rules
from gateway.core.config.routes import RouteSection
from gateway.core.http.facts import Facts
from gateway.core.http.outgoing import Outgoing
from gateway.core.routing.admission import Admission
from gateway.core.routing.route import compile_route
from gateway.core.token.believed import Believed
from gateway.core.token.credential import Credential
from gateway.core.token.details import Details
from gateway.core.token.handles import handles_of
from gateway.core.token.identity import Identity
from gateway.core.token.jwt import parse_token
from gateway.core.token.markers import Verdict
from gateway.core.token.payload import payload_of
from tests.signer import key, sign
from tests.values import changed

SECRET = "c2VjcmV0"
LINES = ((b"Cookie", SECRET.encode()),)
ROUTE = compile_route(RouteSection(path="/*"))


def facts(target: bytes = b"/orders?q=1") -> Facts:
    return Facts(
        method="GET",
        target=target,
        version=(1, 1),
        headers=LINES,
        authorization=(f"Bearer {SECRET}".encode(),),
        host=b"api.example.com",
        content_length=None,
        chunked=False,
        scheme="https",
        peer="192.0.2.1",
        trusted=False,
        request_id="r1",
    )


def identity() -> Identity:
    return Identity(
        issuer="local",
        subject="alice",
        client=None,
        scopes=(),
        claims={"email": SECRET},
        expires_at=1.0,
        not_before=None,
        leeway=30.0,
        key="thumbprint",
        verdict=Verdict("access", "header typ is at+jwt"),
        token_id="0123456789ab",
        headers=LINES,
    )


@pytest.mark.parametrize(
    "value",
    [
        facts(),
        identity(),
        Credential(SECRET.encode()),
        Admission(route=ROUTE, identity=identity(), target=b"/", lines=Outgoing([], [identity().wire])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_repr_shows_no_token_and_no_header_value(value: object) -> None:
    assert SECRET not in repr(value)


def test_repr_of_a_token_shows_neither_claims_nor_signature() -> None:
    token = parse_token(sign())
    assert "alice" not in repr(token)
    assert "signature" not in repr(token)
    assert str(token.signature)[2:10] not in repr(token)
    assert "public" not in repr(key("p-256"))


@pytest.mark.parametrize(
    "module",
    [gateway.core.http.facts, gateway.core.routing.admission, gateway.core.token.identity, gateway.core.token.rules],
    ids=lambda module: module.__name__,
)
def test_no_value_can_be_changed(module: ModuleType) -> None:
    """mypy, which judges all there is, refuses to set a Final attribute a second time."""
    set_anywhere = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    finals = [
        node.target
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name) and node.annotation.id == "Final"
    ]
    assert finals
    changing = {ast.unparse(node) for node in set_anywhere} - {ast.unparse(node) for node in finals}
    # What is worked out late is no field.
    assert all(name.startswith("self._") for name in changing)


def test_a_subject_is_hashed_for_the_log_once() -> None:
    it = identity()
    assert it.hashed_subject == sha256(b"alice").hexdigest()[:16]
    assert it.hashed_subject is it.hashed_subject
    assert changed(it, subject=None).hashed_subject is None


def test_what_the_log_keeps_of_it_is_found_again() -> None:
    it, kept = identity(), object()
    assert it.logged is None
    it.keep_logged(kept)
    assert it.logged is kept


class Published:
    """One key of one issuer, or none."""

    def __init__(self, *keys: tuple[str, str]) -> None:
        self.keys = keys

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        return (issuer, thumbprint) in self.keys


@pytest.mark.parametrize(
    ("now", "not_before", "keys", "holds"),
    [
        (1_000.0, None, [("local", "thumbprint")], True),
        (1_029.9, None, [("local", "thumbprint")], True),
        (1_030.0, None, [("local", "thumbprint")], False),
        (470.0, 500.0, [("local", "thumbprint")], True),
        (469.9, 500.0, [("local", "thumbprint")], False),
        (1_000.0, None, [("local", "other")], False),
        (1_000.0, None, [("other", "thumbprint")], False),
        (1_000.0, None, [], False),
    ],
)
def test_an_identity_holds_while_its_times_and_its_key_do(
    now: float, not_before: float | None, keys: list[tuple[str, str]], *, holds: bool
) -> None:
    remembered = changed(identity(), expires_at=1_000.0, not_before=not_before)
    assert remembered.still_holds(now, Published(*keys)) is holds


def test_an_identity_ends_with_its_leeway() -> None:
    assert identity().ends_at == 31.0


def test_what_was_asked_for_holds_no_longer_than_the_response_nor_than_the_token() -> None:
    bare = changed(identity(), expires_at=1_000.0)
    keys = Published(("local", "thumbprint"))
    for until, ends in ((500.0, 500.0), (2_000.0, 1_030.0)):
        whole = bare.completed_with({"email": "a@b"}, headers=(), until=until)
        assert whole.still_holds(ends - 1, keys)
        assert not whole.still_holds(ends, keys)
        assert (whole.ends_at, whole.bare) == (1_030.0, bare)


def test_what_an_identity_can_be_revoked_by_is_known_where_that_was_kept_and_stays_with_it() -> None:
    plain = identity()
    assert (plain.issued_at, plain.jti, plain.sid) == (None, None, None)
    handles = handles_of({"iat": 5, "jti": "t", "sid": "s"}, issuer="i", subject="alice", client=None, digest=b"")
    revocable = changed(plain, handles=handles)
    for one in (revocable, revocable.completed_with({"email": "a@b"}, headers=(), until=1.0)):
        assert (one.issued_at, one.jti, one.sid, one.handles) == (5.0, "t", "s", handles)


def test_what_is_kept_beside_the_token_counts() -> None:
    payload = payload_of({"note": "n" * 100}, None)
    said = Believed(b"opaque", asked_at=0.0, until=1.0, renewed_at=0.8, size=50)
    assert identity().kept_bytes == 0
    assert changed(identity(), details=Details(audience=("api",))).kept_bytes == 0
    assert changed(identity(), details=Details(payload=payload)).kept_bytes == payload.size
    assert changed(identity(), details=Details(payload=payload), believed=said).kept_bytes == payload.size + 50
