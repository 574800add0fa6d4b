"""What is wrong or unsafe in `external_url`. What a URL means is asked of `client_url`."""

from collections.abc import Iterator

from gateway.core.addresses import is_loopback, parse_url
from gateway.core.config.file import Config, external_urls_of
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.http.client_url import ClientUrl, parse_external


def external_url_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    if config.external_url == ():
        yield ConfigProblem("external_url", "must have at least one URL; null is none")
    seen: dict[tuple[str, str, str], str] = {}
    places: dict[tuple[str, str], str] = {}
    for path, text in _each(config):
        try:
            url = parse_external(text)
        except ValueError as error:
            yield ConfigProblem(path, str(error))
            continue
        if (first := seen.setdefault(_parts(url), path)) != path:
            yield ConfigProblem(path, f"is {first} again")
        elif (first := places.setdefault(_parts(url)[:2], path)) != path and not config.trusted_proxies:
            yield ConfigProblem(
                path,
                f"differs from {first} in its path only: which of them a request came by is said by a proxy of "
                "trusted_proxies (X-Forwarded-Prefix), and there is none",
            )


def external_url_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    for path, text in _each(config):
        try:
            url = parse_url(text)
        except ValueError:
            continue
        if url.scheme == "http" and not is_loopback(url.host):
            yield ConfigProblem(path, "is unsafe: over http, anybody on the way has the tokens")


def _parts(url: ClientUrl) -> tuple[str, str, str]:
    return url.scheme, url.authority, url.prefix


def _each(config: Config) -> Iterator[tuple[str, str]]:
    is_list = isinstance(config.external_url, tuple)
    for index, text in enumerate(external_urls_of(config)):
        yield joined("external_url", index) if is_list else "external_url", text
