import json

import pytest

from gateway.inject.reading import Unfit, compose, plain
from gateway.inject.stream import find_config_map, has_service_part, joined, original, parse
from tests.inject.manifests import DEPLOYMENT, NUMERIC, SERVICE, injected

LIST = "kind: List\napiVersion: v1\nitems:\n- kind: Pod\n  metadata: {name: a}\n- kind: PodList\n  items: [{kind: Pod, metadata: {name: b}}]\n"  # fmt: skip


def test_every_object_is_found_in_its_order() -> None:
    found = [one.label for one in parse(f"# first\n{DEPLOYMENT}{SERVICE}---\n{LIST}").objects]
    assert found == ["Deployment/web", "Service/web", "Pod/a", "Pod/b"]


def test_objects_of_json_stand_one_behind_the_other() -> None:
    text = (
        '{"kind": "Pod", "metadata": {"name": "a"}}\n\n{"kind": "Pod", "metadata": {"name": "b", "namespace": "n"}} \n'
    )
    stream = parse(text)
    assert [(one.label, one.namespace) for one in stream.objects] == [("Pod/a", ""), ("Pod/b", "n")]
    assert stream.written([]) == text


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# only this\n", "---\n", "---\n---\n", "--- # a\n...\n---\n", "%YAML 1.1\n---\nkind: Pod\nmetadata: {name: a}\n",
     "a: 1\n...\n# end\n", "{a: 1}\n---\n[1]\n", "kind: Pod\n---\nkind: Pod\nmetadata: 3\n", "kind: Pod\nmetadata:\n- 1\n"],
)  # fmt: skip
def test_whatever_has_no_object_passes_as_it_is(text: str) -> None:
    stream = parse(text)
    assert stream.written([]) == text
    assert original(text) == (text, [])


def test_what_is_of_no_interest_is_not_even_read() -> None:
    broken = "kind: CustomResourceDefinition\na: [\n---\nkind: ConfigMap\ndata: {{ x }}\n---\n"
    assert parse(broken + DEPLOYMENT).objects[0].name == "web"


@pytest.mark.parametrize(
    "text",
    [
        "kind: List\nitems:\n- kind: CustomResourceDefinition\n  metadata: {name: x}\n- kind: Pod\n  metadata: {name: web}\n",
        "kind: Pod\nmetadata:\n  name: web # see kind: CustomResourceDefinition\n",
        'apiVersion: v1\n"k\\u0069nd": Pod\nmetadata: {name: web}\n',
        'kind: "P\\u006fd"\nmetadata: {name: web}\n',
        "kind: !!str Pod\nmetadata: {name: web}\n",
        "? kind\n: Pod\nmetadata: {name: web}\n",
        "kind:\n  Pod\nmetadata: {name: web}\n",
        "  kind: Pod\n  metadata: {name: web}\n",
        "kind: Secret # a\u2028metadata: {name: a}\n--- \nkind: Pod\nmetadata: {name: web}\n",
        '{"kind": "ConfigMap", "metadata": {}} {"k\\u0069nd": "P\\u006fd", "metadata": {"name": "web"}}',
    ],
)
def test_a_kind_is_what_the_object_says_however_it_is_written(text: str) -> None:
    assert "Pod/web" in [one.label for one in parse(text).objects]


