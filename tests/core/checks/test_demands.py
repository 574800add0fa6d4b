from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.config.file import Config
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.config.words import ConfigProblem
from tests.signer import issuer

ORDERS, USERS = "https://orders.example", "https://users.example"
ACR = "must be one value of acr: printable ASCII, not empty, without blanks, quotes and backslashes"
PUBLIC = "has no effect on a public route: remove it, or access: public"
NOBODYS = "is no audience of an issuer {}, so that no token could meet it"


def config(*routes: dict[str, Any], **settings: Any) -> Config:
    sections = tuple(RouteSection(**{"path": f"/{index}", **route}) for index, route in enumerate(routes))
    issuers = (issuer(audience=(ORDERS, USERS)), issuer(issuer="https://two.example", audience="two", name="two"))
    whole: dict[str, Any] = {"upstream": "http://127.0.0.1:1", "issuers": issuers, "routes": sections, **settings}
    return Config(**whole)


def told(found: list[ConfigProblem]) -> list[str]:
    return [str(one) for one in found if one.path.startswith("routes") or one.path.endswith("audience")]


@pytest.mark.parametrize(
    ("route", "sentences"),
    [
        ({}, []),
        ({"audience": ORDERS}, []),
        ({"audience": (ORDERS, "two")}, []),
        ({"audience": ()}, []),
        ({"audience": ""}, ["audience: must not be empty"]),
        ({"audience": (ORDERS, " ")}, ["audience[1]: must not be empty"]),
        ({"audience": (ORDERS, ORDERS)}, ["audience[1]: is audience[0] again"]),
        ({"audience": "other"}, [f"audience: {NOBODYS.format('here')}"]),
        ({"audience": "twoo"}, [f"audience: {NOBODYS.format('here')} (did you mean two?)"]),
        ({"audience": (USERS, "other")}, [f"audience[1]: {NOBODYS.format('here')}"]),
        ({"audience": "two", "issuers": ("local",)}, [f"audience: {NOBODYS.format('that the route names')}"]),
        ({"audience": "two", "issuers": ("two",)}, []),
        ({"audience": ORDERS, "access": "public"}, [f"audience: {PUBLIC}"]),
        ({"acr": ("gold",), "access": "public"}, [f"acr: {PUBLIC}"]),
        ({"max_age": Seconds(60), "access": "public"}, [f"max_age: {PUBLIC}"]),
        ({"acr": ("urn:mace:incommon:iap:silver", "c1")}, []),
        ({"acr": ("",)}, [f"acr[0]: {ACR}"]),
        ({"acr": ("gold", "a b")}, [f"acr[1]: {ACR}"]),
        ({"acr": ('a"',)}, [f"acr[0]: {ACR}"]),
        ({"acr": ("a\\",)}, [f"acr[0]: {ACR}"]),
        ({"acr": ("\u00fc",)}, [f"acr[0]: {ACR}"]),
        ({"acr": ("a\n",)}, [f"acr[0]: {ACR}"]),
        ({"acr": ("gold", "gold")}, ["acr[1]: is acr[0] again"]),
        ({"condition": "true"}, []),
        ({"condition": ""}, ["condition: must not be empty; leave it out for none"]),
        ({"condition": "true", "access": "public"}, [f"condition: {PUBLIC}"]),
        ({"max_age": Seconds(1)}, []),
        ({"max_age": Seconds(0)}, ["max_age: must be whole seconds, at least 1s"]),
        ({"max_age": Seconds(1.5)}, ["max_age: must be whole seconds, at least 1s"]),
    ],
)
def test_what_a_route_asks_for_can_be_met(route: dict[str, Any], sentences: list[str]) -> None:
    assert told(problems(config(route))) == [f"routes[0].{sentence}" for sentence in sentences]


def test_an_issuer_that_is_not_there_is_told_of_alone() -> None:
    found = told(problems(config({"audience": ORDERS, "issuers": ("locall",)})))
    assert found == ["routes[0].issuers[0]: is not the name of an issuer (did you mean local?)"]


def test_an_issuer_whose_tokens_are_never_for_a_route_is_named() -> None:
    found = told(warnings(config({"audience": (ORDERS, USERS), "issuers": ("local", "two")})))
    assert found == ["routes[0].issuers[1]: is in vain: none of its audiences is that of the route"]
    assert told(warnings(config({"audience": (ORDERS, "two"), "issuers": ("local", "two")}))) == []
    assert told(warnings(config({"issuers": ("local", "two")}))) == []


APIS = {"orders": UpstreamSection(url="http://127.0.0.1:1"), "users": UpstreamSection(url="http://127.0.0.1:2")}
RESOURCE = ResourceSection(identifier=USERS)
MIXED = (
    "issuers[0].audience: is more than one, and a token for any of them opens all of {} upstreams; "
    "routes[].audience keeps them apart"
)


@pytest.mark.parametrize(
    ("routes", "settings", "apis"),
    [
        (({"upstream": "orders"}, {"upstream": "users"}), {"upstream": None}, 2),
        (({"upstream": "orders"}, {"upstream": "users", "audience": USERS}), {"upstream": None}, None),
        (({"upstream": "orders"}, {"upstream": "orders"}), {"upstream": None}, None),
        # What belongs to a resource is for that.
        (({"upstream": "orders"}, {"upstream": "users"}), {"upstream": None, "resources": {"users": RESOURCE}}, None),
        (({"upstream": "orders"}, {"upstream": "users", "access": "public"}), {"upstream": None}, None),
        (({"upstream": "orders"}, {"upstream": "users", "issuers": ("two",)}), {"upstream": None}, None),
        # What no route names goes to the default upstream, with any token.
        (({"upstream": "orders"},), {}, 2),
        (({"upstream": "orders"},), {"unmatched": "refuse"}, None),
        (({"upstream": "orders"}, {"upstream": "users"}), {"issuers": (issuer(),), "upstream": None}, None),
        ((), {}, None),
    ],
)
def test_apis_that_share_an_issuer_are_kept_apart_or_told_of(
    routes: tuple[dict[str, Any], ...], settings: dict[str, Any], apis: int | None
) -> None:
    found = told(warnings(config(*routes, upstreams=APIS, **settings)))
    assert [one for one in found if "audience" in one] == ([] if apis is None else [MIXED.format(apis)])
