"""Whether `client_certificate_header` can be believed, and names a header of its own."""

from collections.abc import Iterator

from gateway.core.checks.headers import find_taker
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.file import Config, assertion_header_of, identity_headers_of, upstreams_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS
from gateway.core.config.words import ConfigProblem
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.http.header_names import fold, is_forwarding

_PATH = "client_certificate_header"
#: formats of which several can stand in one line
_LISTS = ("xfcc", "base64_der")
#: forwarding headers that say something else
_OTHERS = frozenset(
    {
        b"forwarded",
        b"x-forwarded",
        b"x-real-ip",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-method",
        b"x-forwarded-port",
        b"x-forwarded-uri",
    }
)


def certificate_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    header = config.client_certificate_header
    if header is None:
        return
    if not config.trusted_proxies:
        yield ConfigProblem(_PATH, "needs trusted_proxies: nobody else's header is believed")
    wrong = _wrong_name(header, config)
    if wrong:
        yield ConfigProblem(f"{_PATH}.name", wrong)
    if header.element is not None and header.format not in _LISTS:
        yield ConfigProblem(f"{_PATH}.element", f"has no effect: {header.format} has one certificate")
    if header.element == 0:
        yield ConfigProblem(f"{_PATH}.element", "must be first, last, or a number: 1 is the first, -1 the last")


def certificate_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    header = config.client_certificate_header
    if header is None or header.format != "xfcc" or header.element in (None, "first", 1):
        return
    if header.element in ("last", -1):
        said = "is last, which is a proxy's own certificate where several add theirs (Istio), and which"
    else:
        said = f"is {header.element}, which"
    yield ConfigProblem(
        f"{_PATH}.element",
        f"{said} a name with a comma in a client's certificate can be taken for; leave it out where one proxy replaces "
        "the header (sanitize_set)",
    )


def _wrong_name(header: ClientCertificateHeader, config: Config) -> str | None:
    if FIELD_NAME.fullmatch(header.name) is None:
        return "is not a valid header name: letters, digits and hyphens are"
    folded = fold(header.name.encode("ascii"))
    if folded in _OTHERS or (not is_forwarding(header.name.encode("ascii")) and find_taker(folded)):
        return "is a header that says something else"
    ours = {*DEFAULT_IDENTITY_HEADERS, *identity_headers_of(config), assertion_header_of(config)}
    ours |= {name for upstream in upstreams_of(config).values() for name in upstream.headers}
    if folded in {fold(name.encode()) for name in ours}:
        return "is a header that the gateway sets itself"
    return None
