import ast
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parsed import parsed

#: as much as makes CPython collect several times
TEXT = "".join(f"a{number} = {number}\n" for number in range(200))


class Left:
    """What is left behind and shows a traceback when it goes, which reads source: as a task does that nobody has awaited."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        ast.parse("a = 1")


@pytest.fixture
def collects_often() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)


def test_a_module_is_read_whatever_is_left_behind(tmp_path: Path, collects_often: None) -> None:
    path = tmp_path / "some.py"
    path.write_text(TEXT)
    for _ in range(20):
        for _ in range(3):
            Left()
        assert len(parsed(path).body) == 200
    assert gc.isenabled()


def test_no_text_of_python_leaves_the_collector_off(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text("a b")
    with pytest.raises(SyntaxError):
        parsed(path)
    assert gc.isenabled()
