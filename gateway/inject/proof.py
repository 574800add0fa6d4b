"""What has been written is read again before anybody gets it: it must be what was meant, and lead back."""

from collections.abc import Collection

from gateway.inject.pods import every, mappings
from gateway.inject.reading import Unfit
from gateway.inject.stream import Chunk, Manifest, Stream, original, parse
from gateway.inject.wanted import NAME


def check_written(stream: Stream, injected: Collection[int]) -> None:
    """Unfit: a document that was changed is no YAML any more, or has other objects than before, or none of ours.

    `injected`: the ids of the manifests that got a gateway.
    """
    for chunk in stream.chunks:
        if chunk.objects and (text := chunk.edits.applied()) != chunk.text:
            try:
                _check(chunk, text, injected)
            except Unfit as error:
                labels = [one.label for one in chunk.objects if one.changes.is_made] or [chunk.objects[0].label]
                about = ", ".join(labels[:3]) + (", ..." if labels[3:] else "")
                raise Unfit(f"cannot be edited at {about}, written as it is there: {error}") from None


def _check(chunk: Chunk, text: str, injected: Collection[int]) -> None:
    after = parse(text).objects
    if [one.label for one in after] != [one.label for one in chunk.objects]:
        raise Unfit("it would have other objects than before")
    for old, new in zip(chunk.objects, after, strict=True):
        if id(old) in injected:
            _check_containers(old, new)
        elif not old.changes.is_made and new.value != old.value:
            raise Unfit(f"{old.label} would change with it: do they share an anchor? write it out there")
    back, told = original(text)
    if told or (
        back != chunk.text and [one.value for one in parse(back).objects] != [one.value for one in chunk.objects]
    ):
        raise Unfit("there would be no way back")


def _check_containers(old: Manifest, new: Manifest) -> None:
    before, after = _containers(old), _containers(new)
    if after.count(NAME) != 1 or [name for name in after if name != NAME] != before:
        raise Unfit("it would have other containers than its own and the gateway")


def _containers(manifest: Manifest) -> list[object]:
    (workload,) = every([manifest])
    return [one.get("name") for one in (*mappings(workload.pod.get("initContainers")), *workload.containers)]
