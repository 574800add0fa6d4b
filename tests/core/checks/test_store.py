from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.checks.store import sharing_problems
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreFailure, StoreSection
from gateway.core.upstream.own_lines import secret_uses

SECRET = Secret(file="/run/secrets/store")
URL = "rediss://redis.example"


def a_config(workers: int = 1, **store: Any) -> Config:
    return Config(
        upstream="http://127.0.0.1:3000",
        issuers=(Issuer(issuer="https://i.example", audience="a"),),
        workers=workers,
        store=StoreSection(**store),
    )


def sound(**store: Any) -> Config:
    return a_config(**{"url": URL, "secrets": (SECRET,), **store})


@pytest.mark.parametrize(
    "config",
    [
        a_config(),
        sound(),
        sound(username="gateway", password=SECRET, ca_file="/ca.pem"),
        sound(url="redis://127.0.0.1", password=SECRET),
        sound(url="unix:/run/redis.sock", password=SECRET),
        sound(url="rediss+sentinel://a,b/m", sentinel_username="g", sentinel_password=SECRET, password=SECRET),
        sound(timeout=Seconds(0.01)),
        sound(timeout=Seconds(5)),
        sound(secrets=(SECRET,) * 8),
        sound(on_failure=StoreFailure(rates="closed")),
    ],
)
def test_a_sound_store_has_neither_problems_nor_warnings(config: Config) -> None:
    assert problems(config) == []
    assert warnings(config) == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (sound(url="redis://a,b"), "store.url: must name one host"),
        (sound(url=""), "store.url: must begin with"),
        (a_config(url=URL), "store.secrets: is required with url: nothing is kept in Redis as it is"),
        (sound(secrets=(SECRET,) * 9), "store.secrets: must not be more than 8"),
        (sound(url="redis://a", ca_file="/ca.pem"), "store.ca_file: has no effect: url does not begin with rediss"),
        (sound(username="g"), "store.password: is required with username"),
        (sound(username="", password=SECRET), "store.username: must not be empty; null is the default user"),
        (sound(sentinel_password=SECRET), "store.sentinel_password: has no effect: url names no Sentinels"),
        (sound(url="rediss+sentinel://a/m", sentinel_username="g"), "store.sentinel_password: is required with"),
        (sound(timeout=Seconds(0.009)), "store.timeout: must be from 10ms to 5s"),
        (sound(timeout=Seconds(5.1)), "store.timeout: must be from 10ms to 5s"),
        (sound(secrets=(Secret(),)), "store.secrets[0]: "),
    ],
)
def test_what_must_be_corrected(config: Config, problem: str) -> None:
    assert [str(told)[: len(problem)] for told in problems(config)] == [problem]


@pytest.mark.parametrize(
    ("config", "warning"),
    [
        (a_config(secrets=(SECRET,)), "store.url: is not given: the other keys of store have no effect"),
        (sound(url="redis://redis.example", password=SECRET), "store.url: is not rediss: the password crosses"),
        (sound(url="redis+sentinel://localhost/m", password=SECRET), "store.url: is not rediss: the password crosses"),
        (sound(on_failure=StoreFailure(replay="local")), "store.on_failure.replay: is unsafe: while the store"),
        (sound(on_failure=StoreFailure(revocation="local")), "store.on_failure.revocation: is unsafe: while the store"),
    ],
)
def test_what_ought_to_be_known(config: Config, warning: str) -> None:
    assert problems(config) == []
    assert [str(told)[: len(warning)] for told in warnings(config)] == [warning]


def test_of_a_broken_url_nothing_else_is_said() -> None:
    assert warnings(sound(url="x", password=SECRET)) == []


def test_what_workers_must_share_names_the_store() -> None:
    told = "rates: needs store.url with several workers: counts would be kept by each for itself"
    assert [str(problem) for problem in sharing_problems(a_config(workers=2), "rates", "counts")] == [told]
    assert list(sharing_problems(a_config(workers=1), "rates", "counts")) == []
    assert list(sharing_problems(a_config(workers=2, url=URL), "rates", "counts")) == []


def test_a_secret_that_seals_is_long() -> None:
    (use,) = secret_uses(sound())
    use.check("x" * 32)
    use.check("\udcff" * 32)
    with pytest.raises(ValueError, match="must hold at least 32 bytes"):
        use.check("x" * 31)
