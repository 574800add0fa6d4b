"""The section `store`: what replicas and workers share, and what happens while it cannot be had."""

from typing import Annotated, Literal

from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc

#: closed: 503 store_unavailable; local: each process goes by what it knows itself
WhenDown = Literal["closed", "local"]


class StoreFailure(Section, frozen=True, kw_only=True):
    """What happens while the store cannot be had, by what it is used for. Caches are always done without."""

    replay: Annotated[
        WhenDown,
        _doc(
            "DPoP proofs that were used: closed: 503; UNSAFE: local: one that was used at another replica passes again"
        ),
    ] = "closed"
    revocation: Annotated[
        WhenDown,
        _doc("revoked tokens: closed: 503 once the copy is older than 30s; UNSAFE: local: goes on with the copy"),
    ] = "closed"
    rates: Annotated[WhenDown, _doc("rates: local: each process counts for itself; closed: 503")] = "local"


class StoreSection(Section, frozen=True, kw_only=True):
    """What replicas and workers share. Without url each process keeps it in memory, for itself."""

    url: Annotated[
        str | None,
        _doc(
            "a Redis: redis://host:6379/0, rediss:// (TLS), unix:/path, redis+sentinel://h1,h2/mymaster/0; "
            "null: memory of each process. Needs the extra redis",
            stand_in="redis://unreadable.invalid",
            variable="GATEWAY_STORE",
        ),
    ] = None
    username: Annotated[str | None, _doc("name for Redis' ACL; null: its default user")] = None
    password: Annotated[Secret | None, _doc("where the password of Redis is")] = None
    sentinel_username: Annotated[str | None, _doc("name for the ACL of Sentinels")] = None
    sentinel_password: Annotated[Secret | None, _doc("where the password of Sentinels is, if they have one")] = None
    ca_file: Annotated[
        str | None,
        _doc(
            "PEM file of authorities, replacing the system's, for rediss; certificates need no key identifiers",
            file="authorities",
        ),
    ] = None
    secrets: Annotated[
        tuple[Secret, ...],
        _doc(
            "where the secrets are that seal what is kept, of 32 bytes or more; the first seals, all open", holds="seal"
        ),
    ] = ()
    timeout: Annotated[Seconds, _doc("how long all store work of a request may take together, 10ms to 5s")] = default(
        Seconds(0.25)
    )
    on_failure: Annotated[StoreFailure, _doc("what happens while the store cannot be had")] = default(StoreFailure())
