import re

import pytest

from gateway.inject.ports import Guarded, check_free, free_name, guarded, routes_to
from gateway.inject.reading import Unfit
from gateway.inject.wanted import Remark
from tests.inject.manifests import DEPLOYMENT, HEADLESS, NUMERIC, SERVICE, wanted, workloads

TWO = DEPLOYMENT.replace("        readiness", "        - {name: metrics, containerPort: 9102}\n        readiness")


def found(text: str, **changes: object) -> Guarded | Remark:
    ((one,), objects) = workloads(text, **changes)
    return guarded(one, routes_to(one, objects), wanted(**changes))


def number(text: str, **changes: object) -> int:
    one = found(text, **changes)
    assert isinstance(one, Guarded), one
    return one.number


def without_ports(text: str) -> str:
    return text.replace("        - name: http\n          containerPort: 8080\n", "        - {}\n").replace(
        "port: http", "port: 8080"
    )


@pytest.mark.parametrize(
    ("text", "changes", "port"),
    [
        (DEPLOYMENT, {}, 8080),
        (DEPLOYMENT + SERVICE, {}, 8080),
        (TWO + SERVICE, {}, 8080),
        (TWO, {"target": "metrics"}, 9102),
        (TWO, {"target": "9102"}, 9102),
        (TWO, {"upstream": 9102}, 9102),
        (without_ports(DEPLOYMENT) + NUMERIC, {}, 8080),
        (without_ports(DEPLOYMENT) + NUMERIC.replace("    targetPort: 8080\n", ""), {}, 80),
        (without_ports(DEPLOYMENT), {"target": "3000"}, 3000),
        (TWO, {"target": "3000", "names": ("web",)}, 3000),
        (DEPLOYMENT.replace("8080", "6379"), {}, 6379),
        (DEPLOYMENT.replace("8080", "0x1F90"), {}, 8080),
    ],
)
def test_the_apis_port_is_found(text: str, changes: dict[str, object], port: int) -> None:
    assert number(text, **changes) == port


@pytest.mark.parametrize(
    ("text", "changes", "sentence"),
    [
        (without_ports(DEPLOYMENT), {}, "has no port and no Service"),
        (DEPLOYMENT, {"target": "web"}, "has no port that is called web"),
        (DEPLOYMENT, {"target": "81"}, "has no port 81"),
        (DEPLOYMENT + NUMERIC, {"target": "81"}, "has no port 81"),
        (DEPLOYMENT.replace("name: http", "name: grpc-api"), {}, r"8080 \(grpc-api\)"),
        (DEPLOYMENT.replace("- name: http\n          containerPort: 8080", "- containerPort: 6379"), {}, r"6379 \(Redis\)"),
        (DEPLOYMENT + SERVICE.replace("    port: 80", "    appProtocol: kubernetes.io/h2c\n    port: 80"), {}, "kubernetes.io/h2c"),
        (DEPLOYMENT.replace("containerPort: 8080", "containerPort: 8080\n          protocol: UDP"), {}, "UDP"),
    ],
)  # fmt: skip
def test_where_there_is_none_nothing_is_done(text: str, changes: dict[str, object], sentence: str) -> None:
    one = found(text, **changes)
    assert isinstance(one, Remark)
    assert re.search(sentence, one.sentence), one
    assert (one.kind == "warning") == ("target" in changes)
    assert ("port 8080 is NOT GUARDED" in one.sentence) == ("target" in changes)


def test_a_port_that_is_called_otherwise_is_no_worry_where_nothing_speaks_http() -> None:
    one = found(
        DEPLOYMENT.replace("- name: http\n          containerPort: 8080", "- containerPort: 6379"), target="http"
    )
    assert isinstance(one, Remark)
    assert (one.kind, "NOT GUARDED" in one.sentence) == ("note", False)


def test_nobody_guesses_which_of_several() -> None:
    with pytest.raises(Unfit, match=r"has several ports: 8080 \(http\), 9102 \(metrics\)"):
        found(TWO)
    with pytest.raises(Unfit, match="has no port 81, which the configuration names"):
        found(TWO, upstream=81)


def test_routes_say_how_they_lead_there() -> None:
    ((one,), objects) = workloads(TWO + SERVICE + NUMERIC.replace("name: web", "name: b") + HEADLESS.replace("name: web", "name: c") + SERVICE.replace("targetPort: http", "targetPort: nobody").replace("name: web", "name: d"))  # fmt: skip
    told = [
        (route.service.name, route.number, route.is_numeric, route.is_headless) for route in routes_to(one, objects)
    ]
    assert told == [
        ("web", 8080, False, False),
        ("b", 8080, True, False),
        ("c", 8080, False, True),
        ("d", None, False, False),
    ]
    other = SERVICE.replace("app: web", "app: shop")
    ((one,), objects) = workloads(DEPLOYMENT + other)
    assert routes_to(one, objects) == []


def test_the_api_gives_its_name_away() -> None:
    one = found(
        DEPLOYMENT.replace("containerPort: 8080", "containerPort: 8080\n        - {name: web, containerPort: 8080}")
    )
    assert isinstance(one, Guarded)
    assert one.renamed == {"http": "http-api", "web": "web-api"}


@pytest.mark.parametrize(
    ("name", "taken", "new"),
    [
        ("http", set(), "http-api"),
        ("http", {"http-api"}, "http-api2"),
        ("a-long-name-123", set(), "a-long-name-api"),
        ("ten-chars-x-y", set(), "ten-chars-x-api"),
        ("abcdefghij--klm", set(), "abcdefghij-api"),
    ],
)
def test_a_name_of_a_port_has_fifteen_characters(name: str, taken: set[str], new: str) -> None:
    assert free_name(name, taken) == new
    assert len(new) <= 15


def test_names_end_somewhere() -> None:
    with pytest.raises(Unfit, match="no name left"):
        free_name("http", {"http-api", *(f"http-api{n}" for n in range(2, 100))})


@pytest.mark.parametrize(
    ("text", "changes", "option"),
    [
        (DEPLOYMENT.replace("8080", "15080"), {}, "--listen"),
        (DEPLOYMENT.replace("        readiness", "        - containerPort: 15090\n        readiness"), {}, "--admin"),
        (DEPLOYMENT.replace("port: http", "port: 15090"), {}, "--admin"),
        (DEPLOYMENT.replace("containerPort: 8080", "containerPort: 8080\n          hostPort: 15080"), {}, "--listen"),
    ],
)
def test_a_number_that_somebody_uses_is_not_taken(text: str, changes: dict[str, object], option: str) -> None:
    ((one,), _) = workloads(text)
    with pytest.raises(Unfit, match=option):
        check_free(one, wanted(**changes), number(text, target="http"))


def test_with_take_port_the_number_is_the_apis() -> None:
    ((one,), _) = workloads(DEPLOYMENT.replace("8080", "15080"))
    check_free(one, wanted(take_port=True), 15080)
