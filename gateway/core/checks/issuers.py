"""Which issuers make sense: rules within one issuer, and between issuers. Knows nothing of tokens or of fetching."""

import re
from collections.abc import Iterator

from gateway.core.addresses import is_fetchable, parse_url
from gateway.core.checks.fetch import fetch_problems, fetch_warnings
from gateway.core.checks.same_issuer import adds_keys, agreement_problems
from gateway.core.checks.tenants import overlap_problems, tenant_problems, tenant_warnings
from gateway.core.config.file import Config
from gateway.core.config.issuers import ALGORITHMS, KUBERNETES, Issuer, audiences_of, issuer_name
from gateway.core.config.keys_of import KeysOf
from gateway.core.config.words import ConfigProblem, did_you_mean, joined
from gateway.core.token.presets import PRESETS, suggest_preset

_MULTI_TENANT = re.compile(r"//login\.microsoftonline\.com/(?:common|organizations|consumers)(?:/|\Z)")
#: what the API server is called in the tokens that pods have by default
_KUBERNETES_API = re.compile(r"https://kubernetes\.default(?:\.svc(?:\.[a-z0-9.-]+)?)?/?\Z")
#: More would keep expired tokens alive for longer than clocks ever differ.
MAX_LEEWAY = 5 * 60
#: Seconds; shorter lives of key sets would burden issuers and gain nothing: a refresh comes at 80 % of one.
MIN_REFRESH = 30
#: Characters of a name: it is a label of every metric.
MAX_NAME = 128


def issuer_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong with `issuers`, issuer by issuer."""
    if not config.issuers:
        yield ConfigProblem("issuers", "must have at least one issuer")
    issuers: dict[str, tuple[str, list[Issuer]]] = {}
    names: dict[str, str] = {}
    for index, issuer in enumerate(config.issuers):
        path = joined("issuers", index)
        for key, sentence in _own_problems(issuer):
            yield ConfigProblem(f"{path}.{key}", sentence)
        where, known = issuers.setdefault(issuer.issuer, (path, []))
        if not all(adds_keys(issuer, other) for other in known):
            yield ConfigProblem(
                f"{path}.issuer",
                f"is the same issuer as {where}; one of them must go, unless each has keys at a jwks_url of its own",
            )
        elif (name := issuer_name(issuer)) in names:
            sentence = f"must differ: {names[name]} is called so as well; give one of them another name"
            yield ConfigProblem(f"{path}.name", sentence)
        elif known:
            yield from agreement_problems(path, issuer, first=known[0], where=where)
        known.append(issuer)
        names.setdefault(issuer_name(issuer), path)
    yield from overlap_problems(config)


def issuer_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What is unsafe or better otherwise in `issuers`."""
    for index, issuer in enumerate(config.issuers):
        path = joined("issuers", index)
        if issuer.allow_unclassified:
            yield ConfigProblem(
                f"{path}.allow_unclassified",
                "is unsafe: an ID token with the right audience and no marker of its kind is accepted as well",
            )
        if issuer.allow_http:
            yield ConfigProblem(
                f"{path}.allow_http",
                "is unsafe: whoever is on the way to the issuer can send keys of their own",
            )
        yield from (ConfigProblem(f"{path}.{key}", sentence) for key, sentence in _oddities(issuer))
        yield from (ConfigProblem(f"{path}.{key}", sentence) for key, sentence in tenant_warnings(issuer, config))
        yield from (ConfigProblem(f"{path}.{key}", sentence) for key, sentence in fetch_warnings(issuer))
        preset = PRESETS.get(issuer.preset or "")
        if preset is not None and preset.refuses is not None:
            yield ConfigProblem(f"{path}.preset", f"refuses every token: {preset.refuses.evidence}")
        suggestion = None if issuer.preset else suggest_preset(issuer.issuer)
        if suggestion:
            yield ConfigProblem(
                f"{path}.preset",
                f"is not set; this looks like an issuer for preset {suggestion}, which knows its tokens",
            )


