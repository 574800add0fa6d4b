"""Documented tokens of real providers, signed and judged as a whole; the confusion table goes to tests/artifacts."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.errors import IdToken, InvalidToken, LogoutToken, OtherToken, RefreshToken, Refusal, UnclassifiedToken
from gateway.core.token.credential import Credential
from gateway.core.token.keys import Key, KeySet, parse_key_set
from gateway.demo.issuer import sign
from gateway.observe.observers import Unheard
from gateway.ports import Trail
from gateway.verifier import Verifier

DATA = Path(__file__).parents[1] / "data"
ARTIFACTS = Path(__file__).parents[1] / "artifacts"
BY_CLASS = (IdToken, RefreshToken, LogoutToken, OtherToken, UnclassifiedToken)
ISSUER = "https://issuer.example"
NOW = 1_800_000_000.0
HOUR = 3600
KEYS: dict[str, RSAKey | ECKey] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rs"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "es"}),
}
SHAPES = [
    shape for name in ("token_shapes", "token_shapes_more") for shape in json.loads((DATA / f"{name}.json").read_text())
]


class PublishedKeys:
    """The Issuers port over one key set."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        return self._keys.find(alg=alg, kid=kid)

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        return thumbprint in self._keys.thumbprints

    async def fetch_keys(
        self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()
    ) -> tuple[Key, ...]:
        raise AssertionError("every key is known")


PUBLISHED = PublishedKeys(parse_key_set({"keys": [key.as_dict(private=False) for key in KEYS.values()]}))


def minted(shape: dict[str, Any]) -> bytes:
    """The token of a shape, as tests/data/README.md says: our issuer and key, its times moved to now, signed."""
    alg = shape["header"].get("alg")
    alg = alg if alg in KEYS else "RS256"
    header = {**shape["header"], "alg": alg, "kid": KEYS[alg].kid}
    claims = dict(shape["payload"])
    if "iss" in claims:
        claims["iss"] = ISSUER
    issued = claims.get("iat", claims["exp"] - HOUR if "exp" in claims else None)
    for name in ("iat", "nbf", "exp", "auth_time"):
        if issued is not None and isinstance(claims.get(name), int | float):
            claims[name] += int(NOW) - issued
    if "nbf" in claims and claims["nbf"] < 0:
        claims["nbf"] = 0
    return sign(claims, header, alg=alg, key=KEYS[alg]).encode()


async def judged(shape: dict[str, Any]) -> Refusal | None:
    configure: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in shape["configure"].items()
    }
    config = Config(upstream="http://127.0.0.1:1", issuers=(Issuer(issuer=ISSUER, **configure),))
    verifier = Verifier(config, issuers=PUBLISHED, observer=Unheard(), clock=lambda: NOW)
    try:
        await verifier.verify(Credential(minted(shape)), b"", Trail())
    except Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize("shape", [s for s in SHAPES if s["expected"] == "reject"], ids=lambda shape: shape["id"])
async def test_what_is_no_access_token_is_refused(shape: dict[str, Any]) -> None:
    assert isinstance(await judged(shape), InvalidToken)


@pytest.mark.parametrize(
    "shape", [s for s in SHAPES if s["expected"] == "accept-with-proof"], ids=lambda shape: shape["id"]
)
async def test_a_bound_token_is_no_bearer_token(shape: dict[str, Any]) -> None:
    assert isinstance(await judged(shape), InvalidToken)


async def test_the_confusion_table_is_printed_and_few_access_tokens_are_refused() -> None:
    rows: Counter[tuple[str, str, str]] = Counter()
    surprises = []
    for shape in SHAPES:
        refusal = await judged(shape)
        response = "admitted" if refusal is None else refusal.reason
        rows[shape["kind"], shape["expected"], response] += 1
        # Some shapes are printed without iss or aud; whether they would be configured is not the question here.
        if shape["expected"] in ("accept", "accept-if-configured") and isinstance(refusal, BY_CLASS):
            surprises.append(f"{shape['id']} ({shape['provider']}): {refusal.reason}, {refusal.evidence}")
    table = ["| kind | expected | response | tokens |", "|---|---|---|---|"]
    table += [f"| {' | '.join(row)} | {count} |" for row, count in sorted(rows.items())]
    text = "\n".join([*table, "", "Access tokens refused without a preset:", *(f"- {line}" for line in surprises), ""])
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "confusion.md").write_text(text)
    sys.stdout.write(text)
    accepted = [shape for shape in SHAPES if shape["expected"] in ("accept", "accept-if-configured")]
    assert len(surprises) <= 0.08 * len(accepted)
