"""The file and all that it names, as they stand at one moment."""

import os
from pathlib import Path

from gateway.settings.digests import digest_of
from gateway.settings.source import Source

WHOLE = "upstream: http://127.0.0.1:1\nissuers: [{issuer: https://a.test, audience: a%s}]\n"


def test_a_look_has_the_bytes_and_tells_volumes(tmp_path: Path) -> None:
    path, other = tmp_path / "gateway.yaml", tmp_path / "volume"
    path.write_text("one")
    other.mkdir()
    (other / "..data").symlink_to(".")
    (other / "secret").write_text("x")
    source = Source(str(path), {})
    look = source.look([str(other / "secret"), "/nonexistent"])
    assert look.digests[str(path)] == digest_of(str(path)) != digest_of(str(other / "secret"))
    assert look.digests["/nonexistent"] == ""
    assert look.torn == {str(path), "/nonexistent"}


def test_what_is_named_is_known_also_where_the_text_is_not_sound(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(WHOLE % ", ca_file: /nonexistent" + "realm: [1]\n")
    reading = Source(str(path), {}).read()
    assert reading.loaded.config is None
    assert reading.loaded.named == ("/nonexistent",)
    path.write_text("[")
    assert Source(str(path), {}).read().loaded.named is None


def test_variables_alone_are_a_source_too() -> None:
    environ = {"GATEWAY_UPSTREAM": "http://127.0.0.1:1", "GATEWAY_ISSUER": "https://a.test", "GATEWAY_AUDIENCE": "a"}
    source = Source(None, environ)
    environ["GATEWAY_UPSTREAM"] = "changed"
    assert source.file is None
    loaded = source.read().loaded
    assert loaded.config is not None
    assert loaded.config.upstream == "http://127.0.0.1:1"
    assert loaded.shadowed["upstream"] is None
    assert source.look(()).digests == {}


def test_a_pipe_is_not_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    os.mkfifo(path)
    source = Source(str(path), {})
    assert source.at_first == source.look([]).digests[str(path)] == ""
    (problem,) = source.read().loaded.problems
    assert str(problem) == f"the configuration file {str(path)!r} cannot be read twice: restart"
