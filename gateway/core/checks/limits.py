"""What is wrong or unsafe in `limits`."""

from collections.abc import Iterator

from gateway.core.config.limits import Limits
from gateway.core.config.words import ConfigProblem

#: Kubernetes kills a pod after 30 s (terminationGracePeriodSeconds).
KUBERNETES_GRACE = 30
#: Bytes a second: a least rate beyond that would refuse people for the networks they are in.
MAX_RATE = 1 << 20
#: Reading more takes longer than a reload may.
MAX_ROUTES = 20_000
#: A larger head or target only serves to fill our memory.
MAX_HEAD = 1 << 20


def limit_problems(limits: Limits) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    for key, sentence in (*_head_problems(limits), *_body_problems(limits), *_count_problems(limits)):
        yield ConfigProblem(f"limits.{key}", sentence)


def _head_problems(limits: Limits) -> Iterator[tuple[str, str]]:
    for key in ("header_bytes", "uri_bytes"):
        if not 1 <= getattr(limits, key) <= MAX_HEAD:
            yield key, "must be from 1 byte to 1MiB"
    if limits.uri_bytes > limits.header_bytes:
        yield "uri_bytes", "must not be larger than header_bytes, which includes the request line"
    if limits.token_bytes < 1:
        yield "token_bytes", "must be at least 1 byte"
    if limits.token_bytes >= limits.header_bytes:
        yield "token_bytes", "must be smaller than header_bytes: the token arrives in a header"


def _body_problems(limits: Limits) -> Iterator[tuple[str, str]]:
    if limits.body_bytes is not None and limits.body_bytes < 1:
        yield "body_bytes", "must be at least 1 byte; null is any"
    if limits.body_rate is not None and not 1 <= limits.body_rate <= MAX_RATE:
        yield "body_rate", "must be from 1 byte to 1MiB a second; null is any"


def _count_problems(limits: Limits) -> Iterator[tuple[str, str]]:
    for key, most in (("header_count", 10_000), ("connections", 1_000_000), ("routes", MAX_ROUTES)):
        if not 1 <= getattr(limits, key) <= most:
            yield key, f"must be from 1 to {most}"
    if limits.tunnels is not None and limits.tunnels < 1:
        yield "tunnels", "must be at least 1; null is three quarters of each upstream's max_connections"
    for key in ("header_timeout", "body_timeout", "send_timeout", "keepalive"):
        if not getattr(limits, key) > 0:
            yield key, "must be longer than nothing"


def grace_problems(limits: Limits, grace: float) -> Iterator[ConfigProblem]:
    """What takes longer than the `grace` seconds that whoever stops the gateway allows it."""
    if limits.drain_delay + limits.drain >= grace:
        sentence = f"is {limits.drain_delay + limits.drain:g}s with drain_delay, and after {grace:g}s it is killed"
        yield ConfigProblem("limits.drain", sentence)


def limit_warnings(limits: Limits) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    if limits.drain_delay + limits.drain >= KUBERNETES_GRACE:
        yield ConfigProblem(
            "limits.drain",
            "is 30s or more with drain_delay: Kubernetes kills after 30s unless terminationGracePeriodSeconds is more",
        )
