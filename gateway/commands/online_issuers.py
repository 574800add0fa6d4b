"""How an issuer is asked by `check --online`: who it is, its keys, its clock, and the endpoints that it is asked at."""

import secrets as randomness
import time
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from gateway.commands.finding import State, Wrong
from gateway.commands.met import clock_sentence, keys_sentence
from gateway.core.checks.issuers import MAX_LEEWAY
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import KUBERNETES, Issuer, proxy_of
from gateway.core.config.secret import Secret
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.shown import shown
from gateway.core.token.presets import suggest_preset
from gateway.core.token.userinfo import ACCEPT
from gateway.observe.observers import Unheard
from gateway.remote.client import Client
from gateway.remote.fetched import FetchFailed, shown_address
from gateway.remote.http import fetch_json
from gateway.remote.introspection_call import IntrospectionCall, NotSaid
from gateway.remote.keys.discovery import DISCOVERY, DiscoveryRefused, Publisher, check_issuer, fetch_discovery
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.remote.metadata import Metadata
from gateway.remote.userinfo import ENDPOINT

#: the preset of the provider whose responses mislead most
KEYCLOAK: Final = "keycloak"


async def ask_issuer(issuer: Issuer, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Is it reachable, is it who it is taken for, do its keys verify what is configured, and what time is it there."""
    published = await Publisher(issuer, read=secrets.__getitem__).fetch_key_set(time.monotonic())
    if issuer.preset == KUBERNETES and issuer.fetch is not None and issuer.fetch.origin is not None:
        # Its keys have no issuer's name on them: a cluster says what it is called beside them.
        address = issuer.fetch.origin + DISCOVERY
        check_issuer((await fetch_json(address, issuer, read=secrets.__getitem__)).document, issuer)
    algorithms = frozenset(issuer.algorithms)
    if not any(key.algorithms & algorithms for key in published.keys.keys):
        raise Wrong("has keys, and none for the configured algorithms")
    said = [keys_sentence(published.keys, algorithms)]
    said += [str(skipped) for skipped in published.keys.skipped if not skipped.is_meant]
    ahead = None if published.said is None else published.said.ahead
    if (clock := clock_sentence(ahead)) is not None:
        said.append(clock)
    if (named := await _named_otherwise(issuer, secrets)) is not None:
        said.append(named)
    if ahead is not None and abs(ahead) > MAX_LEEWAY:
        # No leeway that may be configured is as long.
        raise Wrong("; ".join(said))
    return "ok" if len(said) == 1 else "warning", "; ".join(said)


async def _named_otherwise(issuer: Issuer, secrets: Mapping[Secret, str]) -> str | None:
    """What its own document says against its name, where keys come from elsewhere; None: nothing, or it has none."""
    if issuer.jwks_url is None or issuer.preset == KUBERNETES or issuer.tenants is not None:
        return None
    try:
        await fetch_discovery(replace(issuer, jwks_url=None), read=secrets.__getitem__)
    except DiscoveryRefused as refused:
        if refused.named is not None:
            return f"calls itself {shown(refused.named)}, and iss of its tokens is that, to the letter"
    except FetchFailed:
        # That is why it has a jwks_url.
        pass
    return None


async def ask_introspection(issuer: Issuer, section: Introspection, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Is there an endpoint that takes the gateway's credentials, and does not know a token that nobody issued."""
    keys = RemoteIssuers([issuer], observer=Unheard(), read=secrets.__getitem__)
    call = IntrospectionCall(issuer, section, issuers=keys, read=secrets.__getitem__)
    try:
        address = await call.endpoint()
        members = await call.ask(address, (next(iter(section.prefix), "") + randomness.token_urlsafe()).encode())
    except NotSaid as failure:
        raise Wrong(f"{shown_address(address)}: {failure}") from None
    finally:
        await call.stop()
        await keys.stop()
    if members["active"]:
        raise Wrong(f"{shown_address(address)} says of a token made up that it is active: it would let anybody in")
    says = f"{shown_address(address)} takes the gateway's credentials, and does not know a token made up"
    if KEYCLOAK in {issuer.preset, suggest_preset(issuer.issuer)}:
        says += f"; of tokens whose aud lacks {section.client_id} Keycloak says the same"
    return "ok", says


async def ask_userinfo(issuer: Issuer, section: UserInfoSection, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Is there an endpoint that refuses a token that nobody issued."""
    client = Client(ca_file=issuer.ca_file, proxy=proxy_of(issuer))
    metadata = Metadata(issuer, read=secrets.__getitem__)
    try:
        address = section.endpoint or await metadata.endpoint(ENDPOINT)
        token = randomness.token_urlsafe()
        headers = {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}
        asked = await client.get(address, headers=headers, timeout=float(section.timeout))
    finally:
        await metadata.stop()
        await client.close()
    shown_at = shown_address(address)
    if asked.status in {400, 401, 403}:
        return "ok", f"{shown_at} refuses a token made up, as it should"
    if asked.status == 200:
        return "warning", f"{shown_at} takes a token made up: is it the endpoint?"
    raise Wrong(f"{shown_at}: status {asked.status} to a token made up, where 401 is due")
