"""The conditions of a configuration, compiled at start: the gate asks them of each request to a route with one."""

from collections.abc import Iterator
from typing import Final

from gateway.conditions.library import Expression, Library, Mistake
from gateway.core.condition.result import ERROR, refusal_of
from gateway.core.condition.told import TooMuch, told_of
from gateway.core.config.condition import Condition, condition_sentences, read_condition
from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.errors import ConditionFalse
from gateway.core.http.facts import Facts
from gateway.core.upstream.headers import UpstreamHeaders
from gateway.ports import Ending


class CelConditions:
    """The Conditions port, by CEL."""

    def __init__(self, config: Config) -> None:
        """`config` is sound: what cannot be compiled is a problem of it."""
        library: Final = Library()
        self._ignore_case = config.path_case == "insensitive"
        texts = dict.fromkeys(route.condition for route in config.routes if route.condition is not None)
        self._whole = {text: library.compile(text) for text in texts}
        self._parts = {text: _compiled_parts(library, read_condition(text)) for text in texts}

    def __repr__(self) -> str:
        return f"CelConditions({len(self._whole)})"

    def check(self, condition: Condition, facts: Facts, ending: Ending, headers: UpstreamHeaders) -> None:
        """ConditionFalse: the request does not meet it, or nobody can say. `ending.condition` then says which."""
        ending.condition = ERROR
        identity = ending.identity
        assert identity is not None  # judged before
        lines = headers.passing(facts) if "request.headers" in condition.members else []
        try:
            values = told_of(condition, facts, identity, lines=lines, ignore_case=self._ignore_case)
        except TooMuch as much:
            raise ConditionFalse(str(much)) from None
        result = self._whole[condition.text].evaluate(values)
        ending.condition = result.outcome
        if result.outcome != "true":
            parts = self._parts[condition.text]
            raise refusal_of(result, condition.parts, [part.evaluate(values) for part in parts])


def condition_problems(config: Config) -> Iterator[ConfigProblem]:
    """What cannot be compiled. Each text by itself: those that are wrong as texts have been told of."""
    library = Library()
    for index, route in enumerate(config.routes):
        if route.condition is None or any(condition_sentences(route.condition)):
            continue
        try:
            library.compile(route.condition)
        except Mistake as mistake:
            yield ConfigProblem(joined(joined("routes", index), "condition"), str(mistake))


def _compiled_parts(library: Library, condition: Condition) -> list[Expression]:
    """Each part by itself, to say which of them is not met; none where there is only one, or one cannot stand alone."""
    try:
        return [library.compile(part) for part in condition.parts] if len(condition.parts) > 1 else []
    except Mistake:
        return []
