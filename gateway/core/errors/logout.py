"""Logout requests of issuers that are refused (OpenID Connect Back-Channel Logout 1.0 section 2.8)."""

from gateway.core.errors.refusal import Denied, Refusal


class InvalidLogout(Denied):
    status = 400
    reason = "invalid_logout"
    oauth_error = "invalid_request"
    public = "This is no logout token that is accepted here from this issuer."


class LogoutFailed(Refusal):
    status = 400
    reason = "logout_failed"
    oauth_error = "server_error"
    public = "The logout token is valid, and the logout could not be carried out. Try again."
