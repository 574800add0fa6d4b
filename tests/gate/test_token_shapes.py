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
from gateway.core.token.keys import Key, KeySet, parse_key_set
from gateway.core.trail import Step
from gateway.demo.issuer import sign
from gateway.explaining.explanation import explain
from gateway.gate import Gate
from gateway.ports import Ending
from tests.memory import Nowhere, Recorder, facts

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


def config(shape: dict[str, Any], **settings: Any) -> Config:
    configure: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in shape["configure"].items()
    }
    return Config(upstream="http://127.0.0.1:1", issuers=(Issuer(issuer=ISSUER, **configure, **settings),))


async def ended(shape: dict[str, Any], token: bytes | None = None) -> Ending:
    """What the gate makes of a request with this token."""
    gate = Gate(config(shape), issuers=PUBLISHED, upstream=Nowhere(), observer=Recorder(), clock=lambda: NOW)
    ending = Ending()
    try:
        await gate.admit(facts(token or minted(shape)), ending)
    except Refusal as refusal:
        ending.refusal = refusal
    return ending


async def judged(shape: dict[str, Any]) -> Refusal | None:
    return (await ended(shape)).refusal


@pytest.mark.parametrize("shape", [s for s in SHAPES if s["expected"] == "reject"], ids=lambda shape: shape["id"])
async def test_what_is_no_access_token_is_refused(shape: dict[str, Any]) -> None:
    assert isinstance(await judged(shape), InvalidToken)


@pytest.mark.parametrize(
    "shape", [s for s in SHAPES if s["expected"] == "accept-with-proof"], ids=lambda shape: shape["id"]
)
async def test_a_bound_token_is_no_bearer_token(shape: dict[str, Any]) -> None:
    ending = await ended(shape)
    assert isinstance(ending.refusal, InvalidToken)
    assert ending.identity is None
    # One of them is printed without aud.
    assert ending.step in {Step.BINDING, Step.AUDIENCE}


async def test_explain_says_what_the_gate_says_at_the_same_step(tmp_path: Path) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in KEYS.values()]}))
    wrong = {}
    for shape in SHAPES:
        token = minted(shape)
        ending = await ended(shape, token)
        told = await explain(config(shape, jwks_file=str(jwks)), token, target="/orders", clock=lambda: NOW)
        said = (told.refusal and told.refusal.reason, [line.name for line in told.steps if line.passed is False])
        judgement = (
            ending.refusal and ending.refusal.reason,
            [] if ending.refusal is None else [str(ending.step)],
        )
        if said != judgement:
            wrong[shape["id"]] = (said, judgement)
    assert not wrong


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
