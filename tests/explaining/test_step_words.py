"""Every step has words, which are about what it saw and nothing else."""

from gateway.core.trail import Step
from gateway.explaining.step_words import WORDS
from gateway.ports import Ending


def test_every_step_that_a_request_can_pass_has_words() -> None:
    assert set(WORDS) == set(Step)


def test_a_token_that_only_its_issuer_reads_has_words_of_its_own() -> None:
    ending = Ending()
    assert WORDS[Step.FORM](ending, {"form": "encrypted"}) == "encrypted: its issuer is asked"
    assert WORDS[Step.FORM](ending, {"alg": "RS256", "kid": "k", "typ": None}) == "alg RS256, kid 'k', typ None"
    assert WORDS[Step.AUDIENCE](ending, {}) == "none in the token; its issuer says it, or need not"
    assert (
        WORDS[Step.AUDIENCE](ending, {"claim": "aud", "value": "a", "expected": {"a"}}) == "aud is 'a'; expected ['a']"
    )
    said = WORDS[Step.INTROSPECTION](ending, {"issuer": "local", "seconds": 59.6})
    assert said == "local says that it is active; that is believed for 60 s"