def issuer_notes(config: Config) -> Iterator[ConfigProblem]:
    """Where the audiences of each provider's tokens come from: nothing is wrong, but most providers leave them out."""
    for index, issuer in enumerate(config.issuers):
        preset = PRESETS.get(_provider(issuer))
        if preset is not None and preset.audience:
            yield ConfigProblem(
                f"{joined('issuers', index)}.audience", f"must be in the tokens; with {preset.name}: {preset.audience}"
            )


def _provider(issuer: Issuer) -> str:
    """The preset that an issuer has, or seems to be one for; empty when that is not known."""
    return issuer.preset or suggest_preset(issuer.issuer) or ""


def _oddities(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """What is probably a slip: no token of such an issuer, or for such an audience, will ever be admitted."""
    if "/.well-known/" in issuer.issuer:
        yield "issuer", "looks like the address of a discovery document; the issuer is what stands before /.well-known"
    yield from _of_provider(issuer)
    if _MULTI_TENANT.search(issuer.issuer):
        yield (
            "issuer",
            (
                "is no issuer of tokens: Entra writes the id of the tenant where this says common; for several tenants "
                "write {tid} there, and name them in tenants"
            ),
        )
    for audience in audiences_of(issuer):
        if audience == "*":
            yield "audience", "is no wildcard: tokens must name the audience * to the letter"
        elif _provider(issuer) == KUBERNETES and (audience == issuer.issuer or _KUBERNETES_API.match(audience)):
            yield "audience", "is the Kubernetes API: every pod has such a token, and whoever gets one can use it there"
        elif audience != audience.strip():
            yield "audience", "has blanks at its ends"
    if issuer.require_typ and issuer.allow_unclassified:
        yield "require_typ", "has no effect beside allow_unclassified: tokens without typ: at+jwt are let in after all"


def _of_provider(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """What is wrong only because of whose issuer it is."""
    preset = PRESETS.get(_provider(issuer))
    if preset is None:
        return
    slash = "//sts." in issuer.issuer if preset.name == "entra" else preset.slash
    if slash is not None and issuer.issuer.endswith("/") != slash:
        ends = "has no slash at its end, and" if slash else "has a slash at its end, and no"
        yield "issuer", f"{ends} iss of preset {preset.name} has one: no token would be from it"
    if preset.name == "keycloak" and "account" in audiences_of(issuer):
        # The client of the account console: whoever has a role of it, and everybody has by default, has it in aud.
        yield "audience", "is no API: Keycloak puts account into the tokens of nearly everybody, for every client"
    if is_org_server(issuer.issuer, preset.name):
        yield "issuer", "is the org's own server, whose tokens Okta alone can verify; others have /oauth2/ in the path"


def is_org_server(issuer: str, preset: str | None) -> bool:
    """Whether it is Okta's for an organisation as a whole, none of an API."""
    return preset == "okta" and re.match(r"https?://[^/]+/oauth2/", issuer) is None


def _own_problems(issuer: Issuer) -> Iterator[tuple[str, str]]:
    yield from _source_problems(issuer)
    yield from tenant_problems(issuer)
    yield from fetch_problems(issuer)
    if not audiences_of(issuer):
        yield "audience", "must name at least one audience"
    yield from _empty_texts("audience", audiences_of(issuer), listed=not isinstance(issuer.audience, str))
    if issuer.name is not None and not (0 < len(issuer.name) <= MAX_NAME and issuer.name.isprintable()):
        yield "name", f"must have 1 to {MAX_NAME} printable characters"
    elif issuer.name == "-":
        yield "name", "must not be -, which stands for no issuer in metrics"
    if issuer.preset is not None and issuer.preset not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        yield "preset", f"is not a known preset{did_you_mean(issuer.preset, PRESETS)}; known are {known}"
    yield from algorithm_problems(issuer.algorithms)
    if not 0 <= issuer.leeway <= MAX_LEEWAY:
        yield "leeway", "must be from 0s to 5m"
    if issuer.jwks_refresh is not None and issuer.jwks_refresh < MIN_REFRESH:
        yield (
            "jwks_refresh",
            f"must be at least {MIN_REFRESH}s: issuers are asked by every replica; null is for the default",
        )
    if issuer.max_lifetime is not None and not issuer.max_lifetime > 0:
        yield "max_lifetime", "must be longer than nothing; null is for no limit"
    if not issuer.audience_claims:
        yield "audience_claims", "must name at least one claim, such as aud"
    if issuer.scope_claims == ():
        yield "scope_claims", "must name at least one claim; leave it out for the default"
    yield from _empty_texts("audience_claims", issuer.audience_claims)
    yield from _empty_texts("clients", issuer.clients)
    for index, name in enumerate(issuer.scope_claims or ()):
        key = joined("scope_claims", index)
        if isinstance(name, KeysOf):
            yield from _empty_texts(f"{key}.keys_of", (name.keys_of,), listed=False)
        else:
            yield from _empty_texts(key, (name,), listed=False)


def _source_problems(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """Where keys come from: exactly one source, over https or from this machine."""
    sources = {"jwks_file": issuer.jwks_file, "jwks_url": issuer.jwks_url, "discovery_url": issuer.discovery_url}
    given = [key for key, value in sources.items() if value is not None]
    for key in given[1:]:
        yield key, f"cannot stand beside {given[0]}: keys come from one place"
    for key, name in (("jwks_file", issuer.jwks_file), ("ca_file", issuer.ca_file)):
        if name == "":
            yield key, "must not be empty"
    for key, url in (("jwks_url", issuer.jwks_url), ("discovery_url", issuer.discovery_url)):
        if url is not None:
            yield from url_problems(key, url, issuer)
    if not issuer.issuer:
        yield "issuer", "must not be empty"
    elif not given:
        yield from url_problems("issuer", _without_braces(issuer), issuer)
    elif given == ["discovery_url"]:
        # Nothing is fetched from the issuer itself.
        yield from url_problems("issuer", _without_braces(issuer), issuer, fetched=False)


def _without_braces(issuer: Issuer) -> str:
    """The issuer as an address; what its braces mean is judged by itself."""
    return issuer.issuer.replace("{", "").replace("}", "")


def url_problems(key: str, text: str, issuer: Issuer, *, fetched: bool = True) -> Iterator[tuple[str, str]]:
    """What is wrong with an address under a key of an issuer. `fetched`: something is asked for there."""
    otherwise = "; other issuers need jwks_url or jwks_file" if key == "issuer" else ""
    try:
        parse_url(text)
    except ValueError as error:
        yield key, f"{error}{otherwise}"
        return
    # OpenID Connect Discovery 1.0 section 2: an issuer has neither query nor fragment.
    if key == "issuer" and "?" in text:
        yield key, f"must not have a query (?) in its URL{otherwise}"
    elif fetched and not is_fetchable(text, issuer=issuer.issuer, allow_http=issuer.allow_http):
        also = "" if key == "issuer" else ", as is the issuer"
        yield key, f"must be https, unless it is on loopback{also} (allow_http: true permits it, and is unsafe)"


def algorithm_problems(algorithms: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What is wrong with algorithms by which somebody may sign, under their key."""
    if not algorithms:
        yield "algorithms", "must name at least one algorithm; leave it out for all asymmetric ones"
    for index, algorithm in enumerate(algorithms):
        path = joined("algorithms", index)
        if algorithm.lower() == "none":
            yield path, "must not be none: such tokens are signed by nobody"
        elif algorithm.upper().startswith("HS"):
            yield path, "must not be an HMAC algorithm: whoever can verify such tokens can also make them"
        elif algorithm not in ALGORITHMS:
            hint = did_you_mean(algorithm, ALGORITHMS)
            yield path, f"is not supported{hint}; supported are {', '.join(ALGORITHMS)}"


def _empty_texts(key: str, texts: tuple[str, ...], *, listed: bool = True) -> Iterator[tuple[str, str]]:
    for index, text in enumerate(texts):
        if not text.strip():
            yield joined(key, index) if listed else key, "must not be empty"
