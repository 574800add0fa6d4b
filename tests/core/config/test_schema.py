from typing import Any

from gateway.core.config.file import Config
from gateway.core.config.schema import schema
from gateway.core.config.walk import sections_of


def test_the_schema_knows_every_key_with_a_description() -> None:
    made = schema()
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["title"] == "Bearer Gateway configuration"
    assert made["required"] == ["issuers"]
    sections = [made, *made["$defs"].values()]
    assert set(made["$defs"]) == {section.__name__ for section in sections_of(Config)} - {Config.__name__}
    for section in sections:
        assert section["additionalProperties"] is False
        assert all(key["description"] for key in section["properties"].values())


def test_the_schema_has_every_default() -> None:
    made = schema()
    limits = made["$defs"]["Limits"]["properties"]
    assert {key: value["default"] for key, value in limits.items()} == {
        "header_bytes": 32768, "header_count": 100, "uri_bytes": 16384, "token_bytes": 16384, "body_bytes": None,
        "header_timeout": 10, "body_timeout": 30, "body_rate": 240, "send_timeout": 30, "keepalive": 75, "connections": 10000, "tunnels": None, "drain_delay": 5, "drain": 20,
        "routes": 5000,
    }  # fmt: skip
    assert made["properties"]["limits"]["default"] == {}
    assert made["properties"]["listen"]["default"] == ":8080"
    assert made["properties"]["admin"]["default"] == ":9090"
    assert made["properties"]["workers"]["default"] == 1
    assert made["properties"]["upstreams"]["default"] == {}
    assert made["properties"]["routes"]["default"] == []
    assert made["$defs"]["Issuer"]["properties"]["jwks_max_stale"]["default"] == 86400
    assert made["$defs"]["StoreSection"]["properties"]["timeout"]["default"] == 0.25, "a part of a second"
    upstream = made["$defs"]["UpstreamSection"]["properties"]
    assert {key: value.get("default") for key, value in upstream.items()} == {
        "url": None, "connect_timeout": 5, "response_timeout": 60, "keepalive": 60, "max_age": 300, "max_connections": 256,
        "pool_timeout": 5, "host": "preserve", "tls": None, "authorization": "drop", "headers": {},
    }  # fmt: skip
    route = made["$defs"]["RouteSection"]["properties"]
    assert {key: value["default"] for key, value in route.items() if value.get("default")} == {
        "access": "token", "encoded_slashes": "refuse", "upstream": "default", "mode": "enforce", "cors": "inherit",
    }  # fmt: skip
    assert made["$defs"]["RouteSection"]["required"] == ["path"]


def test_durations_and_sizes_are_numbers_or_text_with_a_unit() -> None:
    limits = schema()["$defs"]["Limits"]["properties"]

    def kinds(key: dict[str, Any]) -> list[str]:
        return [form["type"] for form in key["anyOf"]]

    assert kinds(limits["drain"]) == ["number", "string"]
    assert kinds(limits["token_bytes"]) == ["integer", "string"]


def test_what_yaml_1_1_makes_of_a_word_may_stand_for_it() -> None:
    made = schema()
    assert made["$defs"]["Log"]["properties"]["subject"]["enum"] == ["hashed", "off", "plain", False]
    assert made["$defs"]["DPoPSection"]["properties"]["nonce"]["enum"] == ["off", "required", False]
    texts = [key for section in (made, *made["$defs"].values()) for key in section["properties"].values()]
    assert sum(False in text.get("enum", ()) for text in texts) == 2


def test_a_share_is_a_number() -> None:
    assert schema()["$defs"]["Log"]["properties"]["sample"]["type"] == "number"


def test_null_identity_headers_are_not_in_the_schema() -> None:
    headers = schema()["properties"]["identity_headers"]
    assert headers["type"] == "object"
    assert "default" not in headers
