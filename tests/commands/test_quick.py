"""Options without argparse: either they are read as argparse would, or it is asked."""

import argparse

import pytest

from gateway.commands.quick import Option, add_options, read_options, seconds

OPTIONS = (
    Option("url", "URL", "where", convert=str),
    Option("timeout", "SECONDS", "how long", convert=seconds, default=5.0),
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False)
    add_options(OPTIONS, made)
    return made


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--url", "http://a/"],
        ["--url=http://a/?b=c"],
        ["--timeout", "2"],
        ["--timeout=2.5s", "--url", "x"],
        ["--timeout", "1", "--timeout", "0"],
        ["--url="],
    ],
)
def test_what_is_well_said_is_read_as_argparse_would(words: list[str]) -> None:
    read = read_options(OPTIONS, words)
    assert read is not None
    assert vars(read) == vars(parser().parse_args(words))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["x"],
        ["--"],
        ["--url"],
        ["--url", "--timeout"],
        ["--ur", "x"],
        ["--timeout", "soon"],
        ["--timeout", "-1"],
        ["--timeout", "nan"],
        ["--timeout", "1e9"],
        ["--timeout="],
    ],
)
def test_anything_else_is_left_to_argparse(words: list[str]) -> None:
    assert read_options(OPTIONS, words) is None


def test_argparse_says_why() -> None:
    for word in ("soon", "1e9"):
        with pytest.raises(argparse.ArgumentError, match="must be a number of seconds from 0 to 3600"):
            parser().parse_args(["--timeout", word])
