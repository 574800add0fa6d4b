import pytest

from gateway.inject.patch import inject
from gateway.inject.proof import check_written
from gateway.inject.reading import Unfit
from gateway.inject.stream import Stream, parse
from tests.inject.manifests import DEPLOYMENT, SERVICE, wanted


def edited(old: str, new: str) -> tuple[Stream, set[int]]:
    """A stream with a change that no editor would make."""
    stream = parse(DEPLOYMENT + SERVICE)
    chunk = stream.chunks[0]
    at = chunk.text.index(old)
    chunk.edits.replace(at, at + len(old), new)
    return stream, {id(chunk.objects[0])}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("spec:\n", "spec: [\n", "is not valid YAML"),
        ("  name: web", "  name: other", "other objects than before"),
        ("kind: Deployment", "kind: Secret", "other objects than before"),
        ("name: web", "name: web # bearer-gateway", "other containers than its own and the gateway"),
        ("- name: api", "- name: bearer-gateway\n      - name: other", "other containers than its own and the gateway"),
        ("- name: api", "- name: bearer-gateway\n      - name: api", "no way back"),
    ],
)
def test_what_would_be_wrong_is_not_given_to_anybody(old: str, new: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=rf"cannot be edited at Deployment/web, .*{sentence}"):
        check_written(*edited(old, new))


def test_what_has_not_changed_is_not_read_again() -> None:
    check_written(parse(DEPLOYMENT + SERVICE), set())


def test_a_neighbour_does_not_change_by_an_anchor() -> None:
    pod = "{containers: [{name: c, ports: [{containerPort: 80}]}]}"
    text = (
        f"kind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {{name: a}}\n  spec: &s {pod}\n"
        "- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n  spec: *s\n"
    )
    patched = inject(text, wanted(names=("a",)))
    assert not patched.is_sound
    assert "cannot be edited at Pod/a" in str(patched.remarks[-1])
    assert "Pod/b would change with it" in str(patched.remarks[-1])
