from tests.inject.manifests import DEPLOYMENT, injected, objects, pod_of, said


def ending(text: str, **changes: object) -> tuple[dict[str, object], object, str]:
    patched = injected(text, **changes)
    ((_, value), *_) = objects(patched.text).items()
    pod = pod_of(value)
    hooks = {one["name"]: one.get("lifecycle", {}).get("preStop") for one in pod["containers"]}
    return hooks, pod.get("terminationGracePeriodSeconds"), said(patched)


def test_every_ordinary_container_waits_and_the_pod_has_longer() -> None:
    text = DEPLOYMENT.replace("      containers:\n", "      containers:\n      - {name: other, image: x}\n")
    hooks, grace, told = ending(text, drain_delay=2.5)
    assert hooks == {"other": {"sleep": {"seconds": 4}}, "api": {"sleep": {"seconds": 4}}}
    assert grace == 34
    assert "below 1.30" in told


def test_what_waits_already_stays() -> None:
    own = "        lifecycle:\n          preStop: {exec: {command: [sleep, '9']}}\n"
    hooks, grace, told = ending(DEPLOYMENT + own)
    assert hooks == {"api": {"exec": {"command": ["sleep", "9"]}}}
    assert grace is None
    assert "has a preStop of its own, which stays: it should last 6 s" in told


def test_other_hooks_stay_beside() -> None:
    own = "        lifecycle:\n          postStart: {exec: {command: [x]}}\n"
    patched = injected(DEPLOYMENT + own)
    lifecycle = pod_of(objects(patched.text)["Deployment/web"])["containers"][0]["lifecycle"]
    assert lifecycle == {"postStart": {"exec": {"command": ["x"]}}, "preStop": {"sleep": {"seconds": 6}}}


def test_the_time_of_the_pod_grows_from_what_it_was() -> None:
    text = DEPLOYMENT.replace("      containers:", "      terminationGracePeriodSeconds: 5\n      containers:")
    _, grace, told = ending(text)
    assert grace == 11
    assert "has 11 s to end, less than the limits drain_delay and drain together (25 s)" in told


def test_a_job_ends_by_itself() -> None:
    job = DEPLOYMENT.replace("apps/v1", "batch/v1").replace("Deployment", "Job")
    hooks, grace, _ = ending(job)
    assert (hooks, grace) == ({"api": None}, None)
