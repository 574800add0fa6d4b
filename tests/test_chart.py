"""What can be said of helm/bearer-gateway without Helm; tests/kubernetes/test_chart.py has the rest."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway import __version__
from gateway.core.config.limits import Limits
from gateway.core.config.schema import schema
from gateway.settings.document import parse_document
from tests import chart

TEMPLATES = sorted((chart.CHART / "templates").rglob("*.*"))


@cache
def read(name: str) -> Mapping[str, Any]:
    return parse_document((chart.CHART / name).read_text()).values


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(chart.values_schema())


def errors_of(values: dict[str, Any]) -> list[str]:
    found = sorted(validator().iter_errors({**read("values.yaml"), **values}), key=str)
    return [f"{error.json_path}: {error.message}" for error in found]


def test_the_versions_are_those_of_the_package() -> None:
    described = read("Chart.yaml")
    assert (described["version"], described["appVersion"]) == (__version__, __version__)


def test_the_schema_is_one_and_takes_the_values_as_they_are() -> None:
    Draft202012Validator.check_schema(chart.values_schema())
    assert errors_of({}) == []


def test_every_value_is_known_and_every_known_value_is_there() -> None:
    assert read("values.yaml").keys() == chart.values_schema()["properties"].keys()


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"config": {"upstream": "http://a", "issuers": [], "relm": "b"}}, "$.config: Additional properties are not allowed ('relm' was unexpected)"),
        ({"config": {"upstream": "http://a"}}, "$.config: 'issuers' is a required property"),
        ({"config": ["a"]}, "$.config: ['a'] is not of type 'object', 'string'"),
        ({"config": {"issuers": [], "limits": {"header_count": 2**53}}}, f"$.config.limits.header_count: {2**53} is greater than the maximum of {2**53 - 1}"),
        ({"replica": 3}, "$: Additional properties are not allowed ('replica' was unexpected)"),
        ({"secrets": {"a": {"secretName": "b", "subPath": "c"}}}, "$.secrets.a: Additional properties are not allowed ('subPath' was unexpected)"),
    ],
)  # fmt: skip
def test_a_value_that_is_wrong_is_refused_with_its_path(values: dict[str, Any], error: str) -> None:
    assert errors_of(values) == [error]


@pytest.mark.parametrize("name", ["A", "a b", "-a", "a-", "a_b", "a\n  b: c", "a..b", ".a"])
@pytest.mark.parametrize(
    "values",
    [
        lambda name: {"existingConfigMap": name},
        lambda name: {"fullnameOverride": name},
        lambda name: {"nameOverride": name},
        lambda name: {"priorityClassName": name},
        lambda name: {"serviceAccount": {"name": name}},
        lambda name: {"ingress": {"className": name}},
        lambda name: {"dashboard": {"namespace": name}},
        lambda name: {"secrets": {"a": {"secretName": name}}},
        lambda name: {"files": {"a": {"configMapName": name}}},
    ],
)
def test_a_name_is_one_that_an_object_can_have(values: Callable[[str], dict[str, Any]], name: str) -> None:
    assert errors_of(values("a-1")) == []
    (error,) = errors_of(values(name))
    assert "does not match" in error


@pytest.mark.parametrize("config", [{}, "upstream: http://a", {"issuers": [], "limits": {"body_rate": None}}])
def test_the_configuration_may_be_absent_a_text_or_a_mapping(config: object) -> None:
    assert errors_of({"config": config}) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nothing_is_rendered_by_what_the_cluster_happens_to_have(path: Path) -> None:
    text = path.read_text()
    assert ".Capabilities" not in text
    assert not re.search(r"\blookup\b", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_renders_nothing_where_the_workload_is_none(path: Path) -> None:
    text = path.read_text()
    assert path.name.startswith("_") or path.suffix == ".txt" or re.search(r'\(?ne \.Values\.workload "none"\)?', text)


def test_the_grace_covers_the_defaults_of_draining() -> None:
    assert read("values.yaml")["terminationGracePeriodSeconds"] > Limits().drain_delay + Limits().drain
    template = (chart.CHART / "templates" / "_config.tpl").read_text()
    for key in ("drain_delay", "drain"):
        assert f'$limits.{key} "{getattr(Limits(), key):g}s"' in template, "the template knows the defaults"


def test_the_ports_are_those_that_the_gateway_has_by_itself() -> None:
    properties = schema()["properties"]
    ports = read("values.yaml")["ports"]
    assert properties["listen"]["default"].endswith(f":{ports['http']}")
    assert properties["admin"]["default"].endswith(f":{ports['admin']}")
