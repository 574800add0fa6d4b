"""The account of one request."""

import gateway.core.trail
from gateway.core.trail import Step, Trail


def test_a_request_stands_at_the_step_it_entered_last() -> None:
    trail = Trail()
    assert trail.step is Step.REQUEST
    for step in (Step.ROUTE, Step.CREDENTIAL):
        trail.enter(step)
        assert trail.step is step
    assert trail.steps == [Step.REQUEST, Step.ROUTE, Step.CREDENTIAL]


def test_what_a_step_saw_is_kept_as_it_was_found() -> None:
    trail = Trail()
    trail.enter(Step.FORM)
    trail.saw({"kid": "a" * 300, "alg": "RS256"})
    trail.enter(Step.SIGNATURE)
    trail.saw({"tried": 1})
    trail.saw({"tried": 2, "kid": "a"})
    assert trail.values(Step.FORM) == {"kid": "a" * 300, "alg": "RS256"}
    assert trail.values(Step.SIGNATURE) == {"tried": 2, "kid": "a"}
    assert trail.values(Step.ROUTE) == {}


def test_repr_shows_the_steps_and_nothing_that_was_seen() -> None:
    trail = Trail()
    trail.enter(Step.ROUTE)
    trail.saw({"claim": "secret"})
    assert repr(trail) == "Trail(request > route)"


def test_every_step_that_can_be_entered_has_a_name_of_the_module() -> None:
    named = {value for name, value in vars(gateway.core.trail).items() if name in Step.__members__}
    assert named == set(Step) - {Step.REQUEST}
