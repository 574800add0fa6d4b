import pytest

from tests.inject.manifests import DEPLOYMENT, injected, problems

POD = "      containers:\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("hostNetwork: true", "shares the network of its node"),
        ("hostNetwork: yes", "shares the network of its node"),
        ("shareProcessNamespace: true", "can read the gateway's secrets"),
        ("hostPID: true", "shares the processes of its node"),
        ("os: {name: windows}", "runs on Windows"),
        ("initContainers: [{name: bearer-gateway}]", "take it out first"),
        ("priorityClassName: '{{ .Values.priority }}'", "render it first: helm template"),
    ],
)
def test_where_it_guards_nothing_it_is_not_written(line: str, sentence: str) -> None:
    (problem,) = problems(DEPLOYMENT.replace(POD, f"      {line}\n{POD}"))
    assert problem.startswith("problem  Deployment/web: ")
    assert sentence in problem


@pytest.mark.parametrize("line", ["hostNetwork: true", "shareProcessNamespace: true", "hostPID: true"])
def test_who_knows_better_may_have_it(line: str) -> None:
    injected(DEPLOYMENT.replace(POD, f"      {line}\n{POD}"), unsafe=True)


def test_a_job_with_an_ordinary_container_would_never_end() -> None:
    job = DEPLOYMENT.replace("apps/v1", "batch/v1").replace("Deployment", "Job")
    assert "would never end" in problems(job, is_native=False)[0]
    injected(job)


def test_braces_in_a_command_are_somebody_elses() -> None:
    injected(DEPLOYMENT.replace("        ports:", "        args: ['{{ .ID }}']\n        ports:"))


def test_a_key_may_be_a_template_too() -> None:
    (problem,) = problems(DEPLOYMENT.replace("{app: web}", "{app: web, '{{ a }}': x}"))
    assert "is a template" in problem
