"""Who an issuer is, as it says itself: asked once, within bounds, and in words for whoever sets a gateway up.

Shares the way of asking with the gateway (`remote`); what goes wrong leaves here with what to do about it.
"""

import re
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.core.addresses import is_fetchable, is_loopback, parse_url
from gateway.core.config.issuers import KUBERNETES, Issuer
from gateway.core.shown import shown
from gateway.core.token.keys import KeySet, UnusableKeySet
from gateway.core.token.presets import suggest_preset
from gateway.core.token.recognised import Recognised, recognise
from gateway.remote.fetched import NOT_ACCEPTED, FetchFailed, shown_address
from gateway.remote.keys.discovery import Discovered, DiscoveryRefused, Publisher, fetch_discovery, is_absent

#: characters of an issuer that is named to people
_LONGEST: Final = 300
#: seconds from which clocks differ by more than tokens put up with
CLOCKS: Final = 60.0
#: the words for it
CLOCK: Final = "its clock"
_WELL_KNOWN: Final = re.compile(r"/\.well-known/[^?#]*\Z")


@dataclass(frozen=True, slots=True)
class Met:
    """An issuer that is there, and is called as it was taken for."""

    issuer: str
    #: None: no preset is known to be for it
    recognised: Recognised | None
    #: where its document says that its keys are, and anybody may have them; None: they were not asked for
    jwks_url: str | None
    #: what was found, in a sentence each
    found: tuple[str, ...]


class NotMet(Exception):
    """It is not there, or another; a sentence of ours."""

    def __init__(self, sentence: str, *hints: str, issuer: str | None = None, discovery_url: str | None = None) -> None:
        """`hints`: what to do. `issuer`, `discovery_url`: what is probably meant."""
        super().__init__(sentence)
        self.hints = hints
        self.issuer = issuer
        self.discovery_url = discovery_url


async def fetch_met(
    text: str, *, discovery_url: str | None = None, ca_file: str | None = None, allow_http: bool = False
) -> Met:
    """The issuer at `text`. NotMet: it is none, or not called so, or cannot be asked."""
    name = _named(text)
    if suggest_preset(name) == KUBERNETES and discovery_url is None:
        # Only a pod of the cluster can ask it, by the token that it has.
        sentence = "nothing was asked: keys come from the cluster that the gateway runs in; `check --online` there asks"
        return Met(name, Recognised(KUBERNETES, "its URL"), None, (sentence,))
    issuer = Issuer(issuer=name, audience="-", discovery_url=discovery_url, ca_file=ca_file, allow_http=allow_http)
    try:
        discovered = await fetch_discovery(issuer)
    except DiscoveryRefused as refused:
        raise await _another(issuer, refused) from None
    except FetchFailed as failure:
        raise NotMet(str(failure), *_hints(issuer, failure)) from None
    recognised = recognise(name, discovered.document)
    found = [f"{discovered.address} is the discovery document of {name}"]
    if recognised is not None:
        found.append(f"preset {recognised.preset} fits, by {recognised.by}")
    found.append(await _keys(issuer, discovered))
    if (clock := clock_sentence(discovered.ahead)) is not None:
        found.append(clock)
    return Met(name, recognised, str(discovered.document["jwks_uri"]), tuple(found))


def clock_sentence(ahead: float | None) -> str | None:
    """What is to be said of a clock that differs by more than a minute; None: nothing."""
    if ahead is None or abs(ahead) <= CLOCKS:
        return None
    which = "ahead of" if ahead > 0 else "behind"
    return (
        f"{CLOCK} is {abs(ahead):.0f} s {which} this machine's: one of the two is wrong, and tokens will look "
        f"{'as if they were not valid yet' if ahead > 0 else 'expired'}"
    )


def keys_sentence(keys: KeySet, usable: frozenset[str] | None = None) -> str:
    """How many there are, and for what. `usable`: algorithms that count; None: all."""
    found = {alg for key in keys.keys for alg in key.algorithms}
    algorithms = sorted(found if usable is None else found & usable)
    return f"{len(keys.keys)} {'key' if len(keys.keys) == 1 else 'keys'}, for {', '.join(algorithms)}"


def as_given(text: str) -> str:
    """What was given for an issuer, quoted where no password or key can be in it."""
    return "what was given for an issuer" if {"@", "?"} & {*text} else shown(text)


