"""What to do about an issuer or an API that cannot be had, by the words in which it is said why.

Those are the gateway's own: `remote` says them of issuers, `relay` of upstreams, and a test holds both to this.
"""

import re
from typing import Final

#: words, and what to do where they are said
_Known = tuple[tuple[str | re.Pattern[str], str], ...]
_ASKED_AGAIN: Final = "The gateway asks again by itself; Refresh on the console asks at once."

#: of an issuer, the first that fits
_OF_ISSUERS: Final[_Known] = (
    (
        "names another issuer",
        "Write what the provider calls itself as issuer in the configuration, to the letter; its document has it.",
    ),
    (
        "none for the configured algorithms",
        "Add the algorithm of its keys to algorithms of the issuer, if the provider signs access tokens with it.",
    ),
    (
        "cannot be resolved",
        "No such name is known here: correct the host in issuer (discovery_url, jwks_url), or look at DNS here.",
    ),
    ("the proxy", "Look at the proxy, and at fetch.proxy of the issuer."),
    (
        "(ECONNREFUSED)",
        (
            "Nothing listens there: is the provider running, and on this port? Start it, or correct the address in the "
            f"configuration. {_ASKED_AGAIN}"
        ),
    ),
    (
        "cannot be reached",
        f"There is no way to it from here: look at the network, a firewall, and the address. {_ASKED_AGAIN}",
    ),
    (
        "certificate is not accepted",
        (
            "Where the provider has an authority of its own, name that one's certificate in ca_file of the issuer; "
            "otherwise have the provider's certificate renewed."
        ),
    ),
    ("TLS failed", "Does it speak plain http on this port? Correct the address."),
    (
        "plain http, which is not allowed",
        "Write https:// for it. Over plain http anybody on the way could give other keys: allow_http permits that.",
    ),
    (
        "no complete response within",
        (
            f"It is too slow, hangs, or a firewall drops what is sent: look at the provider and the way to it. "
            f"{_ASKED_AGAIN}"
        ),
    ),
    (
        re.compile(r"has status (?!429|408)4\d\d"),
        (
            "A server is there, and has no such document: is the path of issuer right? Keycloak has /realms/NAME, Okta "
            "/oauth2/NAME, Entra /TENANT-ID/v2.0. Where a provider has none, name its keys: jwks_url."
        ),
    ),
    (re.compile(r"has status (5|429|408)"), f"It is there, and cannot say now: look at the provider. {_ASKED_AGAIN}"),
)
_OF_ISSUER: Final = "Look at what the provider publishes there; docs/providers.md says what to write for whom."
#: of an API, the first that fits
_OF_APIS: Final[_Known] = (
    (
        "cannot be resolved",
        (
            "No such name is known here: correct the host of the upstream, or look at DNS. In a container the API goes "
            "by its name on their network."
        ),
    ),
    (
        "Connection refused",
        (
            "Nothing listens there: start the API, or correct the address of the upstream. In a container 127.0.0.1 is "
            "the container itself."
        ),
    ),
    ("No such file", "There is no such socket: start the API, or correct the path of the upstream."),
    (
        "no connection within connect_timeout",
        (
            "Nobody responds at that address: is it the right one, and does every firewall on the way let this machine "
            "through?"
        ),
    ),
    (
        "certificate was not accepted",
        (
            "Where the API has an authority of its own, name that one's certificate in tls.ca_file of the upstream; "
            "otherwise have the API's certificate renewed."
        ),
    ),
    ("TLS failed", "Does the API speak plain http on this port, or want a client certificate (tls)?"),
    (
        "response_timeout",
        (
            "The API takes requests and says nothing: it hangs, or is slow. Look at its own log, and at what it waits "
            "for; where it may take as long, raise response_timeout of the upstream or timeout of the route."
        ),
    ),
)
_OF_API: Final = "Is the API running, and does it speak HTTP where the evidence says? Look at its own log."
#: the name that a discovery document gives itself
_NAMED: Final = re.compile(r"(?:names another issuer than the configured one,|calls itself) ('[^']*')")

#: what to do about clocks that differ
OF_A_CLOCK: Final = (
    "`date -u` on both says which of them is wrong. Set it by NTP; `timedatectl` says whether that runs."
)
#: what to do about an API that takes requests and does not respond
OF_A_SILENT_API: Final = (
    "It hangs, or is slow: look at the API's own log, and at what it waits for (a database, a lock, workers that are "
    "all busy). Restart it if nothing moves."
)


def of_issuer(why: str, configured: str) -> str:
    """What to do about an issuer whose keys cannot be had. `configured`: as the configuration calls it."""
    if (named := _NAMED.search(why)) is not None:
        return (
            f"If this is your provider, write issuer: {named[1]} in the configuration, to the letter: its tokens have "
            "that as iss. Where the gateway finds it under the other name only, add discovery_url: "
            f"{configured.rstrip('/')}/.well-known/openid-configuration."
        )
    return _first(_OF_ISSUERS, why) or _OF_ISSUER


def of_api(why: str) -> str:
    """What to do about an API that failed."""
    return _first(_OF_APIS, why) or _OF_API


def _first(known: _Known, why: str) -> str | None:
    for words, advice in known:
        if words in why if isinstance(words, str) else words.search(why) is not None:
            return advice
    return None
