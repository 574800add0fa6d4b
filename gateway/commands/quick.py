"""The commands that probes and hooks call: options are read here, without argparse, which takes as long as they do.

What is not simply an option and its value is left to argparse: --help, what is wrong, and how to say so.
Nothing here and in the commands of probes imports what takes time: dataclasses, typing and re among others.
"""

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

#: seconds that an option may say
_LONGEST = 3600.0


class Option:
    """An option with a value, as `--url URL`."""

    def __init__(
        self, name: str, metavar: str, says: str, *, convert: "Callable[[str], object]", default: object = None
    ) -> None:
        """`convert` makes the value of the word; its ValueError says what it must be. `name`: without the dashes."""
        self.name = name
        self.metavar = metavar
        self.says = says
        self.convert = convert
        self.default = default


def run_quickly(name: str, words: list[str]) -> int | None:
    """Runs the command of that name; returns its exit code. None: argparse has to look at what it is given."""
    command = getattr(__import__("gateway.commands", fromlist=[name]), name)
    arguments = read_options(command.OPTIONS, words)
    if arguments is None:
        return None
    code: int = command.run(arguments)
    return code


def read_options(options: tuple[Option, ...], words: list[str]) -> SimpleNamespace | None:
    """The value of each option by its name. None: argparse has to look at it."""
    values = {option.name: option.default for option in options}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        found = [option for option in options if name == f"--{option.name}"]
        if not found:
            return None
        if not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
        try:
            values[found[0].name] = found[0].convert(value)
        except ValueError:
            return None
    return SimpleNamespace(**values)


def add_options(options: tuple[Option, ...], parser: "ArgumentParser") -> None:
    """The same options, for argparse."""
    for option in options:
        parser.add_argument(
            f"--{option.name}",
            metavar=option.metavar,
            help=option.says,
            type=_told(option.convert),
            default=option.default,
        )


def _told(convert: "Callable[[str], object]") -> "Callable[[str], object]":
    """The same, whose ValueError argparse passes on."""
    from argparse import ArgumentTypeError  # noqa: PLC0415 -- see above

    def told(word: str) -> object:
        try:
            return convert(word)
        except ValueError as error:
            raise ArgumentTypeError(f"must be {error}") from None

    return told


def seconds(word: str) -> float:
    """A number of seconds, with or without an `s` behind it. ValueError says what it must be."""
    try:
        value = float(word.removesuffix("s"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"a number of seconds from 0 to {_LONGEST:g}")
    return value