def _named(text: str) -> str:
    """The issuer that is meant by `text`. NotMet: it is no address of one."""
    if "://" not in text:
        scheme = "http" if is_loopback(text.partition("/")[0].rpartition(":")[0]) else "https"
        raise NotMet(f"{as_given(text)} is no URL", "an issuer begins with https://", issuer=_url(f"{scheme}://{text}"))
    if "{" in text:
        raise NotMet(
            f"{as_given(text)} has a tenant left out",
            "give the issuer of one tenant; docs/tenants.md says how one entry takes several",
        )
    if (known := _WELL_KNOWN.search(text)) is not None:
        raise NotMet(
            f"{as_given(text)} is the address of a document",
            "the issuer is what stands in front of /.well-known",
            issuer=_url(text[: known.start()]),
        )
    try:
        url = parse_url(text)
    except ValueError as error:
        raise NotMet(f"{as_given(text)} {error}") from None
    if url.query:
        raise NotMet(f"{as_given(text)} has a query, which no issuer has", issuer=_url(text.partition("?")[0]))
    return text


def _url(text: str) -> str | None:
    """The text, where it is fit to be an issuer."""
    try:
        parse_url(text)
    except ValueError:
        return None
    return text if len(text) <= _LONGEST else None


async def _keys(issuer: Issuer, discovered: Discovered) -> str:
    """What there is of keys, as a gateway would have them. NotMet: its document names none."""
    address = discovered.document.get("jwks_uri")
    if not isinstance(address, str):
        raise NotMet(
            f"{shown_address(discovered.address)} names no keys (jwks_uri): an API cannot read its tokens",
            "it can be asked about each of them: docs/opaque-tokens.md",
        )
    try:
        return keys_sentence((await Publisher(issuer).fetch_key_set(time.monotonic())).keys)
    except (FetchFailed, UnusableKeySet) as failure:
        raise NotMet(f"its keys are of no use: {failure}", *_hints(issuer, failure)) from None


async def _another(issuer: Issuer, refused: DiscoveryRefused) -> NotMet:
    """What to say of a document that names another issuer, or none."""
    named = refused.named
    if named is not None and "{" in named:
        return NotMet(
            f"{shown(issuer.issuer)} is for many tenants, and no issuer of tokens: they are named like {shown(named)}",
            "put the id of your tenant there; docs/tenants.md says how one entry takes several",
        )
    meant = None if named is None else _url(named)
    if named is None or meant is None:
        return NotMet(str(refused), "that is no document of an OpenID provider, or of an OAuth authorization server")
    near = meant.rstrip("/") == issuer.issuer.rstrip("/")
    sentence = (
        f"{shown(issuer.issuer)} calls itself {shown(meant)}"
        f"{', which differs in the slash at the end' if near else ''}: its tokens have that as iss, to the letter"
    )
    where = issuer.discovery_url or (None if near or await _is_found(issuer, meant) else refused.address)
    hints = () if where is None else ("it is found where you found it, and not under its own name",)
    return NotMet(sentence, *hints, issuer=meant, discovery_url=where)


async def _is_found(issuer: Issuer, meant: str) -> bool:
    """Whether there is a document under the name that an issuer gives itself."""
    try:
        await fetch_discovery(Issuer(issuer=meant, audience="-", ca_file=issuer.ca_file, allow_http=issuer.allow_http))
    except FetchFailed:
        return False
    return True


def _hints(issuer: Issuer, failure: Exception) -> tuple[str, ...]:
    """What helps with an issuer that cannot be asked."""
    sentence, host = str(failure), urlsplit(issuer.issuer).hostname
    address = issuer.discovery_url or issuer.issuer
    if NOT_ACCEPTED in sentence:
        return (f"where {host} has an authority of its own, give its certificate: --ca-file FILE",)
    if not is_fetchable(address, issuer=issuer.issuer, allow_http=issuer.allow_http):
        return (
            "tokens are as good as the keys, which have to come over https; --allow-http permits it, and is UNSAFE",
        )
    if "TLS failed" in sentence:
        return (f"does {host} speak plain http there? An issuer is what iss of its tokens says",)
    if not isinstance(failure, FetchFailed):
        return ()
    if failure.status is None:
        return (f"is {host} the name by which this machine finds it? --discovery-url URL says where else it is",)
    if not is_absent(failure):
        return ("it is there, and cannot say now: try again later",)
    return (
        "is its path missing? Keycloak has /realms/NAME, Okta /oauth2/NAME, Entra /TENANT-ID/v2.0",
        "iss of a token is the issuer: `bearer-gateway explain < token` shows it",
        "a provider without a discovery document needs its keys named in the file: jwks_url, docs/configuration.md",
    )
