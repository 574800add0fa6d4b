"""What to say of a request that llhttp, or aiohttp above it, did not take. Never quotes it, though they do."""

from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, HttpProcessingError, LineTooLong

from gateway.core.errors import (
    BadRequest,
    MethodNotImplemented,
    Refusal,
    TooLarge,
    UriTooLong,
    VersionNotSupported,
)

#: what aiohttp says of its own limit on the number of header lines
_TOO_MANY = "Too many headers received"
#: what llhttp says at the preface of HTTP/2 (RFC 9113 section 3.4)
_PREFACE = "Pause on PRI/Upgrade"


def parser_refusal(error: BaseException, *, limits_line: int) -> Refusal:
    """The refusal for an error of the parser. `limits_line`: the limit on the target, which no other limit equals."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, LineTooLong):
        if error.args[1:2] == (limits_line,):
            return UriTooLong("the parser's limit")
        return TooLarge("the parser's limit on one header line")
    message = error.message if isinstance(error, HttpProcessingError) else ""
    if message == _TOO_MANY:
        return TooLarge("the parser's limit on the number of header lines")
    if isinstance(error, BadHttpMethod):
        return MethodNotImplemented("the parser does not know the method")
    if isinstance(error, BadStatusLine) and message.partition("\n")[2].lstrip().startswith("Invalid HTTP version"):
        return VersionNotSupported("the parser does not know the version")
    if message.startswith(_PREFACE):
        return VersionNotSupported("the preface of HTTP/2")
    return BadRequest(f"the parser refused it ({type(error).__name__})")
