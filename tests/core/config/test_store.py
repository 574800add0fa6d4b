"""The section `store`, as it stands in a file."""

from gateway.core.config.conversion import convert
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreFailure, StoreSection

FILE = {"issuers": [{"issuer": "https://i.example", "audience": "a"}], "upstream": "http://127.0.0.1:3000"}


def test_without_it_everything_is_memory() -> None:
    converted = convert(FILE)
    assert converted.config.store == StoreSection()
    assert converted.config.store.url is None


def test_all_of_it() -> None:
    store = {
        "url": "rediss://redis.example:6379/0",
        "username": "gateway",
        "password": {"file": "/run/secrets/redis"},
        "secrets": [{"file": "/run/secrets/store"}, {"env": "OLD"}],
        "timeout": "100ms",
        "on_failure": {"replay": "local", "rates": "closed"},
    }
    converted = convert({**FILE, "store": store})
    assert converted.problems == ()
    assert converted.config.store == StoreSection(
        url="rediss://redis.example:6379/0",
        username="gateway",
        password=Secret(file="/run/secrets/redis"),
        secrets=(Secret(file="/run/secrets/store"), Secret(env="OLD")),
        timeout=Seconds(0.1),
        on_failure=StoreFailure(replay="local", rates="closed"),
    )


def test_a_failure_has_two_words() -> None:
    converted = convert({**FILE, "store": {"on_failure": {"replay": "open"}}})
    assert [problem.path for problem in converted.problems] == ["store.on_failure.replay"]
