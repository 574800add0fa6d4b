import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inject.original import ANNOTATION, Changes, is_changed, restore
from gateway.inject.reading import Unfit, compose, plain
from gateway.inject.writing import block, flow
from tests.inject.manifests import editor

TEXT = """\
metadata:
  name: web   # its name
spec:
  list: []
  map:
  ports:
  - name: http
  probe:
    tcpSocket:
      # a comment
      port: 1
"""


def changed(text: str = TEXT) -> str:
    edits, one = editor(text)
    changes = Changes(one)
    changes.append(("spec", "list"), [{"name": "a"}])
    changes.put(("spec", "map"), "k", "v")
    changes.put(("spec", "made"), "k", "v")
    changes.put(("spec",), "more", 1)
    changes.set(("spec", "ports", "name=http", "name"), "http-api", known_as=("spec", "ports", "name=http-api", "name"))
    changes.set_entry(("spec", "probe", "tcpSocket"), "httpGet", {"port": 2})
    changes.remember()
    return edits.applied()


def restored(text: str) -> tuple[str, list[str]]:
    edits, _ = editor(text)
    (root,) = compose(text)
    told = restore(edits, root)
    return edits.applied(), told


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("\n"),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("  name: web", "  annotations: {}\n  name: web"),
        TEXT.replace("  name: web", "  annotations:\n  name: web"),
        TEXT.replace("  name: web", "  annotations:\n    a: b\n  name: web"),
        '{"metadata": {"name": "web"}, "spec": {"list": [], "map": null, "ports": [{"name": "http"}], "probe": {"tcpSocket": {"port": 1}}}}',
    ],
)
def test_the_way_back_leads_to_the_very_bytes(text: str) -> None:
    there = changed(text)
    (root,) = compose(there)
    value = plain(root)
    assert is_changed(value)
    assert value["spec"]["list"] == [{"name": "a"}]
    assert value["spec"]["probe"] == {"httpGet": {"port": 2}}
    assert restored(there) == (text, [])


def test_the_way_back_is_found_in_a_text_that_was_written_anew() -> None:
    (root,) = compose(changed())
    value = plain(root)
    text, told = restored(json.dumps(value, indent=4))
    assert told == []
    (root,) = compose(text)
    (before,) = compose(TEXT)
    assert plain(root) == plain(before)


def test_what_somebody_else_has_added_stays() -> None:
    there = changed().replace('    - name: "a"\n', '    - name: "a"\n    - name: theirs\n')
    there = there.replace('    k: "v"\n  ports', '    k: "v"\n    l: theirs\n  ports')  # fmt: skip
    text, told = restored(there)
    (root,) = compose(text)
    assert plain(root)["spec"]["list"] == [{"name": "theirs"}]
    assert plain(root)["spec"]["map"] == {"l": "theirs"}
    assert told == []


def test_what_is_gone_is_said() -> None:
    there = changed().replace('name: "http-api"', "name: mine").replace("  more: 1\n", "")
    text, told = restored(there)
    assert "name: mine" in text
    assert told == [
        "spec.more is not there any more, and was left like that",
        "spec.ports.name=http-api.name is not there any more, and was left like that",
    ]


@pytest.mark.parametrize("column", [-(10**9), 10**9])
def test_a_text_does_not_move_by_absurd_columns(column: int) -> None:
    edits, one = editor("metadata:\n  annotations: {}\nspec:\n  a: 1\n")
    record = {"added": [], "made": {}, "values": {}, "entries": {"/spec/a": [column, "a:\n  b: 1"]}}
    one.set(("metadata", "annotations"), {ANNOTATION: json.dumps(record)})
    with pytest.raises(Unfit, match="cannot be read"):
        restored(edits.applied())


def test_a_text_moves_with_its_key() -> None:
    there = changed().replace("    httpGet:\n      port: 2", "      httpGet:\n        port: 2")
    assert "      tcpSocket:\n        # a comment\n        port: 1\n" in restored(there)[0]


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{", '{"added": [1], "made": {}, "values": {}, "entries": {}}', "[" * 10_000,
     json.dumps({"added": ["/a" * 200_000], "made": {}, "values": {}, "entries": {}}),
     '{"added": [], "made": {}, "values": {}, "entries": {"/a": 1}}', '{"added": [], "made": {}, "values": {"/kind": 1}, "entries": {}}'],
)  # fmt: skip
def test_an_annotation_that_is_not_ours_is_refused(record: str) -> None:
    text = f"metadata:\n  annotations:\n    {ANNOTATION}: {json.dumps(record)}\n"
    with pytest.raises(Unfit, match="cannot be read"):
        restored(text)


def test_an_object_that_nothing_was_done_to_gets_no_annotation() -> None:
    edits, one = editor(TEXT)
    Changes(one).remember()
    assert edits.applied() == TEXT
    assert not is_changed({"metadata": None})
    assert not is_changed([])


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(0, 99)
    | st.sampled_from(["", "x", "# no comment", "- no item", "a: b", "|"])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["list", "map", "other"]), TREES, max_size=3),
    st.lists(st.fixed_dictionaries({"name": st.sampled_from("pq")}), max_size=2),
    st.sampled_from(["block", "flow", "json", "mixed"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\n# end", "\n\n"]),
)
def test_whatever_is_there_the_way_back_leads_to_the_very_bytes(
    spec: dict[str, object], members: list[dict[str, str]], style: str, line: str, end: str
) -> None:
    value = {"metadata": {"name": "x"}, "spec": {**spec, "members": members, "probe": {"tcpSocket": spec}}}
    if style == "block":
        text = "\n".join(block(value, 0))
    elif style == "mixed":
        text = "metadata:\n  name: x   # one\nspec: " + flow(value["spec"])
    else:
        text = flow(value)
    text = (text + ("" if style == "json" else end)).replace("\n", line)
    edits, one = editor(text)
    changes = Changes(one)
    changes.append(("spec", "members"), [{"name": "ours", "deep": {"er": [1, {"x": []}]}}])
    changes.put(("spec",), "more", {"k": "v"})
    changes.put(("spec", "made"), "k", "v")
    if members:
        changes.set(("spec", "members", "0", "name"), "new")
    changes.set_entry(("spec", "probe", "tcpSocket"), "httpGet", {"port": 2})
    changes.remember()
    there = edits.applied()
    (root,) = compose(there)
    made = plain(root)["spec"]
    assert made["members"][-1] == {"name": "ours", "deep": {"er": [1, {"x": []}]}}
    assert (made["more"], made["made"], made["probe"]) == ({"k": "v"}, {"k": "v"}, {"httpGet": {"port": 2}})
    assert {name: made[name] for name in spec} == spec
    assert restored(there) == (text, [])