def test_a_key_twice_is_refused_where_it_matters() -> None:
    twice = SERVICE.replace("    targetPort: http\n", "    targetPort: http\n    targetPort: 8080\n")
    with pytest.raises(Unfit, match="has a key twice at line 33: 'targetPort'"):
        parse(DEPLOYMENT + twice)
    assert parse("kind: Secret\nmetadata: {name: a, name: b}\n").objects == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("&a\nkind: List\nitems:\n- *a\n", "an alias in a List for the object at line 1"),
        ("kind: List\nitems:\n- &l {kind: List, items: [{kind: Pod}]}\n- {kind: List, items: [*l, *l]}\n", "alias in a List .* line 3"),
        ("x: &l\n  kind: List\n  items: [{kind: Pod}]\n<<: *l\n", "object at line 1 that is merged from elsewhere"),
        ("{kind: List, items: [" * 101 + "]}" * 101, "more than 100 deep|nested too deep"),
        (
            "kind: List\nitems:\n- {kind: Pod, metadata: &a [" + "x," * 1000 + "]}\n" + "- {kind: Pod, x: *a}\n" * 300,
            "more values than its text",
        ),
    ],
)  # fmt: skip
def test_aliases_make_no_more_of_a_text_than_it_is(text: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        parse(text)


def test_a_line_is_counted_from_the_beginning() -> None:
    with pytest.raises(Unfit, match="line 25"):
        parse(f"{DEPLOYMENT}---\nkind: Pod\na: [\n")


@pytest.mark.parametrize(
    ("texts", "together"),
    [
        (["a: 1\n", "b: 1\n"], "a: 1\n---\nb: 1\n"),
        (["a: 1", "---\nb: 1"], "a: 1\n---\nb: 1"),
        (["a: 1\r\nb: 2", "c: 1"], "a: 1\r\nb: 2\r\n---\r\nc: 1"),
        (["", "b: 1"], "b: 1"),
        (["a: 1", " \n"], "a: 1"),
        (['{"a": 1}', '{"b": 1}\n'], '{"a": 1}\n{"b": 1}\n'),
        (['{"a": 1}', "b: 1", "{c: 1}"], '{"a": 1}\n---\nb: 1\n---\n{c: 1}'),
    ],
)
def test_texts_are_one_behind_the_other(texts: list[str], together: str) -> None:
    assert joined(texts[0], texts[1:]) == together


@pytest.mark.parametrize("end", ["\n", "", "\n---\n", "\n...\n", "\r\n", "\n\n# end"])
def test_documents_are_added_and_found_again(end: str) -> None:
    text = DEPLOYMENT.rstrip("\n") + end
    there = parse(text).written([_own(), _own()])
    assert original(there) == (text, [])
    assert original(there + "---\nkind: Pod\n")[0].endswith("---\nkind: Pod\n")


def test_documents_are_added_to_json_and_found_again() -> None:
    for end in ("", "\n"):
        text = json.dumps({"kind": "Pod", "metadata": {"name": "a"}}) + end
        there = parse(text).written([_own()])
        assert original(there) == (text, [])


@pytest.mark.parametrize("indent", [None, 4])
def test_a_list_of_json_gets_them_among_its_items(indent: int | None) -> None:
    pod = {"kind": "Pod", "metadata": {"name": "a"}}
    text = json.dumps({"kind": "List", "items": [pod, pod]}, indent=indent) + "\n"
    there = parse(text).written([_own(), _own()])
    assert json.loads(there)["items"] == [pod, pod, _own(), _own()]
    assert original(there) == (text, [])
    assert parse(there).written([]) == there
    # In another order, and as YAML, as other programs write it.
    for items, left in (
        ([_own(), _own(), pod, _own(), pod], [pod, pod]), ([pod, _own()], [pod]), ([_own(), pod, _own(), _own()], [pod]), ([_own()], []),
    ):  # fmt: skip
        assert json.loads(original(json.dumps({"kind": "List", "items": items}, indent=indent))[0])["items"] == left
        lines = "".join(f"- {json.dumps(item)}\n" for item in items)
        before, _ = original(f"kind: List\nitems:\n{lines}")
        assert (plain(compose(before)[0])["items"] or []) == left


def test_a_list_of_json_is_injected_and_given_back() -> None:
    yaml = [plain(root) for one in (DEPLOYMENT, NUMERIC) for root in compose(one)]
    text = json.dumps({"kind": "List", "apiVersion": "v1", "items": yaml}, indent=2)
    patched = injected(text, part="service")
    kinds = [one["kind"] for one in json.loads(patched.text)["items"]]
    assert kinds == ["Deployment", "Service", "ConfigMap", "NetworkPolicy"]
    assert injected(patched.text, part="service").text == patched.text
    assert has_service_part(patched.text)
    assert original(patched.text) == (text, [])


def test_a_config_map_of_the_stream_is_read() -> None:
    text = DEPLOYMENT + "---\nkind: ConfigMap\nmetadata: {name: gw}\ndata:\n  gateway.yaml: |\n    a: 1\n"
    assert find_config_map(text, "gw", "gateway.yaml") == "a: 1\n"
    assert find_config_map(text, "gw", "other") is None
    assert find_config_map(text, "other", "gateway.yaml") is None


def test_documents_of_inject_go_with_what_it_wrote() -> None:
    patched = injected(DEPLOYMENT + SERVICE, part="all")
    assert 'kind: "NetworkPolicy"' in patched.text  # fmt: skip
    assert original(patched.text) == (DEPLOYMENT + SERVICE, [])


def test_what_somebody_else_wrote_stays_whatever_its_label_says() -> None:
    label = "labels: {app.kubernetes.io/managed-by: bearer-gateway-inject}"
    for text in (
        SERVICE.replace("  name: web\n", f"  name: bearer-gateway-web\n  {label}\n"),
        f"kind: ConfigMap\nmetadata:\n  name: mine\n  {label}\n",
        f"kind: [ConfigMap]\nmetadata:\n  name: bearer-gateway-x\n  {label}\n",
    ):
        assert original(text) == (text, [])


def _own() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "bearer-gateway-x", "labels": {"app.kubernetes.io/managed-by": "bearer-gateway-inject"}},
        "data": {"a": "b\nc\n"},
    }
