"""The program's own log: one event a line, and libraries that may not quote what they read."""

import fcntl
import io
import json
import logging
import os
from collections.abc import Iterator
from typing import Literal

import pytest

from gateway.core.config.log import Log
from gateway.observe.log import flush_log, set_up_logging

SECRET = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(
    format_: Literal["json", "text"] = "json", level: Literal["debug", "info", "warning", "error"] = "info"
) -> io.StringIO:
    stream = io.StringIO()
    set_up_logging(Log(format=format_, level=level), stream)
    return stream


def test_an_event_is_one_json_object() -> None:
    stream = logged()
    logging.getLogger("gateway.x").warning("a %s\nb", "\u00fc\r")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("warning", "gateway.x", "a \u00fc\r\nb")
    assert found["ts"].endswith("Z")


def test_an_event_is_one_line_of_text() -> None:
    stream = logged("text")
    logging.getLogger("gateway.x").warning("a %s\nb", "\rc")
    (line,) = stream.getvalue().splitlines()
    assert "WARNING gateway.x: a \\rc\\nb" in line


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_configured(level: Literal["debug", "info", "warning", "error"], lines: int) -> None:
    stream = logged(level=level)
    log = logging.getLogger("gateway.x")
    for say in (log.debug, log.info, log.warning, log.error):
        say("x")
    assert len(stream.getvalue().splitlines()) == lines


@pytest.mark.parametrize("name", ["aiohttp.server", "aiohttp.client", "asyncio", "aiohttp"])
@pytest.mark.parametrize("format_", ["json", "text"])
def test_libraries_say_that_and_not_what(name: str, format_: Literal["json", "text"]) -> None:
    stream = logged(format_, "debug")
    log = logging.getLogger(name)
    log.debug("read %s", SECRET)
    log.info("read %s", SECRET)
    log.warning("read %s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("could not parse %s", SECRET)
    assert len(stream.getvalue().splitlines()) == 2
    assert SECRET[:16] not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_traceback_says_where_and_quotes_no_token(format_: Literal["json", "text"]) -> None:
    stream = logged(format_)
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"Bearer {SECRET}.{SECRET} is odd") from error
    except ValueError:
        logging.getLogger("gateway").exception("a bug")
    text = stream.getvalue()
    assert "test_log.py" in text
    assert "ValueError: Bearer ....... is odd" in text
    assert SECRET[:16] not in text


def test_setting_up_twice_says_everything_once() -> None:
    logged()
    stream = logged()
    logging.getLogger("gateway").warning("x")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_worker_says_which_one_it_is(format_: Literal["json", "text"]) -> None:
    stream = io.StringIO()
    set_up_logging(Log(format=format_), stream, worker=3)
    logging.getLogger("gateway.x").info("here")
    if format_ == "json":
        assert json.loads(stream.getvalue())["worker"] == 3
    else:
        assert "gateway.x[3]: here" in stream.getvalue()


def test_where_messages_may_be_dropped_whoever_reads_again_is_told_how_many() -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb", buffering=0) as reading:
        set_up_logging(Log(blocked="drop"), stream)
        log = logging.getLogger("gateway.x")
        for number in range(1500):
            log.info("%01000d", number)
        found = b""
        while b"were dropped" not in found:
            found += reading.read(65536) or b""
            flush_log()
        log.info("again")
        found += reading.read(65536) or b""
        messages = [json.loads(line)["message"] for line in found.splitlines()]
        shown = [int(message) for message in messages if message.isdecimal()]
        assert shown == list(range(len(shown)))
        lost = 1500 - len(shown)
        assert lost > 0
        assert messages[-2:] == [f"{lost} messages of this log were dropped: standard error was not read", "again"]
        logging.getLogger().handlers[0].close()


def test_a_message_that_cannot_be_written_is_complained_of_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader):
        set_up_logging(Log(blocked="drop"), stream)
        logging.getLogger("gateway.x").info("%d", "no number")
        logging.getLogger().handlers[0].close()
    assert "Logging error" in capsys.readouterr().err


def test_a_reader_of_the_log_that_is_gone_is_nobody_s_problem() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        set_up_logging(Log(blocked="drop"), stream)
        logging.getLogger("gateway.x").info("a")
        flush_log()
        logging.getLogger().handlers[0].close()


def test_what_is_no_file_is_written_as_ever_whatever_is_configured() -> None:
    stream = io.StringIO()
    set_up_logging(Log(blocked="drop"), stream)
    logging.getLogger("gateway.x").info("a")
    flush_log()
    assert stream.getvalue().count("\n") == 1
