"""What to say of a request that llhttp did not take. Never quotes what was sent."""

from httptools import HttpParserError, HttpParserInvalidMethodError

from gateway.core.errors import BadRequest, MethodNotImplemented, Refusal, VersionNotSupported

#: what llhttp says of a version that is well-formed, and at the preface of HTTP/2 (RFC 9113 section 3.4)
_VERSION = "Invalid HTTP version"
_PREFACE = "Pause on PRI/Upgrade"


def parser_refusal(error: HttpParserError) -> Refusal:
    """The refusal for an error of the parser."""
    if isinstance(error, HttpParserInvalidMethodError):
        return MethodNotImplemented("the parser does not know the method")
    said = str(error)
    if said == _VERSION:
        return VersionNotSupported("the parser does not know the version")
    if said == _PREFACE:
        return VersionNotSupported("the preface of HTTP/2")
    return BadRequest(f"the parser refused it: {said}")
