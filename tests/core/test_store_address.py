"""URLs of the store: what each says, and a sentence for what none may say."""

import pytest

from gateway.core.store_address import MAX_SENTINELS, StoreAddress, parse_store


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://redis.example", StoreAddress((("redis.example", 6379),), 0)),
        ("redis://Redis.Example:7000/", StoreAddress((("redis.example", 7000),), 0)),
        ("redis://127.0.0.1:6379/15", StoreAddress((("127.0.0.1", 6379),), 15)),
        ("redis://[::1]", StoreAddress((("::1", 6379),), 0)),
        ("redis://[::1]:6380/1", StoreAddress((("::1", 6380),), 1)),
        ("rediss://redis.example/2", StoreAddress((("redis.example", 6379),), 2, tls=True)),
        ("unix:/run/redis.sock", StoreAddress((), 0, path="/run/redis.sock")),
        ("unix:///run/redis.sock?db=3", StoreAddress((), 3, path="/run/redis.sock")),
        ("unix:/run/a%20b.sock", StoreAddress((), 0, path="/run/a b.sock")),
        ("redis+sentinel://a,b:1,[::1]/mymaster", StoreAddress((("a", 26379), ("b", 1), ("::1", 26379)), 0, service="mymaster")),
        ("rediss+sentinel://a/my.master/4", StoreAddress((("a", 26379),), 4, tls=True, service="my.master")),
    ],
)  # fmt: skip
def test_what_a_url_says(text: str, address: StoreAddress) -> None:
    assert parse_store(text) == address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must begin with redis://, rediss://, unix:/ or redis+sentinel://"),
        ("redis.example:6379", "must begin with redis://"),
        ("http://redis.example", "must begin with redis://"),
        ("redis-cluster://a,b", "must not name a Redis Cluster, which is not supported"),
        ("redis+cluster://a", "must not name a Redis Cluster"),
        ("redis://:hunter2@h", "must not have a user or a password in it: username and password say where they are"),
        ("redis://h/0?ssl_cert_reqs=none", "must end behind its path"),
        ("redis://h/0#x", "must end behind its path"),
        ("redis://a,b", "must name one host; several are those of Sentinels: redis+sentinel://h1,h2/service"),
        ("redis://", "must have a host"),
        ("redis://:6379", "must have a host"),
        ("redis://h:", "must have a port from 1 to 65535"),
        ("redis://h:0", "must have a port from 1 to 65535"),
        ("redis://h:65536", "must have a port from 1 to 65535"),
        ("redis://h:x", "must have a port from 1 to 65535"),
        ("redis://h_!", "must have a valid host name"),
        ("redis://::1", "must have its IPv6 address in brackets"),
        ("redis://h/x", "must end with the number of a database, such as /0"),
        ("redis://h/65536", "must end with the number of a database"),
        ("redis://h/1/2", "must end with the number of a database"),
        ("unix:run/redis.sock", "must be unix: and the absolute path of a socket"),
        ("unix:/run/redis.sock?mode=0600", "must have nothing but db=NUMBER behind the ? of a socket path"),
        ("unix:/run/redis.sock?db=x", "must end with the number of a database"),
        ("redis+sentinel://a,b", "must have the name that the Sentinels know it by"),
        ("redis+sentinel://a,b/", "must have the name that the Sentinels know it by"),
        ("redis+sentinel://a,,b/m", "must have a host"),
        ("redis+sentinel://" + ",".join(["h"] * (MAX_SENTINELS + 1)) + "/m", "must not name more than 32 Sentinels"),
    ],
)
def test_what_none_may_say(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="must") as told:
        parse_store(text)
    assert str(told.value).startswith(sentence)
    assert "hunter2" not in str(told.value)
