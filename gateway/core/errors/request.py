"""Requests that are refused for what they are: framing, target, path, method, size. No token is read for these."""

from collections.abc import Sequence

from gateway.core.errors.refusal import Denied


class BadRequest(Denied):
    status = 400
    reason = "bad_request"
    public = "The request is not well-formed HTTP, or is framed in a way this gateway does not accept."


class AmbiguousPath(BadRequest):
    reason = "ambiguous_path"
    public = "The path can be read in more than one way. Send it without dot segments, empty segments and odd escapes."


class UntrustedProxy(BadRequest):
    public = "Decisions are given to trusted proxies only."


class UnclearSubrequest(BadRequest):
    public = "The proxy did not say exactly once, and in plain form, which request it asks about."


class UndecidableHeader(BadRequest):
    public = "The request has a header that changes its method or path, or that can be taken for an identity header."


class UndecidableCredential(BadRequest):
    reason = "undecidable_credential"
    public = "The access token stands where a proxy that only asks cannot take it out: send it in a header."


class RequestTimeout(BadRequest):
    status = 408
    reason = "request_timeout"
    public = "The request did not arrive in time."


class MethodNotImplemented(BadRequest):
    status = 501
    reason = "method_not_implemented"
    public = "This gateway does not know the request method."


class VersionNotSupported(BadRequest):
    status = 505
    reason = "version_not_supported"
    public = "This gateway speaks HTTP/1.0 and HTTP/1.1."


class MethodNotAllowed(Denied):
    status = 405
    reason = "method_not_allowed"
    public = "This method is not allowed here."

    def __init__(
        self, evidence: str = "", *, allow: Sequence[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    ) -> None:
        """`allow`: the methods that are (RFC 9110 section 10.2.1)."""
        super().__init__(evidence)
        self.allow = tuple(allow)


class UnknownHost(Denied):
    status = 421
    reason = "unknown_host"
    public = "This gateway does not serve this host."


class NoRoute(Denied):
    status = 404
    reason = "no_route"
    public = "There is nothing at this path."


class TooLarge(Denied):
    status = 431
    reason = "headers_too_large"
    public = "The request headers are larger, or more, than this gateway accepts."


class UriTooLong(TooLarge):
    status = 414
    reason = "uri_too_long"
    public = "The request target is longer than this gateway accepts."


class TokenTooLarge(TooLarge):
    reason = "token_too_large"
    public = "The access token is larger than this gateway accepts."


class BodyTooLarge(TooLarge):
    status = 413
    reason = "body_too_large"
    public = "The request body is larger than this gateway accepts."
