import re

import pytest

from gateway.inject.ports import Guarded, check_free, free_name, guarded, routes_to
from gateway.inject.reading import Unfit
from gateway.inject.wanted import Remark
from tests.inject.manifests import DEPLOYMENT, HEADLESS, NUMERIC, SERVICE, injected, objects, said, wanted, workloads

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


SIDE = "      - name: side\n        ports: [{name: http, containerPort: 9090}]\n"


def test_a_name_in_two_containers_is_the_first_ones_and_a_problem_for_the_gateways() -> None:
    ((one,), objects) = workloads(DEPLOYMENT + SIDE + SERVICE)
    assert [route.number for route in routes_to(one, objects)] == [8080]
    with pytest.raises(Unfit, match="two ports that are called http: 8080, and 9090 of container side"):
        found(DEPLOYMENT + SIDE + SERVICE)
    assert number(DEPLOYMENT + SIDE.replace("9090", "9090, protocol: UDP") + SERVICE) == 8080


H3 = DEPLOYMENT.replace(
    "        readiness", "        - {name: h3, containerPort: 8080, protocol: UDP}\n        readiness"
)
TO_H3 = "  - {name: h3, port: 443, protocol: UDP, targetPort: 8080}\n"


def test_another_protocol_on_the_same_number_is_not_guarded() -> None:
    both = found(H3 + NUMERIC + TO_H3)
    assert isinstance(both, Guarded)
    assert [route.name for route in both.routes] == ["http"]
    assert both.renamed == {"http": "http-api"}
    first = H3.replace("protocol: UDP", "protocol: TCP").replace("containerPort: 8080\n", "containerPort: 8080\n          protocol: UDP\n")  # fmt: skip
    assert number(first) == 8080
    assert number(first + SERVICE.replace("targetPort: http", "targetPort: h3")) == 8080
    patched = injected(H3 + NUMERIC + TO_H3, part="all")
    made = objects(patched.text)
    assert [port["targetPort"] for port in made["Service/web"]["spec"]["ports"]] == [15080, 8080]
    assert "Service/web port h3 leads to 8080 of the API by UDP: not guarded" in said(patched)
    (rule,) = made["NetworkPolicy/bearer-gateway-deployment-web"]["spec"]["ingress"]
    assert rule == {"ports": [{"protocol": "TCP", "port": 15080}]}
    assert "its port h3 is 8080 by UDP: not guarded" in said(injected(H3 + NUMERIC))


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
        (DEPLOYMENT, {"console": 8080}, "has its API on port 8080.* by console in the configuration"),
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
